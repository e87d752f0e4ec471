"""Delegations: who reviews in whose name, and for how long."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from .text import Text


class Delegation(models.Model):
    """One person asks another to review in their name for a period. Only `ended_at` may change, once."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="delegations")
    delegate = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="stands_in")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.ForeignKey(Text, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, help_text="When the person ended it before its time.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="delegation_has_a_length"),
            models.CheckConstraint(condition=~Q(person=F("delegate")), name="delegation_to_another"),
        ]

    def __str__(self) -> str:
        return f"{self.delegate_id} for {self.person_id}"
