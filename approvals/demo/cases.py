"""The patches of the generated history: what each fixes, who is named on it, and its intake documents."""

from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any

from .evidence import ml_prediction, wargaming_result
from .fixes import BUMPS, ENTITIES, FIELDS, FIXES, FUNCTIONS, PACKAGES, SCORES, SYSTEMS, Fix, filled
from .people import BUMPER, NOOR, TOMAS, DemoProducer
from .scenarios import MODEL_OWNER, RANGE_AUTHOR, SCENARIOS, TEAM
from .steps import Key

SEVERITIES = {"critical": 8, "high": 27, "medium": 44, "low": 16, "unknown": 5}
GOOD = {"version_bump": 0.88, "config_change": 0.85, "code_rewrite": 0.72}  # how often a fix really is one
REVISION = Fix("revision", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class Case:
    """One patch. `good` is what nobody in the story can see: whether it really fixes the flaw."""

    producer: str
    fix: Fix
    words: dict[str, str]
    cve: str
    severity: str
    score: float | None
    vector: str | None
    good: bool
    submitted_by: str
    triggered_by: str | None = None

    @property
    def package(self) -> str:
        return self.words["package"]

    @property
    def patch_id(self) -> str:
        return f"{self.package}.{self.cve.lower()}"

    @property
    def key(self) -> Key:
        return self.producer, self.patch_id

    @property
    def named(self) -> set[str]:
        """Return the addresses of people who may not approve it."""
        return {self.submitted_by, self.triggered_by or ""}

    def document(self, rng: Random, revision: int, model: int) -> dict[str, Any]:
        """Return the intake document of a revision, scored by the nth model; later ones carry one file more."""
        diff = self.fix.diff(self.words) + (REVISION.diff(self.words) if revision > 1 else "")
        wargaming = wargaming_result(rng, self.good, f"{self.package}-{self.cve[-6:]}")
        return {
            "patch_id": self.patch_id,
            "patch_metadata": self._metadata(rng, revision, diff),
            "diff": diff,
            "ml_prediction": ml_prediction(rng, self.good, model),
            "wargaming_result": wargaming,
            "submitted_by": self.submitted_by,
            "triggered_by": self.triggered_by,
            "model_owner": MODEL_OWNER,
            "simulation_author": RANGE_AUTHOR if wargaming else None,
        }

    def _metadata(self, rng: Random, revision: int, diff: str) -> dict[str, Any]:
        files = [line[6:] for line in diff.splitlines() if line.startswith("+++ b/")]
        return {
            "apv_id": f"APV-DEMO-{self.cve[-6:]}",
            "title": filled(self.fix.title, self.words),
            "description": f"Synthetic demo patch, revision {revision}, generated from a template.",
            "cve_id": self.cve,
            "cve_description": f"Synthetic advisory. {filled(self.fix.advisory, self.words)}",
            "affected_range": f"<{self.words['new']}",
            "cwe_ids": [self.fix.cwe],
            "severity": self.severity,
            "cvss_score": self.score,
            "cvss_vector": f"CVSS:3.1/{self.vector}" if self.vector else None,
            "references": [f"https://example.org/advisories/{self.cve}"],
            "package_name": self.package,
            "ecosystem": self.fix.ecosystem,
            "current_version": self.words["old"],
            "target_version": self.words["new"],
            "language": self.fix.language,
            "affected_systems": sorted(rng.sample(SYSTEMS, 2)),
            "strategy": self.fix.strategy,
            "risk_level": _risk(rng, self.severity),
            "vulnerable_locations": [{"file": file} for file in files] if rng.random() < 0.85 else [],
        }

    def reworked(self, rng: Random) -> "Case":
        """Return the case after its producer heard what was wrong; most are good now."""
        return replace(self, good=rng.random() < 0.9)


def new_case(rng: Random, producer: DemoProducer, number: int, at: datetime) -> Case:
    """Return a patch for a flaw nobody has sent a patch for; `number` makes its CVE unique (and unassigned)."""
    fix = rng.choice(BUMPS if producer == BUMPER else FIXES)
    severity = rng.choices(list(SEVERITIES), list(SEVERITIES.values()))[0]
    score, vector = rng.choice(SCORES[severity]) if severity in SCORES else (None, None)
    old = [rng.randint(0, 6), rng.randint(0, 14), rng.randint(0, 9)]
    words = {
        "package": rng.choice(PACKAGES[fix.ecosystem]),
        "entity": rng.choice(ENTITIES),
        "field": rng.choice(FIELDS),
        "function": rng.choice(FUNCTIONS),
        "old": "{}.{}.{}".format(*old),
        "new": f"{old[0]}.{old[1]}.{old[2] + rng.randint(1, 3)}",
    }
    return Case(
        producer=producer.name,
        fix=fix,
        words=words,
        cve=f"CVE-{at.year}-{900_000 + number}",
        severity=severity,
        score=score,
        vector=vector,
        good=rng.random() < GOOD[fix.strategy],
        submitted_by=rng.choices((TEAM, "ana.lopes@example.org", NOOR.email), (70, 25, 5))[0],
        triggered_by=TOMAS.email if rng.random() < 0.04 else None,
    )


def rival(rng: Random, case: Case, producer: DemoProducer) -> Case:
    """Return another producer's patch for the same flaw."""
    words = {**case.words, "function": rng.choice(FUNCTIONS), "field": rng.choice(FIELDS)}
    return replace(
        case, producer=producer.name, words=words, good=rng.random() < 0.6, submitted_by=TEAM, triggered_by=None
    )


def earlier_attempts(producer: DemoProducer) -> list[Case]:
    """Return what came before three of the scenarios and was rejected: their pages show it as earlier decisions."""
    templates = {"CWE-89": "python-sql", "CWE-22": "python-path", "CWE-502": "python-yaml"}
    cases = []
    for scenario in SCENARIOS:
        told = scenario.metadata
        template = templates.get(told["cwe_ids"][0])
        if template is None:
            continue
        words = {"package": scenario.package, "entity": "report", "field": "name", "function": "load"}
        versions = {"old": told["current_version"], "new": told["target_version"]}
        cases.append(
            Case(
                producer=producer.name,
                fix=next(fix for fix in FIXES if fix.template == template),
                words=words | versions,
                cve=scenario.cve,
                severity=told["severity"],
                score=told["cvss_score"],
                vector=told["cvss_vector"].removeprefix("CVSS:3.1/"),
                good=False,
                submitted_by=TEAM,
            )
        )
    return cases


def _risk(rng: Random, severity: str) -> str | None:
    if rng.random() < 0.1:
        return None
    return {"critical": "critical", "high": rng.choice(("medium", "high"))}.get(severity, "low")
