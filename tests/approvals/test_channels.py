"""Every rule on every channel: page, card, API, bulk, workflow gate's address, and the timers. A channel that misses
one fails here, and so does a rule without a row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from approvals.models import Bypass, Decision, Delegation, Priority, Review, Status, Text
from approvals.policy import rules
from approvals.services import reviews, timers
from tests.cast import Api, republish

pytestmark = pytest.mark.django_db

CHANNELS = ("page", "card", "api", "bulk", "gate")
Ask = Callable[..., Any]


@dataclass(frozen=True)
class Row:
    """What makes one rule refuse an approval by alice, which channels can express it, and the answer there."""

    status: int
    words: str
    channels: tuple[str, ...] = CHANNELS
    arrange: Callable[[Decision, dict[str, Any]], object] = lambda decision, people: None
    by: str = "alice"
    sha256: str = ""
    opened: bool = True
    form: dict[str, Any] = field(default_factory=dict)


def terms(**changes: Any) -> Callable[[Decision, dict[str, Any]], None]:
    """Put other terms under the decision, as if it had come under them."""

    def change(decision: Decision, people: dict[str, Any]) -> None:
        version = republish(decision.policy_version.policy, **changes)
        Decision.objects.filter(pk=decision.pk).update(policy_version=version)

    return change


def columns(**changes: Any) -> Callable[[Decision, dict[str, Any]], None]:
    def change(decision: Decision, people: dict[str, Any]) -> None:
        Decision.objects.filter(pk=decision.pk).update(**changes)

    return change


def approved_by(name: str, **more: Any) -> Callable[[Decision, dict[str, Any]], None]:
    def give(decision: Decision, people: dict[str, Any]) -> None:
        columns(**more)(decision, people) if more else None
        people["approve"](decision, people[name])

    return give


def stands_in_for_the_submitter(decision: Decision, people: dict[str, Any]) -> None:
    """Let bob, who submitted it, be away; alice reviews in his name."""
    now, reason = timezone.now(), Text.objects.create(body="Leave.")
    until = now + timedelta(days=1)
    Delegation.objects.create(
        person=people["bob"], delegate=people["alice"], starts_at=now, ends_at=until, reason=reason, created_at=now
    )


def runs_for_alice(over: bool) -> Callable[[Decision, dict[str, Any]], None]:
    """Let alice hold a bypass that runs, or one whose time is over, and ask for two approvals."""

    def arrange(decision: Decision, people: dict[str, Any]) -> None:
        columns(required_approvals=2)(decision, people)
        at = timezone.now() - timedelta(hours=2 if over else 0)
        asked = {"asked_by": people["bob"], "asked_at": at, "reason": Text.objects.create(body="Now.")}
        held = Bypass.objects.create(pk=BYPASS, holder=people["alice"], decision=decision, seconds=3600, **asked)
        until = {"decided_at": at, "ends_at": at + timedelta(hours=1)}
        Bypass.objects.filter(pk=held.pk).update(state="granted", decided_by=people["lena"], **until)

    return arrange


BYPASS = 77
ROWS: dict[str, Row] = {
    "not_a_reviewer": Row(403, "Only reviewers", by="carol"),
    "not_a_decider": Row(403, "Only members of", arrange=terms(decider_groups=["security-leads"])),
    "own_patch": Row(403, "another person must approve", by="bob"),
    "patch_of_the_absent": Row(403, "You stand in for Bob", arrange=stands_in_for_the_submitter),
    "step_up_elsewhere": Row(403, "on its page", ("card", "api", "bulk", "gate"), terms(step_up=True)),
    "critical_in_bulk": Row(403, "never in bulk", ("bulk",), columns(priority=Priority.CRITICAL)),
    "unopened": Row(403, "Open the patch first", ("card", "bulk"), opened=False),
    "alone_off_the_page": Row(403, "page only", ("card",), runs_for_alice(over=False), form={"bypass": BYPASS}),
    "no_running_bypass": Row(403, "bypass ended at", ("page",), runs_for_alice(over=True), form={"bypass": BYPASS}),
    "already_decided": Row(409, "Approved by lena", arrange=approved_by("lena")),
    "changed_since_seen": Row(409, "You decided on digest", sha256="0" * 64),
    "out_of_time": Row(409, "The time to decide ended", arrange=columns(expire_at=timezone.now() - timedelta(hours=1))),
    "already_reviewed": Row(409, "each person counts once", arrange=approved_by("alice", required_approvals=2)),
}
ELSEWHERE = {
    "not_on_the_list": "api/test_gate_rules.py: only gates name people",
    "personal_token_on_critical": "api/test_acting.py: only a personal token",
    "step_up": "accounts/test_step_up.py: only the page leads to the password",
    "alone_in_anothers_name": "policy/test_bypass.py: only the page asks in whose name",
    "not_standing_in": "test_absence.py: only the page asks in whose name",
    "not_eligible_in_own_right": "test_absence.py: only the page asks in whose name",
}


def test_every_rule_has_a_row_or_a_test_that_is_named():
    assert {rule.__name__ for rule in rules.REVIEW} == ROWS.keys() | ELSEWHERE.keys()
    assert {channel for row in ROWS.values() for channel in row.channels} == set(CHANNELS)


@pytest.fixture
def people(alice, bob, carol, lena, approve):
    return {"alice": alice, "bob": bob, "carol": carol, "lena": lena, "approve": approve}


@pytest.fixture
def ask(sign_in) -> Ask:
    """Return a function that tries to approve on a channel and returns the status and what the person reads."""

    def try_to(channel: str, decision: Decision, user: Any, sha256: str, **more: Any) -> tuple[int, str]:
        named = {"decision_id": str(decision.decision_id), "patch_sha256": sha256}
        if channel in {"page", "card"}:
            form = {"verdict": "approve", "patch_sha256": sha256, "displayed": channel, **more}
            answer = sign_in(user).post(f"/patches/{decision.decision_id}/decide", form)
            return answer.status_code, answer.content.decode()
        if channel == "gate":
            answer = Api(user=user).post(f"/api/approvals/{decision.decision_id}/approve", {"digest": sha256})
        elif channel == "api":
            answer = Api(user=user).post(f"/hitl/patches/{decision.patch.patch_id}/approve", named)
        else:
            answer = Api(user=user).post("/hitl/decisions/bulk", {"items": [named], "verdict": "approve"})
            if answer.status_code == 200:
                [line] = answer.json()
                return line["status"], line["detail"]
        return answer.status_code, answer.json()["detail"]

    return try_to


@pytest.mark.parametrize(
    ("name", "channel"), [(name, channel) for name, row in ROWS.items() for channel in row.channels]
)
def test_each_rule_refuses_on_each_channel(name, channel, people, make_patch, make_gate, ask):
    row = ROWS[name]
    decision = make_gate(submitted_by="bob") if channel == "gate" else make_patch(submitted_by="bob")
    if row.opened:
        reviews.open_page(decision.patch, people[row.by], timezone.now())
    row.arrange(decision, people)
    before = (Decision.objects.get().status, Review.objects.count())
    status, said = ask(channel, decision, people[row.by], row.sha256 or decision.patch.sha256, **row.form)
    assert (status, row.words.lower() in said.lower()) == (row.status, True), said[-600:]
    assert (Decision.objects.get().status, Review.objects.count()) == before


@pytest.mark.parametrize("channel", ["api", "gate", "bulk"])
def test_no_endpoint_knows_a_bypass(channel, people, make_patch, make_gate):
    """The rule has no row there: the field itself is refused."""
    decision = make_gate() if channel == "gate" else make_patch()
    runs_for_alice(over=False)(decision, people)
    named = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
    path, body = {
        "api": (f"/hitl/patches/{decision.patch.patch_id}/approve", named | {"bypass": BYPASS}),
        "gate": (f"/api/approvals/{decision.decision_id}/approve", {"digest": named["patch_sha256"], "bypass": BYPASS}),
        "bulk": ("/hitl/decisions/bulk", {"items": [named | {"bypass": BYPASS}], "verdict": "approve"}),
    }[channel]
    assert Api(user=people["alice"]).post(path, body).status_code == 422
    assert Decision.objects.get().status == Status.PENDING


@pytest.mark.parametrize(
    "changes",
    [{"severity": "medium"}, {"severity": "low", "kev": True}, {"severity": "low", "requires_manual_review": True}],
)
def test_no_timer_approves_what_its_policy_may_not(changes, make_patch):
    decision = make_patch(**changes)
    columns(expire_action="approve", expire_at=timezone.now() - timedelta(minutes=1))(decision, {})
    timers.expire_due(timezone.now())
    assert Decision.objects.get().status == Status.EXPIRED
