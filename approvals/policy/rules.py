"""Who may decide: pure functions that return None or the sentence the person reads.

The page shows the same lists the services enforce. A `Stale` sentence answers 409 (the item moved on), any other 403;
a `StepUp` sentence says in its problem's `type` that the person must prove again who they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parseaddr

from approvals.errors import moment
from approvals.models import NO_DEADLINE, Priority, Status, Verdict


class Stale(str):
    """A refusal because the item changed or ended, not because of who asks."""

    __slots__ = ()


class StepUp(str):
    """A refusal that a fresh password, second factor or sign-in takes away, on the patch's page."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Person:
    """Who wants to decide, with the groups and permissions they have at this moment.

    `addresses` are those that the single sign-on provider verified for them beside their account's own.
    """

    id: int
    email: str
    username: str
    groups: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    authn: str = "session"
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Case:
    """The decision as the rules see it. `people` maps a role on the patch to the e-mail given for it."""

    status: str
    outcome: str
    sha256: str
    priority: int
    expire_at: datetime
    people: dict[str, str] = field(default_factory=dict)
    reviewers: frozenset[int] = frozenset()
    step_up: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """What the person wants, what they had before them, and when they last proved who they are."""

    verdict: str
    seen_sha256: str
    displayed: str = "page"
    opened: bool = True
    bulk: bool = False
    authenticated_at: datetime | None = None


Rule = Callable[[Case, Person, Intent, datetime], str | None]

FRESH = timedelta(minutes=5)

ROLES = {
    "submitted_by": "submitted this patch",
    "triggered_by": "triggered its generation",
    "model_owner": "own the model that scored it",
    "simulation_author": "wrote the simulation that tested it",
}


def not_a_reviewer(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    if "approvals.review_decision" in person.permissions:
        return None
    return "Only reviewers and security leads decide; your groups do not include either."


def own_patch(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    if intent.verdict != Verdict.APPROVE:
        return None
    mine = {name.casefold() for name in (person.email, person.username, *person.addresses) if name}
    for role, words in ROLES.items():
        named = case.people.get(role, "").strip().casefold()
        if mine & {named, parseaddr(named)[1]}:  # `Alice <alice@example.org>` is alice too
            return f"You {words}, so another person must approve it."
    return None


def step_up_elsewhere(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    """Only the page can ask for a password again: an API call, a card and a bulk tick cannot."""
    if not case.step_up or intent.verdict != Verdict.APPROVE:
        return None
    if intent.displayed == "page" and not intent.bulk and person.authn != "token":
        return None
    return StepUp("Its policy asks who you are at the moment of approval: approve this patch on its page.")


def personal_token_on_critical(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    if person.authn == "token" and case.priority == Priority.CRITICAL:
        return "Critical patches are decided on their page, not with a personal token."
    return None


def critical_in_bulk(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    if intent.bulk and intent.verdict == Verdict.APPROVE and case.priority == Priority.CRITICAL:
        return "Critical patches are approved one at a time, never in bulk."
    return None


def unopened(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    """People approve what they saw: a card or a bulk tick is not a look at the diff."""
    if intent.verdict != Verdict.APPROVE or case.priority == Priority.LOW or intent.opened:
        return None
    if intent.displayed == "card" or intent.bulk:
        return "Open the patch first: you have not seen this digest on its page."
    return None


def already_decided(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    return None if case.status == Status.PENDING else Stale(f"{case.outcome} Nothing was changed.")


def changed_since_seen(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    if intent.seen_sha256 == case.sha256:
        return None
    return Stale(
        f"You decided on digest {intent.seen_sha256[:12] or '(none)'}, this revision has {case.sha256[:12]}. "
        "Nothing was changed; look at the present content."
    )


def out_of_time(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    """The clock decides even when no worker has written the expiry yet."""
    if case.expire_at == NO_DEADLINE or now < case.expire_at:
        return None
    return Stale(f"The time to decide ended at {moment(case.expire_at)}. Nothing was changed.")


def already_reviewed(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    if person.id in case.reviewers:
        return Stale("Your review of this revision is already recorded; each person counts once.")
    return None


def step_up(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    """An open session is not enough where the policy says so: somebody else may sit at the screen by now."""
    if not case.step_up or intent.verdict != Verdict.APPROVE:
        return None
    at = intent.authenticated_at
    if at is not None and now - FRESH <= at <= now:
        return None
    return StepUp("Approving asks for your password again: more than five minutes have passed since you gave it.")


WHO: Sequence[Rule] = (
    not_a_reviewer,
    own_patch,
    step_up_elsewhere,
    personal_token_on_critical,
    critical_in_bulk,
    unopened,
)
WHEN: Sequence[Rule] = (already_decided, changed_since_seen, out_of_time, already_reviewed)
REVIEW: Sequence[Rule] = (*WHO, *WHEN, step_up)
"""`step_up` is last: nobody types a password to learn that the patch is decided."""


def refusal(case: Case, person: Person, intent: Intent, now: datetime) -> str | None:
    """Return the first reason why this person cannot give this verdict now, or None."""
    for rule in REVIEW:
        if sentence := rule(case, person, intent, now):
            return sentence
    return None
