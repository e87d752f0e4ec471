"""What people said about a patch: reviews and comments, append-only."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from .decision import Channel, Decision
from .text import Text


class Verdict(models.TextChoices):
    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"
    REQUEST_CHANGES = "request_changes", "Request changes"


class Displayed(models.TextChoices):
    PAGE = "page", "Patch page"
    CARD = "card", "Queue card"
    API = "api", "API"
    CHAT = "chat", "Dialog in a chat"


class Side(models.TextChoices):
    OLD = "old", "Old file"
    NEW = "new", "New file"


class Review(models.Model):
    """One person's verdict on the exact digest they saw. Only `withdrawn_at` may change, once, while pending."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="reviews")
    delegated_from = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="The absent person in whose name it was given.",
    )
    verdict = models.CharField(max_length=15, choices=Verdict)
    patch_sha256 = models.CharField(max_length=64)
    text = models.ForeignKey(Text, models.PROTECT, null=True, related_name="+")
    category = models.CharField(max_length=18, blank=True)
    displayed = models.CharField(max_length=4, choices=Displayed)
    channel = models.CharField(max_length=6, choices=Channel)
    authn = models.CharField("authentication", max_length=20)
    seconds_open = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # N-of-M must mean N people: the database refuses a second live review by the same one.
            models.UniqueConstraint(
                fields=["decision", "reviewer"], condition=Q(withdrawn_at__isnull=True), name="review_once_live"
            ),
            # A review in the name of an absent person counts once too, whoever stands in.
            models.UniqueConstraint(
                fields=["decision", "delegated_from"],
                condition=Q(withdrawn_at__isnull=True, delegated_from__isnull=False),
                name="review_once_in_a_name",
            ),
            models.CheckConstraint(
                condition=~Q(delegated_from=models.F("reviewer")) | Q(delegated_from__isnull=True),
                name="review_in_anothers_name",
            ),
            models.CheckConstraint(condition=Q(verdict__in=Verdict.values), name="review_verdict"),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.reviewer_id}"


class Comment(models.Model):
    """A comment on a patch, optionally on a file and a line of its old or new content; allowed in any state."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="comments")
    author_label = models.CharField(max_length=150)
    text = models.OneToOneField(Text, models.PROTECT, related_name="comment")
    file = models.CharField(max_length=1000, blank=True)
    line = models.PositiveIntegerField(null=True)
    side = models.CharField(max_length=3, choices=Side, default=Side.NEW, help_text="The file that has the line.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(side__in=Side.values), name="comment_side")]
        indexes = [models.Index(fields=["decision", "created_at"], name="comment_by_decision")]  # the discussion

    def __str__(self) -> str:
        return f"comment {self.pk}"

    @property
    def side_of_line(self) -> str | None:
        """Return whether the line is one of the old or the new file; None if the comment is about no line."""
        return None if self.line is None else self.side
