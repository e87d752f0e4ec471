"""Queue rows: narrow copies of the pending decisions, in which the queue is filtered, counted and sorted without
reading decided patches; a page reads the full rows only of what it shows."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from .access import Producer
from .decision import Decision
from .policy import Policy


class Waiting(models.Model):
    """The facts of one pending decision that the queue filters and sorts by. Only triggers write it
    (`approvals/sql/`): it appears with its decision, follows it and its patch, and goes when the decision ends.

    `approvals_waiting_refill()` fills the whole table again.
    """

    # No foreign key constraints: only triggers write here, from rows that exist.
    decision = models.OneToOneField(
        Decision, models.DO_NOTHING, primary_key=True, related_name="waiting", db_constraint=False
    )
    created_at = models.DateTimeField()
    priority = models.SmallIntegerField()
    sla_warn_at = models.DateTimeField()
    sla_due_at = models.DateTimeField()
    escalation_level = models.PositiveSmallIntegerField()
    confidence = models.FloatField()
    policy = models.ForeignKey(Policy, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False)
    producer = models.ForeignKey(Producer, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False)
    severity = models.CharField(max_length=8)
    cwe_ids = ArrayField(models.CharField(max_length=255))
    package_name = models.CharField(max_length=255)
    ecosystem = models.CharField(max_length=255)
    language = models.CharField(max_length=255)
    wargaming = models.CharField(max_length=12)
    ml_prediction = models.BooleanField(null=True)
    submitted_by = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    search = SearchVectorField()

    class Meta:
        verbose_name_plural = "waiting"
        indexes = [
            # The queue as it opens; the counts of the tabs, with and without an SLA state. Severity and policy go with
            # priority: without them here, a list of the least severe would read every other row.
            models.Index(
                models.F("priority").desc(),
                "sla_due_at",
                "decision",
                "severity",
                "policy",
                include=["sla_warn_at"],
                name="waiting_by_urgency",
            ),
            models.Index(fields=["created_at", "decision"], name="waiting_by_age"),  # sort=age
            models.Index(fields=["sla_due_at", "decision"], name="waiting_by_sla"),  # sort=sla, breaches
            models.Index(fields=["confidence", "decision"], name="waiting_by_score"),  # sort=confidence
            # The counts of the tabs under filters that match much of the queue, from the index alone. No more than
            # two texts of 255 characters: an entry holds 2,704 bytes, and a longer one would refuse the patch.
            models.Index(
                fields=[
                    "priority",
                    "severity",
                    "policy",
                    "wargaming",
                    "ml_prediction",
                    "producer",
                    "ecosystem",
                    "escalation_level",
                    "confidence",
                ],
                include=["decision", "submitted_by"],  # 'needs my approval'
                name="waiting_facts",
            ),
            models.Index(fields=["priority", "confidence"], name="waiting_by_confidence"),  # the same under a range
            models.Index(fields=["package_name"], name="waiting_by_package"),  # queue filter 'package'
            models.Index(fields=["sha256"], name="waiting_by_digest"),  # search by a digest's beginning
            models.Index(  # queue filter 'escalated'
                models.F("priority").desc(),
                "sla_due_at",
                "decision",
                name="waiting_escalated",
                condition=models.Q(escalation_level__gt=0),
            ),
            GinIndex(fields=["cwe_ids"], name="waiting_by_cwe", fastupdate=False),  # queue filter 'CWE class'
            GinIndex(
                fields=["search"], name="waiting_by_words", gin_pending_list_limit=128
            ),  # full-text search in the queue
        ]

    def __str__(self) -> str:
        return str(self.decision_id)


class Voice(models.Model):
    """A live review of a pending decision: who gave it, or in whose name. Only triggers write it (`approvals/sql/`)
    from the reviews; it goes when the review is withdrawn or the decision ends.

    Few pending decisions have a review, so this table is small while that of reviews is not.
    """

    pk = models.CompositePrimaryKey("decision", "user")
    decision = models.ForeignKey(Decision, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )

    def __str__(self) -> str:
        return f"{self.user_id} of {self.decision_id}"
