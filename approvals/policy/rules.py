"""Who may decide: pure functions that return None or the sentence the person reads.

The page shows the same lists the services enforce. A `Stale` sentence answers 409 (the item moved on), any other 403;
a `StepUp` sentence says in its problem's `type` that the person must prove again who they are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from approvals.errors import moment
from approvals.models import NO_DEADLINE, Priority, Status, Verdict
from approvals.permissions import REVIEW_DECISION

from .bypass import Grant, unusable
from .lookalikes import lookalikes
from .submitters import all_in, same


class Stale(str):
    """A refusal because the item changed or ended, not because of who asks."""

    __slots__ = ()


class StepUp(str):
    """A refusal that a fresh password, second factor or sign-in takes away, on the patch's page."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """Somebody who is away and asked a person to review in their name, with what they have at this moment; `held` says
    whether their account decides nothing at present."""

    id: int
    email: str
    username: str
    name: str
    groups: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    former: frozenset[str] = frozenset()
    held: bool = False


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who wants to decide, with the groups and permissions they have at this moment, and for whom they stand in.

    `addresses` are those that the single sign-on provider verified for them beside their account's own, `former` the
    addresses and user names their account had before, and all those of their other accounts; `held` says why their
    account decides nothing at present.
    """

    id: int
    email: str
    username: str
    groups: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    authn: str = "session"
    absent: tuple[Absent, ...] = ()
    addresses: frozenset[str] = frozenset()
    former: frozenset[str] = frozenset()
    held: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What a patch changes: the digests of its lines and files (`diff.same_lines`) and the codes of all its marks."""

    lines: str
    files: str
    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """The decision as the rules see it. `people` maps a role on the patch to the e-mail given for it; `allowed` are
    the names, folded, of those who alone may approve a workflow gate (none: nobody is left out); `voices` are the
    absent people in whose names somebody reviewed; `bypass` is the one the person wants to approve alone under;
    `change` is None where no line is changed or nothing is known of it."""

    status: str
    outcome: str
    sha256: str
    priority: int
    expire_at: datetime
    people: dict[str, str] = field(default_factory=dict)
    reviewers: frozenset[int] = frozenset()
    decider_groups: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    voices: frozenset[int] = frozenset()
    required_groups: frozenset[str] = frozenset()
    step_up: bool = False
    second_factor: bool = False
    bypass: Grant | None = None
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """What the person wants, what they had before them, the absent person in whose name they act (by id, or by user
    name or e-mail address), when they last proved who they are, by anything and by a second factor, whether they want
    to approve alone under an emergency bypass, and the changes of other patches that they opened."""

    verdict: str
    seen_sha256: str
    displayed: str = "page"
    opened: bool = True
    bulk: bool = False
    in_name_of: int | str | None = None
    authenticated_at: datetime | None = None
    factor_at: datetime | None = None
    alone: bool = False
    read: tuple[Change, ...] = ()


Rule = Callable[[DecisionFacts, Reviewer, Intent, datetime], str | None]
"""Most rules are of every verdict; one of approvals alone looks at `intent.verdict`."""

FRESH = timedelta(minutes=5)

ROLES = {
    "submitted_by": "submitted this patch",
    "triggered_by": "triggered its generation",
    "model_owner": "own the model that scored it",
    "simulation_author": "wrote the simulation that tested it",
}


NAMES_SHOWN = 5


def names_of(reviewer: Reviewer | Absent) -> frozenset[str]:
    """Return what may name a person on a patch or a gate, folded: e-mail address and user name."""
    verified = reviewer.addresses if isinstance(reviewer, Reviewer) else ()
    return frozenset(name.casefold() for name in (reviewer.email, reviewer.username, *verified) if name)


def gate_names(reviewer: Reviewer) -> frozenset[str]:
    """Return what a gate may name a person by: `names_of`, but no user name that is somebody's address and not theirs.
    An address on a gate names whose it is."""
    own = names_of(reviewer)
    username = reviewer.username.casefold()
    addresses = {name.casefold() for name in (reviewer.email, *reviewer.addresses)}
    return own - {username} if "@" in username and username not in addresses else own


def ever_named(reviewer: Reviewer | Absent) -> frozenset[str]:
    """Return `names_of` and what they were called before or elsewhere: each tells who submitted a patch."""
    return names_of(reviewer) | reviewer.former


def absent_of(reviewer: Reviewer, intent: Intent) -> Absent | None:
    """Return the absent person in whose name this one acts; None for their own name or where they do not stand in."""
    wanted = intent.in_name_of
    if isinstance(wanted, str):
        return next((absent for absent in reviewer.absent if wanted.strip().casefold() in names_of(absent)), None)
    return next((absent for absent in reviewer.absent if absent.id == wanted), None)


def not_a_reviewer(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    if REVIEW_DECISION in reviewer.permissions:
        return None
    return "Only reviewers and security leads decide; your groups do not include either."


def not_its_owners_yet(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """Whoever sends somebody a new way to sign in could use it first: the account decides nothing until both agree."""
    return reviewer.held or None


def not_a_decider(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """Where the policy names groups, only their members decide; membership is looked at now."""
    if not facts.decider_groups or facts.decider_groups & reviewer.groups:
        return None
    return f"Only members of {' or '.join(sorted(facts.decider_groups))} decide under this policy."


def not_on_the_list(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """A gate may name who approves it. Anybody whom the policy lets decide may still say no."""
    if intent.verdict != Verdict.APPROVE or not facts.allowed or gate_names(reviewer) & facts.allowed:
        return None
    some = sorted(facts.allowed)[:NAMES_SHOWN]
    more = f" and {len(facts.allowed) - len(some)} more" if len(facts.allowed) > len(some) else ""
    return f"Only the people this gate names may approve it: {', '.join(some)}{more}."


def own_patch(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    if intent.verdict == Verdict.APPROVE and (role := role_of(facts.people, ever_named(reviewer))):
        return f"You {ROLES[role]}, so another person must approve it."
    return None


def patch_of_the_absent(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """Whoever stands in for somebody approves nothing that person could not, in whichever name."""
    for absent in reviewer.absent if intent.verdict == Verdict.APPROVE else ():
        if role := role_of(facts.people, ever_named(absent)):
            return f"You stand in for {absent.name}, who {_of_somebody(role)}, so another person must approve it."
    return None


def not_standing_in(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    if intent.in_name_of is None:
        return None
    absent = absent_of(reviewer, intent)
    if absent is None:
        return "You do not stand in for this person at present; review in your own name."
    if REVIEW_DECISION not in absent.permissions:
        return f"{absent.name} does not review any more, so nobody does in their name."
    if absent.held:
        return f"{absent.name}'s account decides nothing at present, so nobody does in their name."
    return None


def not_eligible_in_own_right(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """A group that the policy asks for is not handed over: whoever stands in must be in it too."""
    absent = absent_of(reviewer, intent)
    if absent is None or intent.verdict != Verdict.APPROVE:
        return None
    lacking = sorted((facts.required_groups & absent.groups) - reviewer.groups)
    if lacking:
        return (
            f"This patch asks for {', '.join(lacking)}: {absent.name} is one of them and you are not, "
            "so you cannot approve in their name."
        )
    return None


def step_up_elsewhere(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """Only the page can ask for a password again: an API call, a card and a bulk tick cannot."""
    if not facts.step_up or intent.verdict != Verdict.APPROVE:
        return None
    if intent.displayed == "page" and not intent.bulk and reviewer.authn != "token":
        return None
    return StepUp("Its policy asks who you are at the moment of approval: approve this patch on its page.")


def personal_token_on_critical(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    if reviewer.authn == "token" and facts.priority == Priority.CRITICAL:
        return "Critical patches are decided on their page, not with a personal token."
    return None


def critical_in_chat(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    if intent.displayed == "chat" and facts.priority == Priority.CRITICAL:
        return "Critical patches are decided on their page, not in a chat."
    return None


def critical_in_bulk(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    if intent.bulk and intent.verdict == Verdict.APPROVE and facts.priority == Priority.CRITICAL:
        return "Critical patches are approved one at a time, never in bulk."
    return None


def unopened(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """People approve what they saw: a card, a dialog in a chat or a bulk tick is not a look at the diff. In bulk it is
    enough to have read the same lines in the same files of another patch, unless something is marked here that was not
    marked there."""
    if intent.verdict != Verdict.APPROVE or facts.priority == Priority.LOW or intent.opened:
        return None
    if intent.bulk and facts.priority != Priority.CRITICAL and read_elsewhere(facts.change, intent.read):
        return None
    # A form made by hand may name a page nobody opened.
    if intent.displayed in {"card", "page", "chat"} or intent.bulk:
        return "Open the patch first: you have not seen this digest on its page."
    return None


def read_elsewhere(change: Change | None, read: Sequence[Change]) -> bool:
    """Tell whether one of the changes that were read has these lines, files and at least these marks."""
    return change is not None and any(
        (change.lines, change.files) == (seen.lines, seen.files) and change.codes <= seen.codes for seen in read
    )


def alone_off_the_page(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """Whoever approves alone looks at the whole patch, signed in, and says so there."""
    if not intent.alone or intent.verdict != Verdict.APPROVE:
        return None
    if intent.displayed == "page" and not intent.bulk and reviewer.authn != "token":
        return None
    return "An emergency bypass is used on the patch's page only."


def alone_in_anothers_name(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    if not intent.alone or intent.verdict != Verdict.APPROVE or intent.in_name_of is None:
        return None
    return "An emergency bypass is not handed over: approve under it in your own name."


def no_running_bypass(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """A bypass takes the place of the missing approvals, and of no other rule."""
    if not intent.alone or intent.verdict != Verdict.APPROVE:
        return None
    sentence = unusable(facts.bypass, reviewer.id, now)
    return f"{sentence} Nothing was changed." if sentence else None


def bypass_of_a_party(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """Whoever could not approve a patch gives nobody the right to approve it alone."""
    if not intent.alone or intent.verdict != Verdict.APPROVE or facts.bypass is None:
        return None
    if role := role_of(facts.people, facts.bypass.granter):
        return f"{facts.bypass.granted_by}, who granted this bypass, {_of_somebody(role)}, so it does not count here."
    return None


def already_decided(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    return None if facts.status == Status.PENDING else Stale(f"{facts.outcome} Nothing was changed.")


def changed_since_seen(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    if intent.seen_sha256 == facts.sha256:
        return None
    return Stale(
        f"You decided on digest {intent.seen_sha256[:12] or '(none)'}, this revision has {facts.sha256[:12]}. "
        "Nothing was changed; look at the present content."
    )


def out_of_time(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """The clock decides even when no worker has written the expiry yet."""
    if facts.expire_at == NO_DEADLINE or now < facts.expire_at:
        return None
    return Stale(f"The time to decide ended at {moment(facts.expire_at)}. Nothing was changed.")


def already_reviewed(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    if reviewer.id in facts.reviewers:
        return Stale("Your review of this revision is already recorded; each person counts once.")
    if reviewer.id in facts.voices:
        return Stale("Somebody reviewed this revision in your name; each person counts once.")
    absent = absent_of(reviewer, intent)
    if absent and absent.id in facts.reviewers | facts.voices:
        return Stale(f"A review by {absent.name} or in their name is already recorded; each person counts once.")
    return None


def step_up(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """An open session is not enough where the policy says so: somebody else may sit at the screen by now."""
    if not facts.step_up or intent.verdict != Verdict.APPROVE:
        return None
    at = intent.factor_at if facts.second_factor else intent.authenticated_at
    if at is not None and now - FRESH <= at <= now:
        return None
    if facts.second_factor:
        return StepUp("Approving asks for a code of your app or for your security key, given within five minutes.")
    return StepUp("Approving asks for your password again: more than five minutes have passed since you gave it.")


def role_of(people: Mapping[str, str], names: frozenset[str]) -> str | None:
    """Return the first role under which a patch's people, by role, have somebody of these names, or of a name that
    looks like one of them."""
    mine = _read(names | {same(name) for name in names})
    return next((role for role in ROLES if (value := people.get(role)) and mine & _read({value, *all_in(value)})), None)


def _read(names: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*map(lookalikes, names))


def _of_somebody(role: str) -> str:
    return ROLES[role].replace("own ", "owns ", 1)


WHO: Sequence[Rule] = (
    not_a_reviewer,
    not_its_owners_yet,
    not_a_decider,
    not_on_the_list,
    own_patch,
    patch_of_the_absent,
    not_standing_in,
    not_eligible_in_own_right,
    step_up_elsewhere,
    personal_token_on_critical,
    critical_in_chat,
    critical_in_bulk,
    unopened,
    alone_off_the_page,
    alone_in_anothers_name,
)
WHEN: Sequence[Rule] = (already_decided, changed_since_seen, out_of_time, already_reviewed)
REVIEW: Sequence[Rule] = (*WHO, *WHEN, no_running_bypass, bypass_of_a_party, step_up)
"""`WHO` is about the person and how they act, `WHEN` about what became of the item; the first that speaks is read.
`step_up` is last: nobody types a password to learn that the patch is decided or the bypass over."""


def refusal(facts: DecisionFacts, reviewer: Reviewer, intent: Intent, now: datetime) -> str | None:
    """Return the first reason why this person cannot give this verdict now, or None."""
    for rule in REVIEW:
        if sentence := rule(facts, reviewer, intent, now):
            return sentence
    return None
