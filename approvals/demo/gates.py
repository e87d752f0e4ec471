"""The demo's workflow gates: two runs of one deployment job, of which the first was approved and the second waits."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from approvals.api.gate_documents import GateRequest, submission_of
from approvals.services.intake import Submission

HOUR = 3_600_000  # milliseconds


@dataclass(frozen=True, slots=True)
class DemoGate:
    """One run of the job that asks before it promotes a version to production."""

    version: str
    replaces: str
    run: int
    commit: str
    changes: str
    migrations: tuple[str, ...]
    staging: dict[str, float]
    hours: int | None = None  # after which the leads are asked; the past has no clocks

    @property
    def patch_id(self) -> str:
        return str(self.submission(1).columns["patch_id"])

    def submission(self, run: int) -> Submission:
        """Return what intake stores of the nth attempt; each attempt's request is its own, so each is a revision."""
        return submission_of(GateRequest.model_validate(self.request(run)))

    def request(self, attempt: int) -> dict[str, Any]:
        """Return what the job sends."""
        image = sha256(f"payments-api {self.version}".encode()).hexdigest()
        short = self.version.rpartition(".")[0]
        return {
            "title": f"Promote payments-api {short} to production",
            "description": (
                f"Synthetic demo gate, attempt {attempt}. {self.changes} The job waits for this decision and "
                "deploys only when it is approved."
            ),
            "workflow_id": "payments-api/release",
            "job_id": "promote-to-production",
            "execution_id": str(self.run),
            "context": {
                "attempt": attempt,
                "commit": self.commit,
                "environment": "production",
                "from_version": self.replaces,
                "image": f"registry.example.org/synthetic/payments-api@sha256:{image}",
                "migrations": list(self.migrations),
                "rollout": "10 %, 50 %, 100 %, ten minutes each",
                "staging": self.staging,
                "to_version": self.version,
            },
            "metadata": {"pipeline": f"https://example.org/ci/payments-api/{self.run}", "team": "payments"},
            "timeout_ms": self.hours and self.hours * HOUR,
            "timeout_action": "escalate",
            "triggered_by": "release-team@example.org",
        }


PAST_GATE = DemoGate(
    version="4.11.3",
    replaces="4.11.2",
    run=47_986,
    commit="b71e05c4",
    changes="4.11.3 retries a card network that closed the connection, once and with the same idempotency key.",
    migrations=(),
    staging={"hours": 52, "error_rate_percent": 0.03, "p95_ms": 151},
)
GATE = DemoGate(
    version="4.12.0",
    replaces="4.11.3",
    run=48_213,
    commit="9f3c2e7d",
    changes="4.12.0 reads card references from the new vault and writes to both while a rollback may come.",
    migrations=("0148_card_vault_reference",),
    staging={"hours": 46, "error_rate_percent": 0.02, "p95_ms": 143},
    hours=4,
)
