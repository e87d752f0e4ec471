"""Approvals in force that may be revoked together: of a model version, a policy version, a producer, a reviewer."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.models import Acknowledgement, ApiToken, Decision, FeedEntry, Review, Status, TokenKind, User, Verdict

MOST = 10_000
SHOWN = 100
APPROVED = [Status.APPROVED, Status.AUTO_APPROVED]


@dataclass(frozen=True, slots=True)
class Approvals:
    """Which approvals to find: at least one of the first four is set, and all that are set must match. `since` and
    `until` bound when they were approved. Producer, reviewer and policy version are keys."""

    model_version: str = ""
    policy_version: int | None = None
    producer: int | None = None
    reviewer: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def named(self) -> bool:
        return bool(self.model_version or self.policy_version or self.producer or self.reviewer)


@dataclass(frozen=True, slots=True)
class Listed:
    """The keys of the approvals in force that match, oldest first, and a digest of exactly this list."""

    keys: list[int]
    digest: str


def in_force(wanted: Approvals) -> QuerySet[Decision]:
    """Return the matching approvals that are in force, oldest first; lazily."""
    return _matching(wanted).filter(status__in=APPROVED).order_by("id")


def listed(wanted: Approvals) -> Listed:
    """Return what would be revoked, at most one more than MOST."""
    rows = list(in_force(wanted).values_list("pk", "decision_id")[: MOST + 1])
    content = "\n".join(str(decision_id) for _, decision_id in rows)
    return Listed([key for key, _ in rows], hashlib.sha256(content.encode()).hexdigest())


def shown(wanted: Approvals) -> list[Decision]:
    """Return the newest matching approvals, for the preview; one query."""
    rows = in_force(wanted).select_related("patch__producer", "policy_version__policy", "decided_by_user")
    return list(rows.defer("patch__wargaming_log").order_by("-decided_at", "-id")[:SHOWN])


def changed_since(wanted: Approvals, at: datetime, limit: int = 5) -> tuple[list[Decision], list[Decision]]:
    """Return the approvals given, and those revoked, since a list was shown; at most `limit` each."""
    rows = _matching(wanted).select_related("patch")
    added = rows.filter(status__in=APPROVED, decided_at__gt=at).order_by("id")
    revoked = rows.filter(status=Status.REVOKED, revocation__revoked_at__gt=at).order_by("id")
    return list(added[:limit]), list(revoked[:limit])


def acknowledged(decision: Decision) -> list[Acknowledgement]:
    """Return the acknowledgements of deployers, oldest first; one query, none for a decision never approved."""
    if decision.status not in {*APPROVED, Status.REVOKED}:
        return []
    rows = Acknowledgement.objects.filter(feed_entry__decision=decision).select_related("feed_entry")
    return list(rows.order_by("id"))


def not_acknowledged(decision: Decision, now: datetime) -> list[str]:
    """Return the deployers whose tokens are in force and who have not yet acted on a revocation, by name; one query."""
    if decision.status != Status.REVOKED:
        return []
    acted = Acknowledgement.objects.filter(feed_entry__decision=decision, feed_entry__status=Status.REVOKED)
    tokens = ApiToken.objects.filter(kind=TokenKind.DEPLOYER, revoked_at=None).filter(
        Q(expires_at=None) | Q(expires_at__gt=now)
    )
    names = tokens.exclude(name__in=acted.values("deployer")).order_by("name").values_list("name", flat=True)
    return list(names.distinct())


def item(decision: Decision, position: int) -> FeedEntry | None:
    """Return the feed entry at this position if it is about this decision."""
    return FeedEntry.objects.filter(decision=decision, position=position).first()


def reviewer_named(text: str) -> User | None:
    """Return the person with this user name or e-mail address, active or not."""
    return User.objects.filter(Q(username__iexact=text) | Q(email__iexact=text)).order_by("pk").first()


def _matching(wanted: Approvals) -> QuerySet[Decision]:
    rows = Decision.objects.exclude(status=Status.PENDING)
    if wanted.model_version:
        rows = rows.filter(patch__ml_model_version=wanted.model_version)
    if wanted.policy_version:
        rows = rows.filter(policy_version=wanted.policy_version)
    if wanted.producer:
        rows = rows.filter(patch__producer=wanted.producer)
    if wanted.reviewer:
        reviews = Review.objects.filter(
            Q(reviewer=wanted.reviewer) | Q(delegated_from=wanted.reviewer), verdict=Verdict.APPROVE, withdrawn_at=None
        )
        rows = rows.filter(Exists(reviews.filter(decision=OuterRef("pk"))))
    if wanted.since:
        rows = rows.filter(decided_at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(decided_at__lt=wanted.until)
    return rows
