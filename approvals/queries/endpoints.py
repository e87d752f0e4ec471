"""Endpoints that are told of decisions: as whom each reads the feed, how far it is, and what was sent to it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet

from approvals.models import ApiToken, FeedEntry, TokenKind
from approvals.policy.visible_fields import Reader
from notifications.models import Delivery, DeliveryState, Endpoint, EndpointState
from postgresql.statements import query

NEEDED = "decisions:read"
LAST_FIRST = ["-ended_at", "-id"]
WAITING_FIRST = ["due_at", "id"]
COUNTED = 10_000
"""Deliveries of a kind that are counted; beyond, it is that many."""


@dataclass(frozen=True, slots=True)
class Audience:
    """As whom an endpoint reads the feed: which reader, and of a producer only its own items."""

    reader: Reader
    producer_id: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An endpoint with how many items of the feed it has not got, and how many of them were given up."""

    endpoint: Endpoint
    lag: int
    dead: int
    has_reader: bool


def audience_of(words: str, now: datetime) -> Audience | None:
    """Return who `deployer:NAME` or `producer:NAME` is: the tokens of that name that are in force, together. None where
    there is none that reads decisions, so that an endpoint gets no more than its token would."""
    kind, _, name = words.partition(":")
    named = Q(producer__name=name) if kind == TokenKind.PRODUCER else Q(name=name)
    in_force = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    tokens = ApiToken.objects.filter(named & in_force, kind=kind, scopes__contains=[NEEDED])
    found = list(tokens.values_list("producer", "scopes"))
    if not found:
        return None
    if kind == TokenKind.PRODUCER:
        return Audience(Reader.OWN_PRODUCER, found[0][0])
    return Audience(Reader.DEPLOYER if any("diffs:read" in scopes for _, scopes in found) else Reader.NARROWED)


def audiences(now: datetime) -> list[str]:
    """Return whom an endpoint can be for: deployers, then producers, by name."""
    in_force = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    tokens = ApiToken.objects.filter(in_force, scopes__contains=[NEEDED])
    deployers = tokens.filter(kind=TokenKind.DEPLOYER).values_list("name", flat=True)
    producers = tokens.filter(kind=TokenKind.PRODUCER).values_list("producer__name", flat=True)
    return [f"{TokenKind.DEPLOYER}:{name}" for name in sorted(set(deployers))] + [
        f"{TokenKind.PRODUCER}:{name}" for name in sorted(set(producers))
    ]


def newest_position() -> int:
    """Return the newest position of the feed, 0 where it is empty."""
    return FeedEntry.objects.aggregate(newest=Max("position"))["newest"] or 0


def live() -> QuerySet[Endpoint]:
    """Return the endpoints that were not removed."""
    return Endpoint.objects.filter(removed_at=None)


def seen(now: datetime) -> list[Seen]:
    """Return every endpoint with how it is, by name."""
    newest, endpoints = newest_position(), list(live().order_by("name"))
    waiting = Delivery.objects.filter(endpoint__in=endpoints, state=DeliveryState.PENDING, position__gt=0)
    first = dict(waiting.values_list("endpoint").annotate(Min("position")))
    given_up = Delivery.objects.filter(endpoint__in=endpoints, state=DeliveryState.DEAD)
    dead = dict(given_up.values_list("endpoint").annotate(Count("pk")))
    there = {words: audience_of(words, now) is not None for words in {endpoint.audience for endpoint in endpoints}}
    return [
        Seen(
            endpoint,
            newest - min(endpoint.position, first.get(endpoint.pk, endpoint.position + 1) - 1),
            dead.get(endpoint.pk, 0),
            there[endpoint.audience],
        )
        for endpoint in endpoints
    ]


def deliveries(state: str, channel: str = "", endpoint: int | None = None) -> QuerySet[Delivery]:
    """Return deliveries in a state; lazily, in no order."""
    rows = Delivery.objects.filter(state=state).select_related("notice", "person", "endpoint").defer("payload")
    more: dict[str, Any] = {"channel": channel, "endpoint": endpoint}
    return rows.filter(**{name: value for name, value in more.items() if value})


DELIVERY_COUNTS_SQL = """
select channel, state, count(*) from (
    (select channel, state from notifications_delivery where state = 'pending' limit %(most)s)
    union all
    (select channel, state from notifications_delivery where state = 'dead' limit %(most)s)
    union all
    (select channel, state from notifications_delivery
     where state = 'delivered' and ended_at > %(since)s order by ended_at desc limit %(most)s)
) counted
group by channel, state
"""
OLDEST_DUE_SQL = """
select least(
    (select min(due_at) from notifications_delivery where state = 'pending' and endpoint_id is null),
    (select min(first.due_at)
     from notifications_endpoint endpoint, lateral (
        select due_at from notifications_delivery
        where endpoint_id = endpoint.id and state = 'pending' order by position limit 1
     ) first
     where endpoint.removed_at is null and endpoint.state <> 'disabled')
)
"""


def counts(now: datetime) -> dict[tuple[str, str], int]:
    """Return how many deliveries wait, were given up, and arrived in the last hour, by channel and state; up to
    `COUNTED` of each state."""
    values = {"most": COUNTED, "since": now - timedelta(hours=1)}
    return {(channel, state): count for channel, state, count in query(DELIVERY_COUNTS_SQL, values)}


def oldest_due(now: datetime) -> float:
    """Return for how many seconds the delivery that is due longest has been due; those of one endpoint wait for its
    first, and those of a disabled one are not due."""
    [(since,)] = query(OLDEST_DUE_SQL)
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def endpoint_states() -> dict[str, int]:
    """Return how many endpoints are in each state; `off` are those that somebody disabled, not their failures."""
    by_hand = Q(state=EndpointState.DISABLED, failing_since=None)
    states = dict(live().exclude(by_hand).values_list("state").annotate(Count("pk")).order_by())
    return {str(state): 0 for state in EndpointState} | states | {"off": live().filter(by_hand).count()}
