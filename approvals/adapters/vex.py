"""What VEX documents say of our decisions: of which product which vulnerability is fixed. 'Fixed' is all that is ever
claimed: an approved patch that is deployed shows that a product was mended, never that it was not affected."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from packageurl import PackageURL
from pydantic_core import to_json

from approvals.models import Decision, DeploymentResult, Patch, Status
from approvals.policy.vulnerability import alias_names, names_in, spelled
from approvals.queries.revocable import APPROVED

PURL_TYPES = {
    "pypi": "pypi",
    "npm": "npm",
    "maven": "maven",
    "go": "golang",
    "golang": "golang",
    "crates.io": "cargo",
    "cargo": "cargo",
    "nuget": "nuget",
    "rubygems": "gem",
    "gem": "gem",
    "packagist": "composer",
    "composer": "composer",
}
"""Ecosystems as OSV and producers name them, in small letters, and their types in package URLs."""


@dataclass(frozen=True, slots=True)
class Product:
    """What is fixed: a release that has the fix, by its package URL, or what was patched in place, by the address of
    the decision, which has the exact bytes."""

    iri: str
    name: str
    version: str
    purl: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One vulnerability is fixed in one product. `name` is a CVE id where there is one."""

    name: str
    aliases: tuple[str, ...]
    product: Product
    decision_id: str
    patch_sha256: str
    decided_at: datetime
    deployed_at: datetime

    @property
    def at(self) -> datetime:
        """Since when it holds: the later of approval and deployment."""
        return max(self.decided_at, self.deployed_at)

    @property
    def note(self) -> str:
        """How the fix came about, in a sentence; it names nobody."""
        return (
            f"The patch with the SHA-256 {self.patch_sha256} was approved {written(self.decided_at)} "
            f"and deployed {written(self.deployed_at)} (decision {self.decision_id})."
        )


@dataclass(frozen=True, slots=True)
class Document:
    """Statements and who makes them. The same statements are the same document: its id is their digest, its time that
    of the newest one."""

    statements: tuple[Statement, ...]
    author: str
    base_url: str

    @property
    def digest(self) -> str:
        """SHA-256 of the statements in hex."""
        return hashlib.sha256(to_json([asdict(one) for one in self.statements])).hexdigest()

    @property
    def at(self) -> str:
        """The time of the newest statement."""
        return written(max(one.at for one in self.statements))

    @property
    def products(self) -> list[Product]:
        """Every product once, in the order of the statements."""
        return list(dict.fromkeys(one.product for one in self.statements))

    @property
    def by_vulnerability(self) -> dict[str, list[Statement]]:
        """The statements under the name of their vulnerability."""
        grouped: dict[str, list[Statement]] = {}
        for one in self.statements:
            grouped.setdefault(one.name, []).append(one)
        return grouped


def written(at: datetime) -> str:
    """Return a time as the standards write it, to the second in UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def document(decisions: Iterable[Decision], *, author: str, base_url: str) -> Document:
    """Return what is to be said of decisions that `deployed_fixes` found."""
    return Document(tuple(one for decision in decisions for one in _statements(decision, base_url)), author, base_url)


def why_unsaid(decision: Decision) -> str:
    """Return why nothing is said of a decision, '' where something is."""
    if decision.patch.is_gate:
        return "A workflow gate mends nothing."
    if not decision.patch.vulnerability_ids:
        return "Its patch names no vulnerability."
    if decision.status not in APPROVED:
        return f"It is not approved: it is {Status(decision.status).label.lower()}."
    last = getattr(decision, "last_result", None)
    if last is None:
        return "It is approved, and no deployer has reported it as deployed."
    if last != DeploymentResult.DEPLOYED:
        return f"It is approved, and the last report says: {DeploymentResult(last).label.lower()}."
    return ""


def _statements(decision: Decision, base_url: str) -> Iterator[Statement]:
    patch = decision.patch
    assert decision.decided_at is not None
    deployed_at = decision.last_deployed_at  # type: ignore[attr-defined]  # by `deployed_fixes`
    product = product_of(patch, f"{base_url}/patches/{decision.decision_id}")
    for name, aliases in vulnerabilities(patch):
        yield Statement(
            name, aliases, product, str(decision.decision_id), patch.sha256, decision.decided_at, deployed_at
        )


def vulnerabilities(patch: Patch) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each vulnerability of a patch with its other names. Identifiers are of one each; which of several an alias
    belongs to nobody said, so then none is given. Without an identifier the aliases name one: by its CVE, if any."""
    names = list(dict.fromkeys(spelled(name) for one in patch.cve_ids for name in names_in(one)))
    aliases = list(dict.fromkeys(spelled(name) for one in patch.aliases for name in alias_names(one)))
    if len(names) <= 1:
        every = sorted(dict.fromkeys([*names, *aliases]), key=lambda name: not name.startswith("CVE-"))
        if sum(name.startswith("CVE-") for name in every) <= 1:
            yield every[0], tuple(every[1:])
            return
        names = names or every
    for name in names:
        yield name, ()


def product_of(patch: Patch, iri: str) -> Product:
    """Return what has the fix: with a target version that release, else what was patched in place."""
    if patch.target_version:
        purl = _purl(patch, patch.target_version)
        name = patch.package_name or patch.repository
        return Product(purl or iri, name, patch.target_version, purl)
    what = " ".join(filter(None, [patch.package_name, patch.current_version])) or patch.repository
    where = f" at {patch.base_commit}" if patch.base_commit else ""
    return Product(iri, f"{what}{where} with patch {patch.sha256[:12]}", f"sha256:{patch.sha256}", "")


def _purl(patch: Patch, version: str) -> str:
    """Return the package URL of a release; '' where the patch names no package that has one."""
    try:
        if patch.purl:
            return str(PackageURL(**PackageURL.from_string(patch.purl).to_dict() | {"version": version}).to_string())
        kind, name = PURL_TYPES.get(patch.ecosystem.strip().lower()), patch.package_name
        if not kind or not name:
            return ""
        namespace, _, name = name.rpartition(":" if kind == "maven" else "/")
        return str(PackageURL(kind, namespace or None, name, version).to_string())
    except ValueError:  # what was sent is none
        return ""
