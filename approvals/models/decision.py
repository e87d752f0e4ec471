"""Decisions from pending to their end, their revocation, and the feed deployers read."""

from datetime import UTC, datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q

from .access import ApiToken, Producer
from .patch import Patch
from .policy import PolicyVersion
from .text import Text

NO_DEADLINE = datetime(9999, 12, 31, tzinfo=UTC)
"""Stands for 'never' so that keyset paging needs no NULLs; shown as null."""

TOOK = F("decided_at") - F("created_at")


class Status(models.TextChoices):
    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"
    AUTO_APPROVED = "auto_approved", "Auto-approved"
    REJECTED = "rejected", "Rejected"
    CHANGES_REQUESTED = "changes_requested", "Changes requested"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"
    SUPERSEDED = "superseded", "Superseded"
    REVOKED = "revoked", "Revoked"


class Priority(models.IntegerChoices):
    LOW = 1, "Low"
    MEDIUM = 2, "Medium"
    HIGH = 3, "High"
    CRITICAL = 4, "Critical"


class DeciderKind(models.TextChoices):
    HUMAN = "human", "Person"
    POLICY = "policy", "Policy"
    TIMER = "timer", "Timer"
    SERVICE = "service", "Service"


class Category(models.TextChoices):
    WRONG_ROOT_CAUSE = "wrong_root_cause", "Misses the root cause"
    BREAKS_BEHAVIOUR = "breaks_behaviour", "Breaks behaviour or API"
    INCOMPLETE = "incomplete", "Incomplete fix"
    UNSAFE_SIDE_EFFECT = "unsafe_side_effect", "Introduces a new risk"
    OUT_OF_SCOPE = "out_of_scope", "Changes more than it should"
    CANNOT_VERIFY = "cannot_verify", "Evidence is not convincing"
    STYLE = "style", "Not maintainable"
    OTHER = "other", "Other"


class Channel(models.TextChoices):
    PAGE = "page", "Page"
    CARD = "card", "Card"
    BULK = "bulk", "Bulk"
    API = "api", "API"
    CHAT = "chat", "Chat"
    ADMIN = "admin", "Admin"
    TIMER = "timer", "Timer"
    INTAKE = "intake", "Intake"


