"""The demo's people and producers. Passwords are made by `load_demo` and never stand here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """One account. Those who do not sign in exist for the history only and have no usable password."""

    username: str
    first_name: str
    last_name: str
    role: str
    groups: tuple[str, ...]
    signs_in: bool = True
    administrator: bool = False

    @property
    def email(self) -> str:
        return f"{self.username}@example.org"

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


REVIEWER = DemoPerson("rae.demo", "Rae", "Okafor", "reviewer", ("reviewer",))
LEAD = DemoPerson("lee.demo", "Lee", "Marchetti", "security lead", ("security-leads",))
NOOR = DemoPerson("noor.demo", "Noor", "Haddad", "reviewer", ("reviewer",), signs_in=False)
TOMAS = DemoPerson("tomas.demo", "Tomas", "Lind", "reviewer", ("reviewer",), signs_in=False)
INES = DemoPerson("ines.demo", "Ines", "Duarte", "second security lead", ("security-leads",))
VIEWER = DemoPerson("vic.demo", "Vic", "Tanaka", "viewer", ("viewer",))
AUDITOR = DemoPerson("ada.demo", "Ada", "Brandt", "auditor", ("auditor",))
ADMINISTRATOR = DemoPerson("max.demo", "Max", "Ferro", "administrator (/admin/)", ("policy-admin",), administrator=True)

PEOPLE = (REVIEWER, LEAD, INES, VIEWER, AUDITOR, ADMINISTRATOR, NOOR, TOMAS)
REVIEWERS = (REVIEWER, NOOR, TOMAS)
LEADS = (LEAD, INES)


@dataclass(frozen=True, slots=True)
class DemoProducer:
    """One machine that pushes patches, and what an administrator trusts it for."""

    name: str
    trusted_for_ml: bool
    trusted_for_wargaming: bool


FORGE = DemoProducer("demo-patch-forge", trusted_for_ml=True, trusted_for_wargaming=True)
BUMPER = DemoProducer("demo-dependency-bot", trusted_for_ml=True, trusted_for_wargaming=True)
FIXER = DemoProducer("demo-code-fixer", trusted_for_ml=False, trusted_for_wargaming=False)

CI = DemoProducer("demo-ci", trusted_for_ml=False, trusted_for_wargaming=False)

PRODUCERS = (FORGE, BUMPER, FIXER, CI)

ROLLOUT = "rollout"
"""The deployer of the history."""
