"""Every rule on every channel: page, card, API, bulk, workflow gate's address, chat, and the timers. A channel that
misses one fails here, and so does a rule without a row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from approvals.models import Bypass, Decision, Delegation, Policy, Priority, Review, Status, Text, User, Verdict
from approvals.policy import rules
from approvals.queries.queue import who_can
from approvals.services import reviews, timers
from approvals.views.slack_dialogs import CALLBACK, Opened
from notifications.models import Hours
from tests.cast import Api, one_person_enough, republish
from tests.notifications.fake_slack import SECRET, Phone, words

pytestmark = pytest.mark.django_db

IN_NAMES = ("page", "card", "api", "bulk", "gate")
"""Channels by which somebody may review for an absent person."""
CHANNELS = (*IN_NAMES, "chat")
TITLES = {"Done": 200, "Not allowed": 403, "Conflict": 409}
"""What a dialog of a chat is called that says what came of a verdict."""
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
    in_name_of: str = ""
    form: dict[str, Any] = field(default_factory=dict)


def terms(**changes: Any) -> Callable[[Decision, dict[str, Any]], None]:
    """Put other terms under the decision, as if it had come under them."""

    def change(decision: Decision, people: dict[str, Any]) -> None:
        version = republish(decision.policy_version.policy, **changes)
        # The database lets a pending decision go to another version with a higher priority only.
        Decision.objects.filter(pk=decision.pk).update(policy_version=version, priority=F("priority") + 1)

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


def stands_in_for(name: str, **more: Any) -> Callable[[Decision, dict[str, Any]], None]:
    """Let this person be away; alice reviews in their name."""

    def hand_over(decision: Decision, people: dict[str, Any]) -> None:
        columns(**more)(decision, people) if more else None
        now, reason = timezone.now(), Text.objects.create(body="Leave.")
        until = now + timedelta(days=1)
        Delegation.objects.create(
            person=people[name], delegate=people["alice"], starts_at=now, ends_at=until, reason=reason, created_at=now
        )

    return hand_over


def runs_for_alice(over: bool, granter: str = "lena") -> Callable[[Decision, dict[str, Any]], None]:
    """Let alice hold a bypass that runs, or one whose time is over, and ask for two approvals."""

    def arrange(decision: Decision, people: dict[str, Any]) -> None:
        columns(required_approvals=2)(decision, people)
        at = timezone.now() - timedelta(hours=2 if over else 0)
        asked = {"asked_by": people["carol"], "asked_at": at, "reason": Text.objects.create(body="Now.")}
        held = Bypass.objects.create(pk=BYPASS, holder=people["alice"], decision=decision, seconds=3600, **asked)
        until = {"decided_at": at, "ends_at": at + timedelta(hours=1)}
        Bypass.objects.filter(pk=held.pk).update(state="granted", decided_by=people[granter], **until)

    return arrange


def touched(name: str) -> Callable[[Decision, dict[str, Any]], None]:
    """Let an administrator have changed how this person signs in."""

    def hold(decision: Decision, people: dict[str, Any]) -> None:
        User.objects.filter(pk=people[name].pk).update(held_since=timezone.now(), held_for=["one-time link"])
        people[name].refresh_from_db()

    return hold


BYPASS = 77
ROWS: dict[str, Row] = {
    "not_a_reviewer": Row(403, "Only reviewers", by="carol"),
    "not_its_owners_yet": Row(403, "decides nothing until you have confirmed", arrange=touched("alice")),
    "not_a_decider": Row(403, "Only members of", arrange=terms(decider_groups=["security-leads"])),
    "own_patch": Row(403, "another person must approve", by="bob"),
    "patch_of_the_absent": Row(403, "You stand in for Bob", arrange=stands_in_for("bob")),
    "not_standing_in": Row(403, "You do not stand in for this person", IN_NAMES, in_name_of="lena"),
    "not_eligible_in_own_right": Row(
        403,
        "Lena is one of them and you are not",
        IN_NAMES,
        arrange=stands_in_for("lena", required_groups=["security-leads"]),
        in_name_of="lena",
    ),
    "step_up_elsewhere": Row(403, "on its page", ("card", "api", "bulk", "gate", "chat"), terms(step_up=True)),
    "critical_in_chat": Row(403, "not in a chat", ("chat",), columns(priority=Priority.CRITICAL)),
    "critical_in_bulk": Row(403, "never in bulk", ("bulk",), columns(priority=Priority.CRITICAL)),
    "unopened": Row(403, "Open the patch first", ("page", "card", "bulk", "chat"), opened=False),
    "alone_off_the_page": Row(403, "page only", ("card",), runs_for_alice(over=False), form={"bypass": BYPASS}),
    "no_running_bypass": Row(403, "bypass ended at", ("page",), runs_for_alice(over=True), form={"bypass": BYPASS}),
    "bypass_of_a_party": Row(
        403,
        "Bob, who granted this bypass, submitted this patch",
        ("page",),
        runs_for_alice(over=False, granter="bob"),
        form={"bypass": BYPASS},
    ),
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
}


def test_every_rule_has_a_row_or_a_test_that_is_named():
    assert {rule.__name__ for rule in rules.REVIEW} == ROWS.keys() | ELSEWHERE.keys()
    assert {channel for row in ROWS.values() for channel in row.channels} == set(CHANNELS)


ABOUT_THE_ACT = {
    "not_standing_in", "not_eligible_in_own_right", "step_up_elsewhere", "critical_in_chat", "critical_in_bulk",
    "unopened", "alone_off_the_page",
}  # fmt: skip
"""Rules of `WHO` on how somebody acts; they may approve otherwise, so lists name them."""
LISTED_ALL_THE_SAME = {"not_its_owners_yet", "patch_of_the_absent"}
"""What 'needs my approval' does not look at: the patch's page says it."""


