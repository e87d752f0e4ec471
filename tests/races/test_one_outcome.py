"""Sixteen people and the expiry timer decide one patch at once: one outcome, and everybody else is told which."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from approvals.models import Decision, Review, Status
from approvals.services import reviews, timers
from audit.models import Entry

from .crowd import Member, Told, assert_settled, sixteen_reviewers
from .together import Handicap, after, at_once

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MakePatch = Callable[..., Decision]
Act = Callable[[Member, Decision, str], Told]

CHANNELS: dict[str, list[Act]] = {
    "page": [Member.on_page],
    "api": [Member.by_api],
    "bulk": [Member.in_bulk],
    "mixed": [Member.on_page, Member.by_api, Member.in_bulk],
}
ROUNDS = {"page": 5, "api": 5, "bulk": 5, "mixed": 15}
VERDICTS = ["approve", "reject"]
TIMER_OVERTAKES = timedelta(days=400)


@pytest.mark.parametrize("channel", CHANNELS)
def test_one_outcome_and_everybody_else_is_told_which(channel: str, make_patch: MakePatch) -> None:
    decide_at_once(CHANNELS[channel], ROUNDS[channel], make_patch)


@pytest.mark.soak
def test_fifty_rounds_over_all_channels(make_patch: MakePatch) -> None:
    decide_at_once(CHANNELS["mixed"], 50, make_patch)


def decide_at_once(acts: list[Act], least: int, make_patch: MakePatch) -> None:
    crowd, race = sixteen_reviewers(), Handicap()
    for _ in race.rounds(least):
        decision = make_patch(severity="low")  # in bulk only a low one may be approved without opening it
        winner = play(crowd, decision, acts, race.of("human"), race.of("timer"))
        race.won(winner, "timer" if winner == "human" else "human")
        assert_settled()


def test_there_are_more_callers_than_connections() -> None:
    """Else the rounds above would say nothing about a pool that could run dry: seventeen share eight."""
    assert connection.settings_dict["OPTIONS"]["pool"]["max_size"] == 8


def test_without_the_lock_these_rounds_fail(make_patch: MakePatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof that the rounds above can fail: take the row lock away and some caller gets something else than 409,
    or the timer and a person, who then write in different orders, wait for each other.

    The guarded UPDATE and the constraints still keep the books whole, so the last line holds even then.
    """
    crowd = sixteen_reviewers()
    monkeypatch.setattr(reviews, "lock_decision", unlocked)
    with pytest.raises((AssertionError, OperationalError), match="409|deadlock detected"):
        several_rounds(crowd, make_patch)
    assert_settled()


def several_rounds(crowd: list[Member], make_patch: MakePatch) -> None:
    for _ in range(20):
        play(crowd, make_patch(severity="low"), CHANNELS["mixed"], timer_late=0.2)


def unlocked(decision_id: UUID) -> Decision:
    return Decision.objects.select_related("patch__producer", "policy_version__policy").get(decision_id=decision_id)


def play(
    crowd: list[Member], decision: Decision, acts: list[Act], people_late: float = 0.0, timer_late: float = 0.0
) -> str:
    """Let everybody decide at once, assert what must hold, and return who won: human or timer."""

    def person(number: int, member: Member) -> Told:
        return acts[number % len(acts)](member, decision, VERDICTS[number % len(VERDICTS)])

    def timer() -> int:
        return timers.expire_due(timezone.now() + TIMER_OVERTAKES)

    people = [after(people_late, partial(person, number, member)) for number, member in enumerate(crowd)]
    *told, expired = at_once(*people, after(timer_late, timer))
    row = Decision.objects.get(pk=decision.pk)
    won = [answer for answer in told if isinstance(answer, Told) and answer.code in {200, 302}]
    lost = [answer for answer in told if isinstance(answer, Told) and answer.code not in {200, 302}]
    assert {answer.code for answer in lost} == {409}, f"not 409 but {[answer.code for answer in lost]}: {lost[0].text}"
    assert len(won) + int(str(expired)) == 1, "not exactly one of 409 callers and the timer won"
    for answer in lost:
        assert names(answer, row), answer.text
    assert Review.objects.filter(decision=row).count() == len(won)
    refused = Entry.objects.filter(type="decision.refused", object_id=str(row.decision_id))
    assert refused.count() == len(lost), "a refusal without its entry"
    return row.decided_by_kind


def names(answer: Told, row: Decision) -> bool:
    """Tell whether the loser reads what was decided and by whom: in `current`, or in the sentence on the page."""
    sentence = f"{Status(row.status).label} by {row.decided_by}"
    return answer.status in {row.status, ""} and sentence.casefold() in answer.text.casefold()
