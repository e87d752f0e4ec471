"""After an approval: which deployer fetched the diff, and what each says became of it. Both only ever grow."""

from django.db import models
from django.db.models import Q

from .access import ApiToken
from .decision import Decision
from .text import Text


class DeploymentResult(models.TextChoices):
    """What a deployer did with a patch."""

    DEPLOYED = "deployed"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back", "Rolled back"


class DeploymentAlarm(models.TextChoices):
    """What is wrong with a report: the bytes are of no revision, or of one that was not, or no longer, approved."""

    DIFFERS = "differs", "Digest differs"
    NOT_APPROVED = "not_approved", "Deployed without approval"
    REVOKED = "revoked", "Deployed after revocation"


class OutcomeReport(models.Model):
    """One report of a deployer about a decision. `deployed_at` is the deployer's word, `reported_at` ours."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="outcomes")
    deployer = models.CharField(max_length=100)
    token = models.ForeignKey(ApiToken, models.PROTECT, related_name="+")
    deployed_sha256 = models.CharField(max_length=64)
    result = models.CharField(max_length=11, choices=DeploymentResult)
    alarm = models.CharField(max_length=12, choices=DeploymentAlarm, blank=True)
    note = models.ForeignKey(Text, models.PROTECT, null=True, related_name="+")
    deployed_at = models.DateTimeField()
    reported_at = models.DateTimeField()

    class Meta:
        constraints = [
            # A report that is sent again is the same report.
            models.UniqueConstraint(
                fields=["decision", "deployer", "deployed_sha256", "result", "deployed_at"], name="outcome_once"
            ),
        ]
        indexes = [
            models.Index(fields=["alarm", "-id"], name="outcome_alarms", condition=~Q(alarm="")),
        ]

    def __str__(self) -> str:
        return f"{self.deployer}: {self.result}"


class DiffFetch(models.Model):
    """A deployer's first fetch of the diff of an approved patch."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="fetches")
    deployer = models.CharField(max_length=100)
    fetched_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "diff fetches"
        constraints = [models.UniqueConstraint(fields=["decision", "deployer"], name="fetched_once")]

    def __str__(self) -> str:
        return f"{self.deployer} fetched {self.decision_id}"
