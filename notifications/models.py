"""What is told, to whom, and how far it came. The only foreign key that leaves the app is to the person."""

from urllib.parse import urlsplit
from uuid import UUID

import uuid6
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


def new_id() -> UUID:
    return UUID(str(uuid6.uuid7()))


class When(models.TextChoices):
    """When a person hears of a kind of notice beside the inbox, which has all."""

    AT_ONCE = "at_once", "At once"
    DIGEST = "digest", "In the daily digest"
    NEVER = "never", "Only in the inbox"


class Channel(models.TextChoices):
    """A way out of the product."""

    MAIL = "mail", "E-mail"
    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"
    WEBHOOK = "webhook", "Webhook"


class Notice(models.Model):
    """One thing that is told: plain values, from which every channel makes its message.

    `key` makes telling twice impossible. `subject` is what it is about, such as a decision's id. `facts` have at least
    `headline` (str, one line) and `link` (str, a path of ours). A notice that asks is settled once nobody needs to act.
    """

    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=64)
    facts = models.JSONField()
    critical = models.BooleanField(default=False)
    at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["subject"], name="notice_by_subject", condition=Q(settled_at=None))]

    def __str__(self) -> str:
        return self.key


class Item(models.Model):
    """A notice in the inbox of a person; `why` says in a clause why it is for them. `digest_at` is when it goes out
    with others, empty where it went at once or does not: in the daily digest or, where it is `beyond_limit`, in a
    summary. A notice that is settled has been read."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices")
    notice = models.ForeignKey(Notice, models.CASCADE, related_name="items")
    why = models.CharField(max_length=200)
    read_at = models.DateTimeField(null=True)
    digest_at = models.DateTimeField(null=True)
    beyond_limit = models.BooleanField(db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "notice"], name="item_once")]
        indexes = [
            models.Index(fields=["person", "-id"], name="item_inbox"),
            models.Index(fields=["person", "-id"], name="item_unread", condition=Q(read_at=None)),
            models.Index(fields=["digest_at"], name="item_for_digest", condition=Q(digest_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.notice} for {self.person_id}"


class EndpointState(models.TextChoices):
    """How the last calls of an endpoint went."""

    ACTIVE = "active"
    FAILING = "failing"
    DISABLED = "disabled"


class Endpoint(models.Model):
    """An address of somebody's program that is told of decisions. `secrets` are encrypted, the newest first: while a
    secret is replaced each call bears a signature by both. `audience` is whom it acts for, in the caller's words.
    `position` is the last one of the feed that has a delivery to here, `delivered_at` when something arrived last. That
    its failures disabled it is `noted` once the log says so."""

    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(max_length=2000)
    format = models.CharField(max_length=20, default="standard")
    audience = models.CharField(max_length=110)
    secrets = ArrayField(models.TextField(), default=list)
    position = models.BigIntegerField(default=0)
    state = models.CharField(max_length=8, choices=EndpointState, default=EndpointState.ACTIVE)
    failing_since = models.DateTimeField(null=True)
    disabled_why = models.CharField(max_length=200, blank=True)
    noted = models.BooleanField(default=False, db_default=False)
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name

    @property
    def host(self) -> str:
        """The host alone: the rest of an address may hold a secret."""
        return urlsplit(self.url).hostname or ""

    @property
    def audience_words(self) -> str:
        """Whom it acts for, such as `Deployer argo`."""
        kind, _, name = self.audience.partition(":")
        return f"{kind.capitalize()} {name}"


class DeliveryState(models.TextChoices):
    """How far a delivery came."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead", "Given up"
    DROPPED = "dropped", "No longer needed"


class Delivery(models.Model):
    """One message on its way out by one channel: to a person, to the team (no person) or to an endpoint. Its id is the
    message's own, the same at every attempt. `payload` are the bytes for an endpoint; for people the channel makes the
    message of the notice when it sends. `position` is that of the feed, and below 0 for what somebody sends to try an
    endpoint. `receipt` is where the receiver keeps a message that can be changed, and `closing` the sentence that it is
    to end with: then it is sent again as a change of that message."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    channel = models.CharField(max_length=7, choices=Channel)
    notice = models.ForeignKey(Notice, models.CASCADE, null=True, related_name="deliveries")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, null=True, related_name="deliveries")
    position = models.BigIntegerField(null=True)
    payload = models.TextField(blank=True)
    receipt = models.CharField(max_length=60, blank=True, db_default="")
    closing = models.CharField(max_length=300, blank=True, db_default="")
    state = models.CharField(max_length=9, choices=DeliveryState, default=DeliveryState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    give_up_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["notice", "channel", "person"],
                name="delivery_of_notice",
                nulls_distinct=False,
                condition=Q(notice__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["endpoint", "position"], name="delivery_of_position", condition=Q(endpoint__isnull=False)
            ),
            models.CheckConstraint(
                condition=Q(notice__isnull=False, endpoint=None, position=None)
                | Q(notice=None, person=None, endpoint__isnull=False, position__isnull=False),
                name="delivery_to_whom",
            ),
            models.CheckConstraint(
                condition=Q(state=DeliveryState.PENDING, ended_at=None)
                | (~Q(state=DeliveryState.PENDING) & Q(ended_at__isnull=False)),
                name="delivery_ended",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="delivery_due", condition=Q(state=DeliveryState.PENDING, endpoint=None)
            ),
            models.Index(
                fields=["endpoint", "position"],
                name="delivery_next",
                condition=Q(state=DeliveryState.PENDING, endpoint__isnull=False),
            ),
            models.Index(fields=["state", "ended_at", "id"], name="delivery_by_end"),
            models.Index(fields=["notice"], name="delivery_open_message", condition=~Q(receipt="") & Q(closing="")),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.id}"


class Preference(models.Model):
    """What a person chose for a kind of notice; without one the kind's own default holds, by mail."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    when = models.CharField(max_length=7, choices=When)
    channels = ArrayField(models.CharField(max_length=7, choices=Channel), default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "kind"], name="preference_once")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.person_id}: {self.when}"


class Hours(models.Model):
    """When a person may be told, in their own time zone. Quiet hours may cross midnight; equal ends are none. Their
    Slack user, with the workspace or organisation it is of, is theirs alone; `slack_code` is the SHA-256 of the code by
    which they prove that."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="hours")
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    critical_breaks_through = models.BooleanField(default=False)
    digest_hour = models.PositiveSmallIntegerField(default=8)
    away_until = models.DateTimeField(null=True, help_text="Until then everything goes into the digest.")
    slack_id = models.CharField(max_length=30, blank=True)
    slack_home = models.CharField(max_length=30, blank=True, db_default="")
    slack_code = models.CharField(max_length=64, blank=True, db_default="")
    slack_code_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "hours"
        constraints = [
            # One Slack user acts for one person.
            models.UniqueConstraint(
                fields=["slack_home", "slack_id"], name="slack_user_once", condition=~Q(slack_id="")
            )
        ]

    def __str__(self) -> str:
        return f"hours of {self.person_id}"


class HourlyCount(models.Model):
    """How many notices of a kind are sent to a person one by one within an hour."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    hour = models.DateTimeField()
    notices = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "kind", "hour"], name="hourly_count_once")]

    def __str__(self) -> str:
        return f"{self.notices} {self.kind} for {self.person_id}"


class Cursor(models.Model):
    """How far a source of notices has been told, by its name."""

    name = models.CharField(max_length=30, primary_key=True)
    position = models.BigIntegerField(default=-1)

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"
