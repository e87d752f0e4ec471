"""Every rule of `policy/rules.py` on the gate's channel: one that the gate's address misses fails here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from approvals.models import Channel, Decision, Displayed, Review, Status, User, Verdict
from approvals.policy import rules
from approvals.services import absence, reviews
from tests.cast import Api, actor_for, republish

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Attempt:
    """What makes one rule speak: the gate asked for, who approves it and how, and what they are told."""

    status: int
    words: str
    gate: dict[str, Any] = field(default_factory=dict)
    by: str = "alice"
    digest: str = ""
    token: bool = False
    bulk: bool = False
    before: Callable[[Decision, Callable[..., Decision], Any], object] | None = None
    priority: int | None = None


def decided_by(name: str) -> Callable[[Decision, Callable[..., Decision], Any], object]:
    return lambda decision, approve, people: approve(decision, people[name])


def policy_says(**terms: Any) -> Callable[[Decision, Callable[..., Decision], Any], object]:
    """Put other terms under the decision's policy, as if it had come under them."""

    def change(decision: Decision, approve: Callable[..., Decision], people: Any) -> None:
        version = republish(decision.policy_version.policy, **terms)
        # The database lets a pending decision go to another version with a higher priority only.
        Decision.objects.filter(pk=decision.pk).update(policy_version=version, priority=F("priority") + 1)

    return change


def stands_in(decision: Decision, approve: Callable[..., Decision], people: Any) -> None:
    now = timezone.now()
    absence.delegate(
        people["bob"],
        people["alice"],
        starts_at=now,
        ends_at=now + timedelta(days=1),
        reason="Leave.",
        actor=actor_for(people["bob"]),
        now=now,
    )


def held(decision: Decision, approve: Callable[..., Decision], people: Any) -> None:
    User.objects.filter(pk=people["alice"].pk).update(held_since=timezone.now(), held_for=["one-time link"])


NOT_ASKED_HERE = {"not_standing_in", "not_eligible_in_own_right", "step_up", "critical_in_chat"}
"""Rules about in whose name somebody acts, when they gave their password and what is shown in a chat:
`test_channels.py`, `test_step_up.py`."""
ON_THE_PAGE = {"alone_off_the_page", "alone_in_anothers_name", "no_running_bypass", "bypass_of_a_party"}
"""Rules about a field that no endpoint here takes: `test_channels.py:test_no_endpoint_knows_a_bypass`."""

ATTEMPTS: dict[str, Attempt] = {
    "not_a_reviewer": Attempt(403, "Only reviewers", by="carol"),
    "not_its_owners_yet": Attempt(403, "decides nothing until", before=held),
    "not_a_decider": Attempt(
        403, "Only members of security-leads", before=policy_says(decider_groups=["security-leads"])
    ),
    "step_up_elsewhere": Attempt(403, "its page", before=policy_says(step_up=True)),
    "patch_of_the_absent": Attempt(403, "You stand in for Bob", gate={"triggered_by": "bob"}, before=stands_in),
    "not_on_the_list": Attempt(403, "Only the people this gate names", gate={"allowed_approvers": ["bob"]}),
    "own_patch": Attempt(403, "another person must approve", gate={"triggered_by": "alice+ci@example.org"}),
    "personal_token_on_critical": Attempt(403, "not with a personal token", token=True, priority=4),
    "critical_in_bulk": Attempt(403, "never in bulk", bulk=True, priority=4),
    "unopened": Attempt(403, "Open the patch first", bulk=True),
    "already_decided": Attempt(409, "Approved by bob", before=decided_by("bob")),
    "changed_since_seen": Attempt(409, "You decided on digest", digest="0" * 64),
    "out_of_time": Attempt(409, "The time to decide ended", gate={"timeout_ms": 1, "require_min_approvers": 2}),
    "already_reviewed": Attempt(
        409, "each person counts once", gate={"require_min_approvers": 2}, before=decided_by("alice")
    ),
}


def test_no_rule_is_left_out():
    assert {rule.__name__ for rule in rules.REVIEW} == set(ATTEMPTS) | NOT_ASKED_HERE | ON_THE_PAGE


@pytest.fixture
def people(alice, bob, carol):
    return {"alice": alice, "bob": bob, "carol": carol}


def prepared(attempt: Attempt, make_gate, approve, people):
    early = timezone.now() - timedelta(seconds=5)
    decision = make_gate(now=early, **attempt.gate)
    if attempt.priority:
        Decision.objects.filter(pk=decision.pk).update(priority=attempt.priority)
    if attempt.before:
        attempt.before(decision, approve, people)
    return decision


@pytest.mark.parametrize("name", ATTEMPTS)
def test_each_rule_refuses_at_the_gates_address(name, make_gate, approve, people, token_for):
    attempt = ATTEMPTS[name]
    decision = prepared(attempt, make_gate, approve, people)
    before = (Decision.objects.get().status, Review.objects.count())
    user = people[attempt.by]
    api = Api(token_for("personal", "mine", user=user)) if attempt.token else Api(user=user)
    sha256 = attempt.digest or decision.patch.sha256
    if attempt.bulk:
        items = [{"decision_id": str(decision.decision_id), "patch_sha256": sha256}]
        [answer] = api.post("/hitl/decisions/bulk", {"items": items, "verdict": "approve"}).json()
    else:
        answer = api.post(f"/api/approvals/{decision.decision_id}/approve", {"digest": sha256}).json()
    assert (answer["status"], attempt.words in answer["detail"]) == (attempt.status, True), answer
    assert (Decision.objects.get().status, Review.objects.count()) == before


@pytest.mark.parametrize("channel", [Channel.PAGE, Channel.CARD, Channel.BULK, Channel.API, Channel.CHAT])
def test_who_is_named_counts_on_every_channel(channel, make_gate, alice, bob):
    decision = make_gate(allowed_approvers=["bob@example.org"])
    alike = {Channel.API: Displayed.API, Channel.PAGE: Displayed.PAGE, Channel.CHAT: Displayed.CHAT}
    displayed = alike.get(channel, Displayed.CARD)

    def approve(user):
        reviews.open_page(decision.patch, user, timezone.now())
        return reviews.review(
            decision.decision_id,
            Verdict.APPROVE,
            user=user,
            actor=actor_for(user),
            seen=reviews.Seen(decision.patch.sha256, displayed, channel),
            now=timezone.now(),
        )

    with pytest.raises(reviews.NotAllowed, match="Only the people this gate names"):
        approve(alice)
    assert not Review.objects.exists()
    assert approve(bob).status == Status.APPROVED
