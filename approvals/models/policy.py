"""Policies and their immutable versions."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class AutoApproval(models.TextChoices):
    OFF = "off", "Off"
    SHADOW = "shadow", "Shadow: record what it would have done"
    ENFORCE = "enforce", "Enforce: approve without a person what meets every condition"


class ExpireAction(models.TextChoices):
    EXPIRE = "expire", "Expire"
    ESCALATE = "escalate", "Escalate once more, then expire"
    APPROVE = "approve", "Approve (low severity only)"


class Policy(models.Model):
    """An ordered rule; the first enabled one whose current version matches a patch covers it.

    The default policy is last, matches everything and can be neither removed nor disabled.
    """

    name = models.CharField(max_length=100, unique=True)
    position = models.PositiveIntegerField(unique=True)
    enabled = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    current = models.OneToOneField("PolicyVersion", models.PROTECT, null=True, related_name="current_of")

    class Meta:
        verbose_name_plural = "policies"
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="policy_one_default"
            ),
            models.CheckConstraint(
                condition=models.Q(is_default=False) | models.Q(enabled=True), name="policy_default_enabled"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PolicyVersion(models.Model):
    """The terms of a policy at one time. A trigger refuses any change; a decision keeps the version that covered it.
    What each term does, and what makes it looser, is in `policy/term_table.py`."""

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="versions")
    version = models.PositiveIntegerField()
    match = models.TextField(help_text="A CEL condition over the patch facts, for example: priority == 'critical'.")
    auto_approval = models.CharField(max_length=7, choices=AutoApproval, default=AutoApproval.SHADOW)
    auto_approve_threshold = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        default=Decimal("0.95"),
        validators=[MinValueValidator(Decimal("0.5")), MaxValueValidator(Decimal(1))],
        help_text="Least ML confidence for automatic approval, 0.5 to 1.",
    )
    required_approvals = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(10)]
    )
    required_groups = ArrayField(
        models.CharField(max_length=150),
        default=list,
        blank=True,
        help_text="At least one approval must come from each of these groups.",
    )
    decider_groups = ArrayField(
        models.CharField(max_length=150),
        default=list,
        blank=True,
        help_text="Only members of one of these groups decide; none means every reviewer.",
    )
    deny_threshold = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        help_text="How many people must reject before the patch is rejected.",
    )
    step_up = models.BooleanField(
        default=False, help_text="Approving asks for the password, a second factor or a fresh sign-in."
    )
    second_factor = models.BooleanField(
        default=False,
        help_text="Approving asks for a code of the app or a security key; a password or a fresh sign-in is not "
        "enough.",
    )
    spot_check_percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(100)],
        help_text="Share of the patches that could be approved automatically that a person decides all the same.",
    )
    location_slack = models.PositiveSmallIntegerField(
        default=25,
        help_text="How many lines a change may lie outside the declared locations and still be approved automatically.",
    )
    allowed_marks = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        help_text="Marks that do not stop automatic approval; none means that every mark does.",
    )
    gate_conditions = models.BooleanField(
        default=False,
        help_text="Enforced, approve a workflow gate without a person when every condition it was sent with holds. "
        "Whoever sends the gate writes both: name in the condition above which producers may.",
    )
    known_submitter = models.BooleanField(
        default=False,
        help_text="Whoever submitted or triggered it must be a known account; a security lead approves the rest.",
    )
    supersede_candidates = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Approving one candidate ends the others that wait for the same vulnerability of the same package or "
        "repository, where their policy says so too.",
    )
    sla_warn_seconds = models.PositiveIntegerField(null=True, blank=True)
    sla_due_seconds = models.PositiveIntegerField(null=True, blank=True)
    escalate_after_seconds = models.PositiveIntegerField(null=True, blank=True)
    escalation = models.JSONField(
        default=list,
        blank=True,
        help_text="Further levels after the first: after_seconds, groups, people, and unopened (only while nobody "
        "has opened the patch).",
    )
    reminder_percents = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(99)]),
        default=list,
        blank=True,
        help_text="Remind when these shares of the time to expiry have passed, in percent.",
    )
    expire_after_seconds = models.PositiveIntegerField(null=True, blank=True)
    expire_action = models.CharField(max_length=8, choices=ExpireAction, default=ExpireAction.EXPIRE)
    sha256 = models.CharField(max_length=64)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["policy", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "version"], name="policy_version_once"),
            models.CheckConstraint(condition=models.Q(required_approvals__gte=1), name="policy_asks_for_somebody"),
            models.CheckConstraint(condition=models.Q(deny_threshold__gte=1), name="policy_one_can_deny"),
            models.CheckConstraint(condition=models.Q(spot_check_percent__lte=100), name="policy_spot_check_range"),
            models.CheckConstraint(
                condition=models.Q(auto_approve_threshold__gte=Decimal("0.5"), auto_approve_threshold__lte=1),
                name="policy_threshold_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy.name} v{self.version}"

    @property
    def asks_again(self) -> bool:
        """Return whether approving needs a fresh proof of identity."""
        return self.step_up or self.second_factor
