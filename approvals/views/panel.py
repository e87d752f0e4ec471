"""The decision panel: what this person may do with this decision now, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django import forms

from approvals.forms import VerdictForm
from approvals.models import NO_DEADLINE, Bypass, Decision, Review, Status, Verdict
from approvals.permissions import COMMENT_DECISION, LEAD_DECISION, REVIEW_DECISION
from approvals.policy.quorum import missing
from approvals.policy.rules import FRESH, Absent, DecisionFacts, Intent, Reviewer, StepUp, refusal
from approvals.queries.bypasses import held_for
from approvals.queries.candidates import ended_with
from approvals.queries.decision_facts import decision_facts
from approvals.queries.people import approvers
from approvals.queries.queue import who_can


@dataclass(frozen=True, slots=True)
class RefusedAct:
    """An act beside the verdict that was refused: its name, the words typed and what was wrong."""

    name: str
    text: str
    error: str


@dataclass(frozen=True, slots=True)
class ConflictNotice:
    """What others did meanwhile; `late` is what that means for what was tried."""

    title: str
    detail: str
    late: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """What the decision panel shows one person. Each `may_` says whether they get the form of that act."""

    mode: str  # open, decided or conflict
    form: forms.Form
    step: str  # the act whose fields stand open at first
    conflict: ConflictNotice | None
    act: RefusedAct | None
    refusal: str | None  # why this person may not approve
    absent: Sequence[Absent]  # in whose names they may decide
    who_can: str
    missing: list[str]  # to a decision
    rejections: int
    asks: bool  # for a password or code beside the approval
    fresh_until: datetime | None  # until when no password or code is asked for again
    bypass: Bypass | None
    supersedes: int  # other candidates that end when it is approved
    may_approve: bool
    may_reject: bool
    may_comment: bool
    may_escalate: bool
    may_cancel: bool
    may_extend: bool
    ends: datetime | None  # when the time to decide is over
    may_withdraw: bool
    may_ask_bypass: bool
    may_revoke: bool


def panel(
    decision: Decision,
    reviews: list[Review],
    person: Reviewer,
    now: datetime,
    *,
    form: forms.Form | None = None,
    step: str = "approve",
    conflict: ConflictNotice | None = None,
    opened: bool = True,
    displayed: str = "page",
    act: RefusedAct | None = None,
    authenticated_at: datetime | None = None,
    factor_at: datetime | None = None,
) -> Panel:
    """Return the panel. The same rules that refuse a verdict say here why it would be refused."""
    live = [review for review in reviews if review.withdrawn_at is None]
    seen = decision_facts(decision, live)

    def why_not(verdict: Verdict) -> str | None:
        intent = Intent(
            verdict,
            decision.patch.sha256,
            displayed,
            opened,
            authenticated_at=authenticated_at,
            factor_at=factor_at,
        )
        return refusal(seen, person, intent, now)

    is_open = decision.status == Status.PENDING
    no_approval, no_rejection = why_not(Verdict.APPROVE), why_not(Verdict.REJECT)
    asks = displayed == "page" and isinstance(no_approval, StepUp)  # a password away, so the form stays
    no_approval = None if asks else no_approval
    lead = LEAD_DECISION in person.permissions
    reviewer = REVIEW_DECISION in person.permissions
    mine = person.id in seen.reviewers
    on_page = is_open and displayed == "page"
    proved = is_open and no_approval is None and not asks
    return Panel(
        mode="conflict" if conflict else "open" if is_open else "decided",
        form=form or VerdictForm(),
        step=step if no_approval is None or step != "approve" else "reject",
        conflict=conflict,
        act=act,
        refusal=no_approval if is_open else None,
        absent=person.absent if is_open else (),
        who_can=_names(decision, now) if is_open and no_approval else "",
        missing=_missing(decision, live) if is_open else [],
        rejections=sum(review.verdict == Verdict.REJECT for review in live) if is_open else 0,
        asks=is_open and asks,
        fresh_until=_fresh_until(seen, authenticated_at, factor_at) if proved else None,
        bypass=_bypass(decision, live, person, now) if on_page and (mine or no_approval is None) else None,
        supersedes=len(ended_with(decision)) if is_open and no_approval is None else 0,
        may_approve=is_open and no_approval is None,
        may_reject=is_open and no_rejection is None,
        may_comment=COMMENT_DECISION in person.permissions,
        may_escalate=is_open and reviewer,
        may_cancel=is_open and lead,
        may_extend=is_open and lead and now < decision.expire_at != NO_DEADLINE,
        ends=decision.expire_at if is_open and decision.expire_at != NO_DEADLINE else None,
        may_withdraw=is_open and mine,
        may_ask_bypass=is_open and lead,
        may_revoke=lead and decision.status in {Status.APPROVED, Status.AUTO_APPROVED},
    )


def _fresh_until(seen: DecisionFacts, authenticated_at: datetime | None, factor_at: datetime | None) -> datetime | None:
    """Return until when an approval that needs it asks for no password or code again."""
    at = factor_at if seen.second_factor else authenticated_at
    return at + FRESH if seen.step_up and at else None


def _missing(decision: Decision, live: list[Review], *more: int) -> list[str]:
    """Return what is missing to a decision; `more` are people counted as if they had approved."""
    given = approvers(
        [*(review.reviewer_id for review in live if review.verdict == Verdict.APPROVE), *more],
        deciders=decision.policy_version.decider_groups,
    )
    return missing(given, decision.required_approvals, decision.required_groups)


def _bypass(decision: Decision, live: list[Review], person: Reviewer, now: datetime) -> Bypass | None:
    """Return the bypass this person may use here; none, and no query, where one approval is all that is asked."""
    if decision.required_approvals < 2 and not decision.required_groups:
        return None
    held = held_for(decision, person.id, now)
    return held if held and _missing(decision, live, person.id) else None


def _names(decision: Decision, now: datetime) -> str:
    people = [str(user) for user in who_can(decision, now)]
    return f"Can approve: {', '.join(people)}." if people else "Nobody else can approve it at present."
