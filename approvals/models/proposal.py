"""The kill switch, and changes that wait for a second person."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q

from .access import Producer
from .policy import Policy
from .text import Text


class KillSwitch(models.Model):
    """Whether automatic approval is stopped, for every policy at once. One row, made by the migration."""

    stopped = models.BooleanField(default=False)
    changed_by = models.CharField(max_length=150, blank=True)
    changed_at = models.DateTimeField(null=True)
    reason = models.ForeignKey(Text, models.PROTECT, null=True, related_name="+")
    second_person_required = models.BooleanField(
        default=True,
        db_default=True,
        editable=False,
        help_text="SECOND_PERSON_REQUIRED, as `manage.py migrate` last found it.",
    )

    class Meta:
        verbose_name_plural = "kill switch"
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="kill_switch_is_one")]

    def __str__(self) -> str:
        return "stopped" if self.stopped else "running"


class Proposal(models.Model):
    """A change that loosens the rules or adds deciders, proposed by one person; a second person applies or refuses it.

    `payload` is the whole change, `base` a digest of its target at that time: if the target has changed since, it must
    be proposed again.
    """

    class Kind(models.TextChoices):
        POLICY = "policy", "Policy"
        KILL_SWITCH = "switch", "Automatic approval back on"
        PERSON = "person", "Rights of a person"
        GROUP = "group", "Rights of a group"
        ACCOUNT = "account", "An account decides again"
        PRODUCER = "producer", "Trust in a producer"

    class State(models.TextChoices):
        OPEN = "open", "Waits for a second person"
        APPLIED = "applied", "Applied"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"

    kind = models.CharField(max_length=8, choices=Kind)
    policy = models.ForeignKey(Policy, models.PROTECT, null=True, related_name="proposals")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    group = models.ForeignKey(Group, models.PROTECT, null=True, related_name="+")
    producer = models.ForeignKey(Producer, models.PROTECT, null=True, related_name="+")
    payload = models.JSONField(default=dict)
    base = models.CharField(max_length=64, blank=True)
    loosens = models.JSONField(default=list, help_text="Why this needs a second person, one sentence each.")
    reason = models.ForeignKey(Text, models.PROTECT, related_name="+")
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    applied_in = models.BigIntegerField(
        null=True, editable=False, help_text="The database transaction that applied it; a trigger writes it."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="open", decided_by=None, decided_at=None)
                | (~Q(state="open") & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="proposal_end_has_who_and_when",
            ),
            models.CheckConstraint(
                condition=~Q(state="applied") | ~Q(decided_by=models.F("proposed_by")),
                name="proposal_needs_a_second_person",
            ),
            models.CheckConstraint(
                condition=~Q(state="applied") | Q(person=None) | ~Q(decided_by=models.F("person")),
                name="proposal_not_by_who_gains",
            ),
            models.CheckConstraint(
                condition=Q(kind="policy", policy__isnull=False, person=None, group=None, producer=None)
                | Q(kind="switch", policy=None, person=None, group=None, producer=None)
                | Q(kind__in=["person", "account"], policy=None, person__isnull=False, group=None, producer=None)
                | Q(kind="group", policy=None, person=None, group__isnull=False, producer=None)
                | Q(kind="producer", policy=None, person=None, group=None, producer__isnull=False),
                name="proposal_is_about_one_thing",
            ),
            models.UniqueConstraint(fields=["policy"], condition=Q(state="open"), name="proposal_one_a_policy"),
            models.UniqueConstraint(fields=["person", "kind"], condition=Q(state="open"), name="proposal_one_a_person"),
            models.UniqueConstraint(fields=["group"], condition=Q(state="open"), name="proposal_one_a_group"),
            models.UniqueConstraint(fields=["producer"], condition=Q(state="open"), name="proposal_one_a_producer"),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(state="open", kind="switch"), name="proposal_one_for_the_switch"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} by {self.proposed_by}"

    @property
    def about(self) -> str:
        """Return what would change, in a few words."""
        if self.policy:
            return self.policy.name
        if self.producer:
            return f"Trust in {self.producer.name}"
        if self.person and self.kind == self.Kind.ACCOUNT:
            return f"Account of {self.person.username}"
        if self.person:
            return f"Rights of {self.person.username}"
        return f"Rights of the group {self.group.name}" if self.group else self.get_kind_display()
