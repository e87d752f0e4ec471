"""The templates of a filled database: some hundred real patches that the product takes in and decides.

What differs between the copies of a template is a marker in it, a word or number that nothing else has.
"""

import base64
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from . import load
from .product import ROOT, Person, Product, rows

FILES = ("bot_cve_backports", "upstream_cve_fixes", "odd_cve_patches")
SMALL = (1, 1_400)  # bytes: a million real diffs of every size would be 9 GB that no list reads
AROUND_4_KB = (3_500, 4_600)
PACKAGE, NUMBER = "zzpackage", "92929292"
CVE = "9191{:04}"  # of each template another: several patches of one CVE weigh on each other
HEAD = "Patch number {}.\n\n"
PRODUCERS = ("forge", "bumper", "fixer", "backporter", "triage-bot", "vendor-feed")
LEAD = "lead-0"
PEOPLE = {f"reviewer-{number}": ["reviewer"] for number in range(8)} | {
    f"lead-{number}": ["reviewer", "security-leads"] for number in range(2)
}
EVERYBODY = tuple(name for name in PEOPLE if name != LEAD)
WORDS = "The second call site is still open."
PLACES = (
    "parser session decoder router cache login upload template archive socket query renderer scheduler cookie proxy"
)
WEAKNESSES = "79 89 787 20 125 78 416 22 352 434 476 502 190 287 798 862 77 306 119 276 918 362 400 611 94"
WORLDS = (
    ("npm", "JavaScript"),
    ("PyPI", "Python"),
    ("Maven", "Java"),
    ("Go", "Go"),
    ("crates.io", "Rust"),
    ("RubyGems", "Ruby"),
    ("NuGet", "C#"),
    ("Packagist", "PHP"),
    ("Debian", "C"),
    ("rpm", "C"),
)
WARGAMING = (
    {"phase1_success": True, "phase2_success": True, "validation_passed": True},
    {"phase1_success": True, "phase2_success": False, "validation_passed": False},
    {"phase1_success": False, "phase2_success": None, "validation_passed": None},
    None,
    None,
)


@dataclass(frozen=True)
class Story:
    """What happens to a patch: `a` to `c` are any three people, `lead` is the one lead; `share` of its kind."""

    severity: str
    share: int
    steps: str
    templates: int = 20


WAITING = (
    Story("low", 30, ""),
    Story("medium", 45, "", 30),
    Story("high", 20, ""),
    Story("critical", 3, ""),
    Story("critical", 2, "approve a", 15),
)
TWICE = "approve a, withdraw a, approve b, withdraw b, "
# Three reviews and seven to eight entries a patch come from the first of these.
DECIDED = (
    Story("critical", 480, f"{TWICE}approve a, withdraw a, approve c, withdraw c, approve a, approve lead", 20),
    Story("low", 100, "approve a"),
    Story("medium", 120, "approve a"),
    Story("high", 60, "comment a, approve b"),
    Story("medium", 60, "reject a"),
    Story("high", 40, "reject b"),
    Story("medium", 40, "changes a"),
    Story("low", 30, "cancel", 10),
    Story("medium", 30, "replace", 10),
    Story("low", 20, "expire", 10),
    Story("high", 20, "approve a, revoke lead", 10),
)
OUT_OF_TIME = "update approvals_decision set expire_at = now() where decision_id = any(%s::uuid[])"
UNPLACED = "select count(*) from audit_pending"
STILL_PENDING = "select count(*) from approvals_decision where decision_id = any(%s::uuid[]) and status = 'pending'"


@dataclass
class Template:
    """A patch that was taken in, and which part of all of its kind its copies are."""

    decision_id: str
    patch_id: str
    sha256: str
    mark: str
    waits: bool
    share: float


def tell(product: Product, most: int = 100) -> list[Template]:
    """Take the stories' patches in, at most so many of each, let them end, and return them once every entry has its
    place in the log."""
    templates: list[Template] = []
    late: list[str] = []
    with product.serve() as port:
        tokens = [product.manage("create_token", name, "--kind", "producer") for name in PRODUCERS]
        people = product.people(PEOPLE)
        documents, random_ = _documents(*SMALL), random.Random(42)
        for story in (*WAITING, *DECIDED):
            told = min(most, story.templates)
            for _ in range(told):
                number = len(templates)
                token = tokens[int(len(tokens) * random_.random() ** 1.5)]
                teller = Teller(port, token, people, number, next(documents))
                templates.append(teller.tell(story, story.share / told, random_))
                if "expire" in story.steps:
                    late.append(templates[-1].decision_id)
        for name in people:
            for _ in range(3):
                Teller(port, tokens[0], people, 0, {}).send("GET", "/history.csv", people[name])
        _settle(product, late)
    return templates


def _settle(product: Product, late: list[str]) -> None:
    """Let these run out of time, and wait for the worker to end them and to place all entries."""
    with product.database() as url:
        rows(url, OUT_OF_TIME, [late])
        deadline = time.monotonic() + 60
        while rows(url, STILL_PENDING, [late]) != [(0,)] or rows(url, UNPLACED) != [(0,)]:
            if time.monotonic() > deadline:
                sys.exit("The worker did not end what ran out of time, or left entries without a place.")
            time.sleep(0.3)