class Decision(models.Model):
    """The outcome record of one patch revision.

    A trigger refuses every transition outside the state machine, an end without who, when and why, and any
    change of who, when and why afterwards. Escalated is not a state: it is `escalation_level` > 0 while pending.
    """

    decision_id = models.UUIDField(unique=True)
    alias = models.CharField(max_length=200, null=True)  # noqa: DJ001  unique, so absent must be NULL
    alias_producer = models.ForeignKey(
        Producer,
        models.DO_NOTHING,
        null=True,
        related_name="+",
        db_index=False,  # always looked up together with the alias, with which the unique index begins
        db_constraint=False,  # the trigger copies it from the patch, which has one
        editable=False,
        help_text="Whose name for it the alias is; a trigger keeps it.",
    )
    patch = models.OneToOneField(Patch, models.PROTECT, related_name="decision")
    status = models.CharField(max_length=17, choices=Status, default=Status.PENDING)
    decided_by_kind = models.CharField(max_length=7, choices=DeciderKind, blank=True)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    channel = models.CharField(max_length=6, choices=Channel, blank=True)
    cause = models.CharField(max_length=255, blank=True, help_text="Why it ended, in one fixed sentence of ours.")
    reason = models.ForeignKey(Text, models.PROTECT, null=True, related_name="+")
    category = models.CharField(max_length=18, choices=Category, blank=True)

    priority = models.SmallIntegerField(choices=Priority)
    confidence = models.FloatField(default=-1, help_text="The patch's ML confidence; -1 when it was not scored.")
    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="decisions")
    trace = models.JSONField(default=list)
    would_auto_approve = models.BooleanField(default=False)
    required_approvals = models.PositiveSmallIntegerField()
    required_groups = ArrayField(models.CharField(max_length=150), default=list)
    approvals = models.PositiveSmallIntegerField(default=0)
    bypass = models.ForeignKey(
        "Bypass",
        models.PROTECT,
        null=True,
        db_index=False,  # a partial index is below: few decisions have one
        related_name="uses",
        help_text="The emergency bypass under which it was approved alone.",
    )

    created_at = models.DateTimeField()
    sla_warn_at = models.DateTimeField(default=NO_DEADLINE)
    sla_due_at = models.DateTimeField(default=NO_DEADLINE)
    escalate_at = models.DateTimeField(default=NO_DEADLINE)
    remind_at = models.DateTimeField(default=NO_DEADLINE)
    reminders = models.PositiveSmallIntegerField(default=0, help_text="How many reminders were given.")
    expire_at = models.DateTimeField(default=NO_DEADLINE)
    expire_action = models.CharField(max_length=8, default="expire")
    escalation_level = models.PositiveSmallIntegerField(default=0)
    escalation_next = models.PositiveSmallIntegerField(
        default=0, help_text="Place of the level that comes next in the policy's further levels."
    )
    asked = ArrayField(
        models.CharField(max_length=150), default=list, help_text="Groups and people the escalations asked so far."
    )

    class Meta:
        permissions = [
            ("review_decision", "Can approve, reject and request changes"),
            ("lead_decision", "Can escalate, cancel and revoke"),
            ("comment_decision", "Can comment"),
            ("view_diff", "Can read raw diffs and reasons of all producers"),
            ("view_analytics", "Can read analytics"),
        ]
        constraints = [
            # The alias comes first, so that the index also serves a look-up without the producer.
            models.UniqueConstraint(fields=["alias", "alias_producer"], name="decision_alias_once"),
            models.CheckConstraint(
                condition=Q(alias__isnull=True, alias_producer__isnull=True)
                | Q(alias__isnull=False, alias_producer__isnull=False),
                name="decision_alias_is_somebodys",
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="decision_status"),
            models.CheckConstraint(condition=Q(required_approvals__gte=1), name="decision_asks_for_somebody"),
            models.CheckConstraint(
                condition=Q(status=Status.PENDING, decided_at__isnull=True, decided_by_kind="", decided_by="", cause="")
                | (
                    ~Q(status=Status.PENDING)
                    & Q(decided_at__isnull=False)
                    & ~Q(decided_by_kind="")
                    & ~Q(decided_by="")
                    & ~Q(channel="")
                    & ~Q(cause="")
                ),
                name="decision_end_has_who_when_why",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["rejected", "changes_requested", "cancelled"]) | Q(reason__isnull=False),
                name="decision_refusal_has_reason",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.APPROVED)
                | Q(decided_by_kind=DeciderKind.HUMAN, channel__in=["page", "card", "bulk", "api", "chat"]),
                name="decision_approved_by_person",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.AUTO_APPROVED) | Q(decided_by_kind=DeciderKind.POLICY),
                name="decision_auto_approved_by_policy",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[Status.REJECTED, Status.CHANGES_REQUESTED])
                | Q(decided_by_kind=DeciderKind.HUMAN),
                name="decision_refused_by_person",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.EXPIRED) | Q(decided_by_kind=DeciderKind.TIMER),
                name="decision_expired_by_timer",
            ),
            models.CheckConstraint(condition=Q(priority__in=Priority.values), name="decision_priority"),
            models.CheckConstraint(
                condition=~Q(status=Status.APPROVED)
                | Q(approvals__gte=models.F("required_approvals"))
                | Q(bypass__isnull=False),
                name="decision_approved_by_enough",
            ),
            models.CheckConstraint(
                condition=Q(bypass__isnull=True) | Q(status__in=[Status.APPROVED, Status.REVOKED]),
                name="decision_bypass_approves",
            ),
        ]
        indexes = [
            models.Index("expire_at", name="queue_by_expiry", condition=Q(status="pending")),  # the expiry timer
            models.Index("remind_at", name="queue_by_reminder", condition=Q(status="pending")),  # the reminder timer
            models.Index("escalate_at", name="queue_by_escalation", condition=Q(status="pending")),  # escalation timer
            models.Index(  # what is left of the days at both ends of a period: summary, queue tiles, analytics
                "created_at",
                include=["status", "priority", "decided_by_kind", "decided_at", "sla_due_at"],
                name="decision_arrived",
            ),
            models.Index(  # history pages and analytics of a period
                models.F("decided_at").desc(), models.F("id").desc(), name="history", condition=~Q(status="pending")
            ),
            models.Index(  # the history's tabs and their counts
                "status",
                F("decided_at").desc(),
                F("id").desc(),
                name="history_by_status",
                condition=~Q(status="pending"),
            ),
            models.Index(  # median and 95th percentile of the summary
                Func(TOOK, function="approvals_took"),
                TOOK,
                include=["created_at", "decided_at"],
                name="decision_by_time_taken",
                condition=Q(decided_by_kind="human") & ~Q(status="cancelled"),
            ),
            # Uses of a bypass and those to be reviewed.
            models.Index("bypass", name="decision_by_bypass", condition=Q(bypass__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.decision_id)


class Revocation(models.Model):
    """Who took an approval back, when and why. The trigger that lets a decision become revoked asks for this row."""

    decision = models.OneToOneField(Decision, models.PROTECT, related_name="revocation")
    revoked_by = models.CharField(max_length=150)
    revoked_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    reason = models.ForeignKey(Text, models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"revocation of {self.decision_id}"


class FeedEntry(models.Model):
    """One change to a status other than pending, at a consecutive position that the sequencer gave after commit."""

    position = models.BigIntegerField(primary_key=True)
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="feed")
    status = models.CharField(max_length=17, choices=Status)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "feed entries"
        constraints = [
            # A decision reaches each end at most once; a sequencer that ran twice would be refused here.
            models.UniqueConstraint(fields=["decision", "status"], name="feed_status_once"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.status}"


class Acknowledgement(models.Model):
    """A deployer's statement that it has acted on one feed entry. Append-only."""

    feed_entry = models.ForeignKey(FeedEntry, models.PROTECT, related_name="acknowledgements")
    deployer = models.CharField(max_length=100)
    token = models.ForeignKey(ApiToken, models.PROTECT, related_name="+")
    acknowledged_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["feed_entry", "deployer"], name="acknowledged_once"),
        ]

    def __str__(self) -> str:
        return f"{self.deployer} acted on {self.feed_entry_id}"
