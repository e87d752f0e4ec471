"""One demo scenario and the intake document it makes. The six of them are in `scenarios`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.services.intake import Submission

HERE = Path(__file__).parent
SHAP_BASE = 0.62  # the average patch of the synthetic model


@dataclass(frozen=True, slots=True)
class Run:
    """One synthetic wargaming run: whether the patch stopped the exploit, and the milliseconds and words of its steps
    (range, exploit before, exploit after, upstream tests)."""

    blocked: bool
    milliseconds: tuple[int, int, int, int]
    before: str
    after: str
    tests: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario: what is told of the patch, and its evidence. `wargaming` is None where no run was sent."""

    package: str
    cve: str
    metadata: dict[str, Any]
    confidence: float
    shap: dict[str, tuple[Any, float]]
    ml_ms: int
    wargaming: Run | None
    people: dict[str, str]
    manual_review: str = ""

    @property
    def patch_id(self) -> str:
        return f"demo-{self.package}-{self.cve.lower()}"

    def submission(self, run: int) -> Submission:
        """Return what intake stores of the nth run."""
        return submission_of(IntakeDocument.model_validate(self.document(run)))

    def document(self, run: int) -> dict[str, Any]:
        """Return the intake document of the nth run; each run's content is its own, so each is a revision."""
        return {
            "patch_id": self.patch_id,
            "patch_metadata": self._metadata(run),
            "diff": (HERE / "diffs" / "scenarios" / f"{self.package}.diff").read_text("utf-8"),
            "ml_prediction": {
                "model_version": "rf_v1 (synthetic)",
                "confidence": self.confidence,
                "prediction": True,
                "shap_values": {
                    name: {"value": value, "contribution": share} for name, (value, share) in self.shap.items()
                },
                "base_value": SHAP_BASE,
                "execution_time_ms": self.ml_ms,
            },
            "wargaming_result": self._wargaming(run),
            "requires_manual_review": bool(self.manual_review),
            "manual_review_reason": self.manual_review or None,
            **self.people,
        }

    def _metadata(self, run: int) -> dict[str, Any]:
        return {
            "apv_id": f"APV-DEMO-{self.cve[-4:]}",
            "cve_id": self.cve,
            "package_name": self.package,
            "ecosystem": "pypi",
            "language": "python",
            "purl": f"pkg:pypi/{self.package}@{self.metadata['current_version']}",
            "references": [f"https://example.org/advisories/{self.cve}", f"https://example.org/fixes/{self.package}"],
            **self.metadata,
            "cve_description": f"Synthetic advisory. {self.metadata['cve_description']}",
            "description": f"Synthetic demo patch, run {run}. {self.metadata['description']}",
        }

    def _wargaming(self, run: int) -> dict[str, Any] | None:
        told = self.wargaming
        if told is None:
            return None
        building, before, after, checks = told.milliseconds
        old = f"registry.example.org/synthetic/{self.package}:{self.metadata['current_version']}"
        new = f"registry.example.org/synthetic/{self.package}:{self.metadata['target_version']}-patched"
        return {
            "phase1_success": True,
            "phase2_success": told.blocked,
            "validation_passed": True,
            "execution_time_ms": sum(told.milliseconds),
            "exploit_id": f"synthetic-{self.package}-{self.cve[-4:]}",
            "phases": [
                _phase("Build the range", True, building, 0, old, "No range was built."),
                _phase("Phase 1: exploit before", True, before, 0, old, told.before),
                _phase("Phase 2: exploit after", told.blocked, after, 1 if told.blocked else 0, new, told.after),
                _phase("Upstream tests", True, checks, 0, new, told.tests),
            ],
            "log": (HERE / "logs" / f"{self.package}.log").read_text("utf-8"),
            "run_url": f"https://example.org/synthetic-ranges/{self.package}/runs/{run}",
        }


def _phase(name: str, success: bool, milliseconds: int, exit_code: int, image: str, detail: str) -> dict[str, Any]:
    return {
        "name": name,
        "success": success,
        "duration_ms": milliseconds,
        "exit_code": exit_code,
        "image": image,
        "detail": f"Synthetic: {detail}",
    }