@dataclass
class Teller:
    """Tells the story of one patch."""

    port: int
    token: str
    people: dict[str, Person]
    number: int
    document: dict[str, Any]

    def tell(self, story: Story, share: float, random_: random.Random) -> Template:
        body = _body(self.document, story.severity, self.number, random_)
        taken = json.loads(self.send("POST", "/hitl/patches", None, body, Authorization=f"Bearer {self.token}"))
        found = Template(
            taken["decision_id"],
            body["patch_id"],
            taken["patch_sha256"],
            CVE.format(self.number),
            story in WAITING,
            share,
        )
        names = [EVERYBODY[(self.number + place) % len(EVERYBODY)] for place in range(3)]
        for step in filter(None, story.steps.split(", ")):
            verb, _, who = step.partition(" ")
            person = self.people.get({"lead": LEAD, "": ""}.get(who) or names["abc".index(who or "a")])
            assert person
            self.act(verb, person, found, body)
        return found

    def act(self, verb: str, person: Person, found: Template, body: dict[str, Any]) -> None:
        seen = {"decision_id": found.decision_id, "patch_sha256": found.sha256}
        page, api = f"/patches/{found.decision_id}", f"/hitl/patches/{found.patch_id}"
        match verb:
            case "approve" | "reject" | "changes":
                self.send("GET", page, person)  # nobody approves what they have not opened
                form = {"verdict": "request_changes" if verb == "changes" else verb, "displayed": "page"}
                form |= {"patch_sha256": found.sha256, "text": "" if verb == "approve" else WORDS}
                form |= {"category": "incomplete" if verb == "reject" else ""}
                self.send("POST", f"{page}/decide", person, urlencode(form).encode())
            case "withdraw" | "revoke":
                self.send("POST", f"{api}/{verb}", person, seen | {"reason": WORDS})
            case "cancel":
                reason = seen | {"reason": WORDS}
                self.send("POST", f"{api}/cancel", None, reason, Authorization=f"Bearer {self.token}")
            case "comment":
                self.send("POST", f"{api}/comment", person, {"decision_id": found.decision_id, "comment": WORDS})
            case "replace":
                diff = base64.b64encode(base64.b64decode(body["diff_base64"]) + b"\n").decode()
                again = body | {"diff_base64": diff}
                self.send("POST", "/hitl/patches", None, again, Authorization=f"Bearer {self.token}")

    def send(self, method: str, path: str, person: Person | None, body: Any = None, **headers: str) -> bytes:
        if isinstance(body, bytes):
            headers["Content_Type"] = "application/x-www-form-urlencoded"
        request = load.request(method, path, body, **(person.headers if person else {}), **headers)
        [answer], _ = load.send_all(self.port, [request], 1)
        if not 200 <= answer.status < 400:
            sys.exit(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return answer.body


def fresh_documents() -> Iterator[dict[str, Any]]:
    """Yield what a producer sends of real patches of about 4 kB, under new ids; every fourth starts a new CVE."""
    random_ = random.Random(7)
    for number, row in enumerate(_documents(*AROUND_4_KB)):
        body = _body(row, ("low", "medium", "high")[number % 3], number, random_)
        body["patch_metadata"]["cve_ids"] = [f"CVE-2099-{10_000 + number // 4}"]
        yield body | {"patch_id": f"bench.{number}.{time.time_ns()}"}


def _documents(least: int, most: int) -> Iterator[dict[str, Any]]:
    """Yield the real patches of such sizes as their files have them, again and again."""
    directory = Path(os.environ.get("HITL_SAMPLE_DATA", ROOT.parent / "shared" / "data"))
    found = []
    for name in FILES:
        path = directory / f"{name}.ndjson"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        found += [row for row in map(json.loads, lines) if len(row.get("patch", "").encode()) in range(least, most)]
    if not found:
        sys.exit(f"There are no real patches at {directory}; name them in HITL_SAMPLE_DATA.")
    return cycle(found)


def _body(row: dict[str, Any], severity: str, number: int, random_: random.Random) -> dict[str, Any]:
    """Return what a producer would send of a real patch, with the markers and with evidence that is drawn."""
    ecosystem, language = WORLDS[int(10 * random_.random() ** 1.8)]
    weaknesses, mark = WEAKNESSES.split(), CVE.format(number)
    package = row.get("package") or str(row.get("source") or row.get("repository") or "unnamed").rsplit("/", 1)[-1]
    metadata = {
        "apv_id": f"import-{NUMBER}",
        "title": f"{row.get('title') or package} in {random_.choice(PLACES.split())}"[:500],
        "description": str(row.get("message") or "")[:2_000] or None,
        "cve_ids": [f"CVE-2026-{mark}"],
        "cwe_ids": [] if random_.random() < 0.1 else [f"CWE-{weaknesses[int(25 * random_.random() ** 2)]}"],
        "severity": severity,
        "package_name": f"{package}-{PACKAGE}"[:200],
        "ecosystem": ecosystem,
        "language": language,
        "repository": row.get("source") or row.get("repository") or None,
        "current_version": f"1.{number % 30}.0",
        "target_version": f"1.{number % 30}.1",
    }
    diff = HEAD.format(NUMBER).encode() + row["patch"].encode()
    body = {
        "patch_id": f"{PACKAGE}.{mark}.{NUMBER}.{number}",
        "patch_metadata": {name: value for name, value in metadata.items() if value is not None},
        "diff_base64": base64.b64encode(diff).decode(),
        "submitted_by": f"developer-{int(400 * random_.random())}@example.org",
    }
    if random_.random() > 0.2:
        confidence = round(1 - random_.random() ** 2 * 0.6, 3)
        body["ml_prediction"] = {
            "model_version": "model-2",
            "confidence": confidence,
            "prediction": random_.random() < 0.85,
        }
    if result := random_.choice(WARGAMING):
        body["wargaming_result"] = result
    return body
