"""After an approval: how far each deployer has read, which fetched the diff, what each says became of it, and what of
it raised an alarm (all but the cursors only ever grow); and who waits for a decision before it deploys."""

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
    """What is wrong: a report's bytes are of no revision, or of one that was not, or no longer, approved; or no
    deployer has taken notice of an approval."""

    DIFFERS = "differs", "Digest differs"
    NOT_APPROVED = "not_approved", "Deployed without approval"
    REVOKED = "revoked", "Deployed after revocation"
    NEVER_FETCHED = "never_fetched", "Approved, never fetched"


REPORTED_ALARMS = (DeploymentAlarm.DIFFERS, DeploymentAlarm.NOT_APPROVED, DeploymentAlarm.REVOKED)
"""Those that a report raises."""


class OutcomeReport(models.Model):
    """One report of a deployer about a decision. `deployed_at` is the deployer's word, `reported_at` ours."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="outcomes")
    deployer = models.CharField(max_length=100)
    token = models.ForeignKey(ApiToken, models.PROTECT, related_name="+")
    deployed_sha256 = models.CharField(max_length=64)
    result = models.CharField(max_length=11, choices=DeploymentResult)
    alarm = models.CharField(max_length=12, choices=[(kind.value, kind.label) for kind in REPORTED_ALARMS], blank=True)
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


class RaisedAlarm(models.Model):
    """An alarm about a deployment, with the report that raised it; without one, no deployer took notice in time."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="alarms")
    kind = models.CharField(max_length=13, choices=DeploymentAlarm)
    report = models.OneToOneField(OutcomeReport, models.PROTECT, null=True, related_name="raised")
    raised_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two workers at once raise one.
            models.UniqueConstraint(fields=["decision"], name="alarmed_once", condition=Q(report=None)),
            models.CheckConstraint(
                condition=Q(kind=DeploymentAlarm.NEVER_FETCHED, report=None)
                | (~Q(kind=DeploymentAlarm.NEVER_FETCHED) & Q(report__isnull=False)),
                name="alarm_has_its_report",
            ),
        ]
        indexes = [models.Index(fields=["kind", "-id"], name="alarms_by_kind")]  # the list of one kind, and the metric

    def __str__(self) -> str:
        return f"{self.kind}: {self.decision_id}"


class DeployerCursor(models.Model):
    """How far a deployer is in the feed: where it last read from (null: it never did), and the highest position that it
    acknowledged."""

    deployer = models.CharField(max_length=100, primary_key=True)
    read = models.BigIntegerField(null=True)
    read_at = models.DateTimeField(null=True)
    acknowledged = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.deployer}: {self.read}"


class DeploymentRequest(models.Model):
    """One delivery of GitHub that asks whether a commit may be deployed, and how its answer stands. No delivery counts
    twice, under another id neither: GitHub signs the body alone."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        ANSWERED = "answered", "Answered"
        GIVEN_UP = "given_up", "Given up"

    delivery = models.CharField(max_length=100, unique=True)
    body_sha256 = models.CharField(max_length=64, unique=True)
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="deployment_requests")
    repository = models.CharField(max_length=255)
    environment = models.CharField(max_length=255)
    installation = models.BigIntegerField()
    callback_url = models.CharField(max_length=2000)
    received_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    try_at = models.DateTimeField()
    give_up_at = models.DateTimeField(null=True, help_text="A day after the first try.")
    answer = models.CharField(max_length=8, blank=True, help_text="What GitHub was told: approved or rejected.")
    answered_at = models.DateTimeField(null=True)
    fault = models.CharField(max_length=300, blank=True, help_text="Why the last try failed.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="answered", answer__in=["approved", "rejected"], answered_at__isnull=False)
                | Q(state__in=["waiting", "given_up"], answer="", answered_at__isnull=True),
                name="deployment_request_answer",
            ),
        ]
        indexes = [
            # Those that wait for their next try.
            models.Index(fields=["try_at"], name="deployment_request_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.repository} to {self.environment}"
