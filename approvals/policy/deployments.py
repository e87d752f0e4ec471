"""Whether what a deployer reports is what people approved; touches no database and no clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from approvals.models import DeploymentAlarm, DeploymentResult

CLOCKS_APART = timedelta(minutes=5)
"""How far a deployer's clock may be from ours."""


@dataclass(frozen=True, slots=True)
class Approved:
    """How the decision about the reported bytes stands; `approved_at` is None where it never was approved."""

    approved_at: datetime | None
    revoked_at: datetime | None


def alarm(result: DeploymentResult, deployed_at: datetime, matching: Approved | None) -> DeploymentAlarm | None:
    """Return what is wrong with a report, None where nothing is. `matching` is the decision whose bytes were deployed.

    Only what was put into production raises an alarm for its approval: a failed deployment runs nowhere, and taking
    something back is right whatever it was.
    """
    if matching is None:
        return DeploymentAlarm.DIFFERS
    if result != DeploymentResult.DEPLOYED:
        return None
    if matching.approved_at is None or deployed_at < matching.approved_at - CLOCKS_APART:
        return DeploymentAlarm.NOT_APPROVED
    if matching.revoked_at is not None and deployed_at > matching.revoked_at:
        return DeploymentAlarm.REVOKED
    return None


SENTENCES = {
    DeploymentAlarm.DIFFERS: "The deployed bytes have the digest {digest}, which is of no revision of this patch.",
    DeploymentAlarm.NOT_APPROVED: "The deployed bytes were not approved: revision {revision} is {status}.",
    DeploymentAlarm.REVOKED: "The approval of revision {revision} had been revoked before it was deployed.",
}
"""What the deployer reads, and whoever looks at the page."""
