"""What the cards of the queue show beside the decision itself."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from approvals.models import Decision, PatchView, Review, User, Verdict
from approvals.permissions import REVIEW_DECISION
from approvals.policy.rules import Intent, Reviewer, refusal

from .decision_facts import decision_facts, read_gates
from .same_lines import Alike, alike
from .workbench import presence_of


@dataclass(frozen=True, slots=True)
class Card:
    """A pending decision as one person sees it in the queue."""

    decision: Decision
    approvers: list[User]
    open_slots: range  # one for each approval that is missing
    others_present: list[User]  # who else has its page open
    alike: Alike | None  # None if no other patch changes the same lines
    opened_by_me: bool
    may_review: bool
    why_not: str | None  # why this person may not approve it


def cards(decisions: Sequence[Decision], person: Reviewer, now: datetime) -> list[Card]:
    """Return the cards of pending decisions; four queries, one more where there are gates."""
    ids = [decision.pk for decision in decisions]
    read_gates(decision.patch for decision in decisions)
    reviews: dict[int, list[Review]] = defaultdict(list)
    for review in Review.objects.filter(decision__in=ids, withdrawn_at=None).select_related("reviewer").order_by("id"):
        reviews[review.decision_id].append(review)
    opened = set(
        PatchView.objects.filter(user=person.id, patch__decision__in=ids).values_list("patch__decision", flat=True)
    )
    present, alike_by_key = presence_of(decisions, person.id, now), alike(decisions, person.id, now)
    shown = []
    for decision in decisions:
        live = reviews[decision.pk]
        approvers = [review.reviewer for review in live if review.verdict == Verdict.APPROVE]
        # As if on its page with a fresh sign-in: the card leads to the page, which can ask for a password.
        intent = Intent(Verdict.APPROVE, decision.patch.sha256, authenticated_at=now, factor_at=now)
        card = Card(
            decision=decision,
            approvers=approvers,
            open_slots=range(max(0, decision.required_approvals - len(approvers))),
            others_present=present.get(decision.patch_id, []),
            alike=alike_by_key.get(decision.pk),
            opened_by_me=decision.pk in opened,
            may_review=REVIEW_DECISION in person.permissions,
            why_not=refusal(decision_facts(decision, live), person, intent, now),
        )
        shown.append(card)
    return shown