@pytest.mark.parametrize(
    "name", [rule.__name__ for rule in rules.WHO if rule.__name__ not in ABOUT_THE_ACT | ELSEWHERE.keys()]
)
def test_whoever_may_not_approve_is_not_listed_as_if_they_could(name, people, make_patch, sign_in):
    """The lists look for people and patches in SQL and call no rule: `queries/queue.py`."""
    decision, row = make_patch(submitted_by="bob"), ROWS[name]
    person = people[row.by]
    row.arrange(decision, people)
    decision.refresh_from_db()
    assert person not in who_can(decision, timezone.now())
    listed = str(decision.decision_id) in sign_in(person).get("/?mine=on").content.decode()
    assert listed == (name in LISTED_ALL_THE_SAME)


@pytest.fixture
def people(alice, bob, carol, lena, approve):
    return {"alice": alice, "bob": bob, "carol": carol, "lena": lena, "approve": approve}


@pytest.fixture
def ask(sign_in, settings) -> Ask:
    """Return a function that tries to approve on a channel and returns the status and what the person reads."""

    def try_to(
        channel: str, decision: Decision, user: Any, sha256: str, absent: Any = None, **more: Any
    ) -> tuple[int, str]:
        named = {"decision_id": str(decision.decision_id), "patch_sha256": sha256}
        whose = {"in_name_of": absent.email.upper()} if absent else {}
        if channel in {"page", "card"}:
            form = {"verdict": "approve", "patch_sha256": sha256, "displayed": channel, **more}
            form |= {"in_name_of": absent.pk} if absent else {}
            answer = sign_in(user).post(f"/patches/{decision.decision_id}/decide", form)
            return answer.status_code, answer.content.decode()
        if channel == "chat":
            settings.SLACK_SIGNING_SECRET = SECRET
            Hours.objects.get_or_create(person=user, slack_id="U0ALICE", slack_home="T0HOME")
            shown = Opened(decision.decision_id, Verdict.APPROVE, sha256, timezone.now())
            view = Phone().submit({"callback_id": CALLBACK, "private_metadata": shown.kept()}).json()["view"]
            return TITLES[view["title"]["text"]], words(view)
        if channel == "gate":
            answer = Api(user=user).post(f"/api/approvals/{decision.decision_id}/approve", {"digest": sha256} | whose)
        elif channel == "api":
            answer = Api(user=user).post(f"/hitl/patches/{decision.patch.patch_id}/approve", named | whose)
        else:
            answer = Api(user=user).post("/hitl/decisions/bulk", {"items": [named], "verdict": "approve"} | whose)
            if answer.status_code == 200:
                [line] = answer.json()
                return line["status"], line.get("detail", "")
        return answer.status_code, answer.json().get("detail", "")

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
    absent, sha256 = people.get(row.in_name_of), row.sha256 or decision.patch.sha256
    status, said = ask(channel, decision, people[row.by], sha256, absent, **row.form)
    assert (status, row.words.lower() in said.lower()) == (row.status, True), said[-600:]
    assert (Decision.objects.get().status, Review.objects.count()) == before


