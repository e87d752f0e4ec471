"""Emergency bypasses: which covers a decision; which are asked for, running or over; which uses are to be reviewed."""

from datetime import datetime

from django.db.models import Prefetch, Q, QuerySet

from approvals.models import Bypass, Decision, User
from approvals.policy.bypass import Grant

from .people import known_as

PAST = 50


def grant(bypass: Bypass, decision: Decision) -> Grant:
    """Return the rules' view of a bypass for a decision; a package is the ecosystem and name the producer sent."""
    patch = decision.patch
    same_package = (bypass.ecosystem, bypass.package_name) == (patch.ecosystem, patch.package_name)
    return Grant(
        holder=bypass.holder_id,
        state=bypass.state,
        covers=same_package if bypass.decision_id is None else bypass.decision_id == decision.pk,
        ends_at=bypass.ends_at,
        ended_at=bypass.ended_at,
        granted_by=str(bypass.decided_by or ""),
        granter=known_as(bypass.decided_by) if bypass.decided_by else frozenset(),
    )


def held_for(decision: Decision, user_id: int, now: datetime) -> Bypass | None:
    """Return a person's running bypass that covers a decision, the one that runs longest; one query."""
    patch = decision.patch
    covering = Q(decision=decision) | Q(decision=None, ecosystem=patch.ecosystem, package_name=patch.package_name)
    rows = running(now).filter(covering, holder=user_id)
    return rows.select_related("reason", "decided_by").order_by("-ends_at").first()


def running(now: datetime) -> QuerySet[Bypass]:
    return Bypass.objects.filter(state=Bypass.State.GRANTED, ends_at__gt=now)


def to_review() -> QuerySet[Decision]:
    """Return the decisions approved under a bypass whose use nobody has reviewed yet, the oldest first."""
    return Decision.objects.filter(bypass__isnull=False, bypass_review=None).order_by("decided_at")


def listed_to_review() -> list[Decision]:
    rows = to_review().select_related("patch__producer", "bypass__holder", "bypass__decided_by", "bypass__reason")
    return list(rows.defer("patch__wargaming_log"))  # up to 1 MiB a row


def listed_asked() -> list[Bypass]:
    return list(_with_related(Bypass.objects.filter(state=Bypass.State.ASKED)).order_by("id"))


def listed_running(now: datetime) -> list[Bypass]:
    return list(_with_related(running(now)).order_by("ends_at"))


def listed_past(now: datetime) -> list[Bypass]:
    """Return the latest bypasses that were refused, withdrawn or ended, or whose time is over."""
    expired = Q(state=Bypass.State.GRANTED, ends_at__lte=now)
    rest = Bypass.objects.exclude(state__in=[Bypass.State.ASKED, Bypass.State.GRANTED])
    return list(_with_related(rest | Bypass.objects.filter(expired)).order_by("-id")[:PAST])


def may_hold() -> QuerySet[User]:
    """Return the active people who review."""
    people = User.objects.filter(is_active=True, groups__permissions__codename="review_decision")
    return people.order_by("first_name", "username").distinct()


def _with_related(rows: QuerySet[Bypass]) -> QuerySet[Bypass]:
    uses = Decision.objects.select_related("patch", "bypass_review__reviewed_by", "bypass_review__note")
    return (
        rows.select_related("holder", "decision__patch", "reason", "asked_by", "decided_by", "ended_by")
        .defer("decision__patch__wargaming_log")
        .prefetch_related(Prefetch("uses", uses.defer("patch__wargaming_log").order_by("decided_at")))
    )
