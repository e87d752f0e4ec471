"""Emergency bypasses: who may approve what alone, until when, and how each use was judged afterwards."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from .decision import Decision
from .text import Text

LONGEST_BYPASS = 8 * 3600
"""Seconds."""


class Bypass(models.Model):
    """One person may approve alone, for one decision or one package, for a time; a second person must grant it.

    Triggers refuse any change of what was asked, every step but asked -> granted, refused or withdrawn and
    granted -> ended, and an `ends_at` that is not `seconds` after the grant.
    """

    class State(models.TextChoices):
        ASKED = "asked", "Waits for a second person"
        GRANTED = "granted", "Granted"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"
        ENDED = "ended", "Ended early"

    holder = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="bypasses")
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, related_name="+")
    ecosystem = models.CharField(max_length=255, blank=True)
    package_name = models.CharField(max_length=255, blank=True)
    reason = models.ForeignKey(Text, models.PROTECT, related_name="+")
    seconds = models.PositiveIntegerField(help_text="How long it runs once it is granted.")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.ASKED)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", help_text="Who granted or refused it."
    )
    decided_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True, help_text="When a granted one ends by itself.")
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, help_text="When somebody ended it before its time.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "bypasses"
        constraints = [
            models.CheckConstraint(
                condition=Q(decision__isnull=False, ecosystem="", package_name="")
                | (Q(decision__isnull=True) & ~Q(package_name="")),
                name="bypass_of_one_decision_or_package",
            ),
            models.CheckConstraint(
                condition=Q(seconds__gte=1, seconds__lte=LONGEST_BYPASS), name="bypass_at_most_8_hours"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "granted", "refused", "withdrawn", "ended"]), name="bypass_state"
            ),
            models.CheckConstraint(
                condition=Q(state="asked", decided_by=None, decided_at=None)
                | (~Q(state="asked") & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="bypass_answer_has_who_and_when",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["granted", "ended"], ends_at__isnull=False)
                | (~Q(state__in=["granted", "ended"]) & Q(ends_at__isnull=True)),
                name="bypass_granted_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="ended", ended_by__isnull=False, ended_at__gte=F("decided_at"), ended_at__lt=F("ends_at")
                )
                | (~Q(state="ended") & Q(ended_by=None, ended_at=None)),
                name="bypass_end_has_who_and_when",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["granted", "ended"])
                | (~Q(decided_by=F("asked_by")) & ~Q(decided_by=F("holder"))),
                name="bypass_needs_a_second_person",
            ),
            # A form sent twice asks once.
            models.UniqueConstraint(
                fields=["holder", "decision", "ecosystem", "package_name"],
                condition=Q(state="asked"),
                nulls_distinct=False,
                name="bypass_asked_once",
            ),
        ]
        indexes = [models.Index(fields=["holder", "ends_at"], name="bypass_running")]  # the patch page of a holder

    def __str__(self) -> str:
        return f"emergency bypass {self.pk}"


class BypassReview(models.Model):
    """How a lead who is not the holder judged one use of a bypass afterwards. Append-only."""

    decision = models.OneToOneField(Decision, models.PROTECT, related_name="bypass_review")
    justified = models.BooleanField()
    note = models.ForeignKey(Text, models.PROTECT, related_name="+")
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    reviewed_at = models.DateTimeField()

    def __str__(self) -> str:
        return "justified" if self.justified else "not justified"