@pytest.mark.parametrize("channel", IN_NAMES)
def test_a_review_in_somebodys_name_on_each_channel(channel, people, make_patch, make_gate, ask):
    decision = make_gate() if channel == "gate" else make_patch()
    reviews.open_page(decision.patch, people["alice"], timezone.now())
    stands_in_for("lena")(decision, people)
    status, said = ask(channel, decision, people["alice"], decision.patch.sha256, people["lena"])
    assert status in {200, 302}, said[-600:]
    given, decided = Review.objects.get(), Decision.objects.get()
    assert (given.reviewer.username, given.delegated_from.username) == ("alice", "lena")
    assert (decided.status, decided.decided_by) == (Status.APPROVED, "alice for lena")


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/hitl/patches/{patch_id}/reject", {"reason": "It misses a call."}, Status.REJECTED),
        ("/hitl/patches/{patch_id}/request-changes", {"reason": "Add a test."}, Status.CHANGES_REQUESTED),
        ("/hitl/decisions/bulk", {"verdict": "reject", "reason": "It misses a call."}, Status.REJECTED),
        ("/api/approvals/{id}/reject", {"reason": "Not on a Friday."}, Status.REJECTED),
    ],
)
def test_a_personal_token_refuses_in_somebodys_name(path, more, status, people, make_patch, make_gate, token_for):
    decision = make_gate() if path.startswith("/api") else make_patch()
    stands_in_for("lena")(decision, people)
    api = Api(token_for("personal", "laptop", people["alice"]))
    item = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
    seen = {"digest": decision.patch.sha256} if path.startswith("/api") else item
    body = ({"items": [item]} if path.endswith("bulk") else seen) | more
    address = path.format(patch_id=decision.patch.patch_id, id=decision.decision_id)
    for nobody in ("nobody", "bob@example.org"):  # the same sentence, so that it tells nothing of who has an account
        answer = api.post(address, body | {"in_name_of": nobody})
        said = answer.json()[0] if path.endswith("bulk") else answer.json()
        assert said["status"] == 403
        assert said["detail"] == "You do not stand in for this person at present; review in your own name."
    assert api.post(address, body | {"in_name_of": " "}).status_code == 422
    assert not Review.objects.exists()
    assert api.post(address, body | {"in_name_of": "LENA"}).status_code == 200
    assert Review.objects.get().delegated_from == people["lena"]
    assert Decision.objects.get().status == status


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
    for policy in Policy.objects.select_related("current"):  # as no service would publish them
        wrong = policy.current
        wrong.pk, wrong.version = None, wrong.version + 1
        wrong.expire_action, wrong.expire_after_seconds = "approve", 60
        wrong.save(force_insert=True)
        with one_person_enough():
            Policy.objects.filter(pk=policy.pk).update(current=wrong)
    assert make_patch(now=timezone.now() - timedelta(hours=1), **changes).expire_action == "approve"
    timers.expire_due(timezone.now())
    assert Decision.objects.get().status == Status.EXPIRED
