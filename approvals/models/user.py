"""The person who signs in. Groups and permissions are Django's own."""

from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

SESSION_SALT = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"  # Django's own


def known_time_zone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError("%(value)s is not a time zone of the IANA database.", params={"value": value})


class Theme(models.TextChoices):
    SYSTEM = "system", "Follow the system"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class User(AbstractUser):
    """A person, known by e-mail in the four roles of a patch and by user name in the audit log's side table."""

    email = models.EmailField("e-mail address")
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[known_time_zone])
    single_keys = models.BooleanField("single-key shortcuts", default=True)
    signed_out_everywhere = models.PositiveIntegerField(default=0, editable=False, help_text="How often.")
    former_names = ArrayField(
        models.CharField(max_length=254),
        default=list,
        editable=False,
        help_text="Addresses and user names it had before, folded; a trigger adds them and nothing takes one away.",
    )
    held_since = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When an administrator last changed what its owner signs in with; empty once it decides again.",
    )
    held_for = ArrayField(models.CharField(max_length=40), default=list, editable=False, help_text="What was changed.")
    owner_confirmed_at = models.DateTimeField(null=True, editable=False)
    lead_agreed_at = models.DateTimeField(null=True, editable=False)

    memberships_read: "list[tuple[int, str, str | None]] | None" = None
    permissions_read: "frozenset[str] | None" = None
    unread_notices: int | None = None
    """What `queries.people.signed_in` read with the account: its memberships, all its permissions, and how many notices
    its person has not read, up to 100."""

    class Meta:
        constraints = [
            # Two spellings of one address would let one person review twice.
            models.UniqueConstraint(Lower("email"), name="user_email_once", violation_error_message="E-mail in use."),
            models.UniqueConstraint(Lower("username"), name="user_username_once"),
            # A lead's agreement belongs to a hold and ends with it.
            models.CheckConstraint(
                condition=models.Q(lead_agreed_at=None) | models.Q(held_since__isnull=False),
                name="user_agreed_while_held",
            ),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's hash, which ends every session at a new password; here also when the person signs out everywhere."""
        times = self.signed_out_everywhere or ""
        return salted_hmac(SESSION_SALT, f"{self.password}{times}", secret=secret, algorithm="sha256").hexdigest()

    @property
    def initials(self) -> str:
        """Return one or two letters for the avatar."""
        names = (self.get_full_name() or self.username).replace(".", " ").split()
        return "".join(name[0] for name in names[:2]).upper() or "?"

    @property
    def hue(self) -> int:
        """Return the avatar's colour, 1 to 5, stable per person."""
        return (self.pk or 0) % 5 + 1
