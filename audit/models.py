"""The append-only log. No foreign keys leave this app: the log outlives everything it describes."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Func, GeneratedField, Q
from django.db.models.functions import Upper

WORDS = Func("object_label", function="audit_words", output_field=SearchVectorField())
"""The words of an entry's label, as the index has them."""


class ActorKind(models.TextChoices):
    HUMAN = "human", "Person"
    SERVICE = "service", "Service"
    POLICY = "policy", "Policy"
    TIMER = "timer", "Timer"


class Entry(models.Model):
    """One entry of the log. `body` is authoritative (RFC 8785 canonical JSON); other columns are copies to search by.

    Not partitioned: entries are never archived away from a log that must verify from its first leaf, and the
    uniqueness of (object, n) could not span partitions.
    """

    uuid = models.UUIDField(unique=True)
    type = models.CharField(max_length=40)
    at = models.DateTimeField()
    actor_id = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=7, choices=ActorKind)
    object_type = models.CharField(max_length=20)
    object_id = models.CharField(max_length=64)
    object_n = models.PositiveIntegerField(null=True)
    body = models.BinaryField()
    # leaf_hash = SHA256(0x00 || body), RFC 6962 2.1; computed by the database so that no writer can disagree with it.
    leaf_hash = GeneratedField(
        expression=Func(F("body"), function="sha256", template=r"sha256('\x00'::bytea || body)"),
        output_field=models.BinaryField(),
        db_persist=True,
    )

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            # An object's chain has one n-th entry: two writers that both read the same last entry cannot both commit.
            models.UniqueConstraint(
                fields=["object_type", "object_id", "object_n"],
                condition=Q(object_n__isnull=False),
                name="entry_chain",
            ),
        ]
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="entry_by_object"),  # timeline of a decision
            models.Index(fields=["type", "-id"], name="entry_by_type"),  # audit page, filter 'action'
            models.Index(fields=["actor_id", "-id"], name="entry_by_actor"),  # audit page, filter 'actor'
            models.Index(fields=["at"], name="entry_by_time"),  # audit page, filter 'from' and 'to'
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.object_type} {self.object_id}"


class Pending(models.Model):
    """The one outbox: the ids of entries that have no position yet. Written by a trigger on `Entry`."""

    entry_id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return str(self.entry_id)


class Leaf(models.Model):
    """An entry's position in the log: consecutive from 0, given after commit by the one sequencer."""

    seq = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, models.PROTECT, related_name="leaf")

    class Meta:
        verbose_name_plural = "leaves"

    def __str__(self) -> str:
        return str(self.seq)


class Context(models.Model):
    """Personal data that belongs to an entry, stored apart from it so that it can be erased."""

    entry = models.OneToOneField(Entry, models.PROTECT, primary_key=True, related_name="context")
    actor_label = models.CharField(max_length=150, blank=True)
    object_label = models.CharField(max_length=300, blank=True)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)
    # Canonical JSON; data.aside.sha256 of the body is SHA256(salt || aside). The salt goes too: names are soon guessed.
    aside = models.TextField(blank=True, default="")
    salt = models.BinaryField(default=b"")

    class Meta:
        indexes = [
            # Audit page, an actor by name: the newest entries of one name from the index alone, as of a beginning.
            models.Index(
                OpClass(Upper("actor_label"), name="varchar_pattern_ops"), F("entry").desc(), name="context_by_actor"
            ),
            GinIndex(WORDS, name="context_by_words"),  # audit page, a word of a label
        ]

    def __str__(self) -> str:
        return self.actor_label
