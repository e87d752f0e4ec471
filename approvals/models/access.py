"""Machines and tokens: producers, API tokens and what each kind may do."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models


class Producer(models.Model):
    """A service account that pushes patches."""

    name = models.CharField(max_length=100, unique=True)
    trusted_for_ml = models.BooleanField(
        default=False, help_text="Its ML predictions count as evidence for automatic approval."
    )
    trusted_for_wargaming = models.BooleanField(
        default=False, help_text="Its wargaming results count as evidence for automatic approval."
    )
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class TokenKind(models.TextChoices):
    PRODUCER = "producer", "Producer"
    DEPLOYER = "deployer", "Deployer"
    AUDITOR = "auditor", "Auditor"
    MONITOR = "monitor", "Monitor"
    PERSONAL = "personal", "Personal"


SCOPES: dict[str, tuple[str, ...]] = {
    TokenKind.PRODUCER: ("patches:submit", "patches:cancel", "decisions:read"),
    TokenKind.DEPLOYER: ("decisions:read", "diffs:read", "outcomes:report"),
    TokenKind.AUDITOR: ("decisions:read", "diffs:read", "audit:read", "analytics:read"),
    TokenKind.MONITOR: ("metrics:read", "analytics:read"),
    TokenKind.PERSONAL: (),
}
EXTRA_SCOPES = ("comments:write",)


class ApiToken(models.Model):
    """A bearer token, stored as its public prefix and the SHA-256 of the whole; the secret is shown once."""

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=8, choices=TokenKind)
    prefix = models.CharField(max_length=8, unique=True)
    digest = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=30), default=list, blank=True)
    producer = models.ForeignKey(Producer, models.PROTECT, null=True, blank=True, related_name="tokens")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="tokens")
    issued_by = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(
                name="token_belongs_to_its_kind",
                condition=models.Q(kind="producer", producer__isnull=False, user__isnull=True)
                | models.Q(kind="personal", producer__isnull=True, user__isnull=False)
                | models.Q(kind__in=["deployer", "auditor", "monitor"], producer__isnull=True, user__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (hitl_{self.prefix}…)"


class Attempt(models.Model):
    """One attempt at a password or code, under a key of `guessing`, kept as long as a limit counts it."""

    key = models.CharField(max_length=60)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["key", "at"], name="attempt_by_key"),  # guessing: the attempts in a window
            models.Index(fields=["at"], name="attempt_by_age"),  # guessing.forget_old
        ]

    def __str__(self) -> str:
        return f"{self.key} at {self.at:%H:%M:%S}"


class Lockout(models.Model):
    """Attempts since `first_at` that one audit entry will sum up: those that a limit on guessing refused, or refused
    sign-ins below the limits. The row is then deleted."""

    class Kind(models.TextChoices):
        SIGN_IN = "sign-in", "Sign-in"
        CODE = "code", "Code at sign-in"
        PROOF = "proof", "Proof of a signed-in person"
        REFUSED = "refused", "Sign-in below the limits"

    key = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=7, choices=Kind)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    address = models.GenericIPAddressField(null=True)
    tries = models.PositiveIntegerField()
    first_at = models.DateTimeField(db_index=True)  # guessing.sum_up
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.tries} tries under {self.key}"
