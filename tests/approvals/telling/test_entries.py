"""Who is told what about the entries of the log: few people first, each once, nobody of what they did themselves."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from approvals.models import User, Verdict
from approvals.services import absence, bypasses, lifecycle, timers
from approvals.services.bypasses import Target
from approvals.services.dispatch import dispatch
from approvals.telling import entries
from notifications.models import Delivery, Item, Notice
from tests.cast import actor_for, person

pytestmark = pytest.mark.django_db
Told = Callable[..., dict[str, set[str]]]


@pytest.fixture
def told() -> Told:
    """Return a function that tells what the log has, and returns by kind who was told since the last call."""
    seen: set[int] = set()

    def tell(now: datetime | None = None) -> dict[str, set[str]]:
        while dispatch():
            pass
        while entries.tell(now or timezone.now()):
            pass
        found: dict[str, set[str]] = {}
        for item in Item.objects.select_related("person", "notice").exclude(pk__in=seen):
            seen.add(item.pk)
            found.setdefault(item.notice.kind, set()).add(item.person.username)
        return found

    return tell


@pytest.fixture
def reviewers(db: None) -> list[User]:
    return [person(f"r{number}", "reviewer") for number in range(8)]


def test_few_people_are_told_first_and_the_next_patch_tells_the_next_ones(
    make_patch: Any, reviewers: list[User], told: Told
) -> None:
    make_patch()
    first = told()["decision_required"]
    make_patch()
    second = told()["decision_required"]
    assert len(first) == len(second) == 3
    assert not first & second
    assert Delivery.objects.filter(channel="mail").count() == 6


def test_each_entry_is_told_once_and_says_what_and_why(make_patch: Any, alice: User, told: Told) -> None:
    decision = make_patch(severity="high", title="Bind the name")
    told()
    assert told() == {}
    item = Item.objects.select_related("notice").get()
    assert item.why == "you are one of those who can decide it"
    facts = item.notice.facts
    assert facts["headline"] == "High: CVE-2024-0001 flask waits for a decision"
    assert facts["link"] == f"/patches/{decision.decision_id}"
    assert (facts["title"], facts["patch_id"], facts["required_approvals"]) == ("Bind the name", "PATCH-0001", 1)


def test_who_submitted_it_is_not_asked_to_decide_it(make_patch: Any, alice: User, bob: User, told: Told) -> None:
    make_patch(submitted_by="alice@example.org")
    assert told() == {"decision_required": {"bob"}}


def test_a_critical_patch_tells_one_more_than_it_needs_and_its_group_first(
    make_patch: Any, reviewers: list[User], lena: User, told: Told
) -> None:
    make_patch(severity="critical")
    asked = told()["decision_required"]
    assert "lena" in asked
    assert len(asked) == 3
    notice = Notice.objects.get()
    assert notice.critical
    assert Item.objects.get(person=lena).why == "it needs somebody of security-leads"


def test_who_stands_in_is_told_in_place_of_who_is_away(
    make_patch: Any, alice: User, bob: User, carol: User, told: Told
) -> None:
    now = timezone.now()
    days = now - timedelta(minutes=1), now + timedelta(days=3)
    absence.delegate(alice, bob, *days, "On holiday.", actor=actor_for(alice), now=now)
    assert told() == {"stand_in": {"bob"}}
    make_patch()
    assert told() == {"decision_required": {"bob"}}


def test_a_reminder_tells_those_asked_who_still_can_and_the_next_ones(
    make_patch: Any, reviewers: list[User], told: Told
) -> None:
    decision = make_patch(severity="high")
    first = told()["decision_required"]
    gone = User.objects.get(username=min(first))
    gone.groups.clear()
    later = decision.created_at + timedelta(hours=12, minutes=1)
    timers.remind_due(later)
    reminded = told(later)["reminder"]
    assert reminded >= first - {gone.username}
    assert gone.username not in reminded
    assert len(reminded) == 5


def test_a_decision_is_told_to_its_people_and_reviewers_but_not_to_who_made_it(
    make_patch: Any, alice: User, bob: User, carol: User, approve: Any, told: Told
) -> None:
    decision = make_patch(submitted_by="carol@example.org")
    told()
    approve(decision, alice)
    assert told() == {"decided": {"carol"}}
    notice = Notice.objects.get(kind="decided")
    assert (notice.facts["headline"], notice.facts["by"]) == ("Medium: CVE-2024-0001 flask was approved", "alice")
    assert Notice.objects.get(kind="decision_required").settled_at
    assert set(Delivery.objects.filter(notice__kind="decision_required").values_list("state", flat=True)) == {"dropped"}


def test_changes_requested_are_told_to_the_people_of_the_patch(
    make_patch: Any, alice: User, carol: User, approve: Any, told: Told
) -> None:
    decision = make_patch(triggered_by="carol@example.org")
    told()
    approve(decision, alice, Verdict.REQUEST_CHANGES)
    assert told() == {"changes_requested": {"carol"}}


def test_whose_approval_fell_with_a_new_revision_is_told(
    make_patch: Any, alice: User, lena: User, approve: Any, told: Told
) -> None:
    first = make_patch(severity="critical", patch_id="P-1")
    told()
    approve(first, alice)
    second = make_patch(severity="critical", patch_id="P-1", title="Another")
    assert told()["approvals_fell"] == {"alice"}
    assert Notice.objects.get(kind="approvals_fell").facts["link"] == f"/patches/{second.decision_id}"


def test_an_expiry_is_told_to_those_who_were_asked(make_patch: Any, alice: User, told: Told) -> None:
    decision = make_patch(severity="high")
    told()
    later = decision.expire_at + timedelta(minutes=1)
    timers.expire_due(later)
    assert told(later) == {"expired": {"alice"}}


def test_an_escalation_is_told_to_the_leads_who_can_decide(
    make_patch: Any, alice: User, lena: User, told: Told
) -> None:
    decision = make_patch()
    told()
    lifecycle.escalate(decision.decision_id, "Nobody looks.", user=alice, actor=actor_for(alice), now=timezone.now())
    assert told() == {"escalated": {"lena"}}


def test_a_revocation_is_told_to_who_had_approved(
    make_patch: Any, alice: User, lena: User, approve: Any, told: Told
) -> None:
    decision = make_patch()
    approve(decision, alice)
    told()
    lifecycle.revoke(decision.decision_id, "It broke.", user=lena, actor=actor_for(lena), now=timezone.now())
    assert told() == {"revoked": {"alice"}}


def test_a_bypass_is_told_to_the_other_leads_and_its_holder(alice: User, lena: User, told: Told) -> None:
    luis, now = person("luis", "security-leads"), timezone.now()
    held = bypasses.ask(alice, Target(package_name="flask"), 600, "Now.", user=lena, actor=actor_for(lena), now=now)
    assert told() == {"second_person": {"luis"}}
    bypasses.grant(held.pk, user=luis, actor=actor_for(luis), now=now)
    assert told() == {"bypass_granted": {"lena", "alice"}}
    assert Notice.objects.get(kind="second_person").settled_at


def test_an_sla_that_ends_soon_is_told_once(make_patch: Any, alice: User, told: Told) -> None:
    decision = make_patch(severity="high")
    told()
    before, soon = decision.sla_warn_at - timedelta(seconds=1), decision.sla_warn_at + timedelta(seconds=1)
    assert entries.warn_due(before) == 0
    assert entries.warn_due(soon) == 1
    assert entries.warn_due(soon) == 0
    assert told() == {"urgent": {"alice"}}
    assert entries.warn_due(decision.sla_due_at + timedelta(seconds=1)) == 0


def test_what_was_decided_before_anybody_was_told_asks_nobody(
    make_patch: Any, alice: User, bob: User, approve: Any, told: Told
) -> None:
    approve(make_patch(), alice)
    assert told() == {}


def test_old_entries_are_told_to_nobody(make_patch: Any, alice: User, told: Told) -> None:
    make_patch()
    assert told(timezone.now() + timedelta(hours=25)) == {}
    assert entries.tell(timezone.now()) == 0


def test_an_entry_that_cannot_be_told_silences_no_other(
    make_patch: Any, alice: User, told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = make_patch(), make_patch()
    teller = entries.TELLERS["patch.submitted"]

    def tell(entry: Any, *more: Any) -> None:
        if entry.object_id == str(first.decision_id):
            raise ValueError("odd")
        teller(entry, *more)

    monkeypatch.setitem(entries.TELLERS, "patch.submitted", tell)
    with caplog.at_level(logging.ERROR):
        assert told() == {"decision_required": {"alice"}}
    assert Notice.objects.get().subject == str(second.decision_id)
    assert "Nobody was told of entry" in caplog.text


def test_a_gate_tells_whom_its_workflow_names(make_gate: Any, alice: User, carol: User, told: Told) -> None:
    make_gate(notify_users=["carol"])
    assert told() == {"decision_required": {"alice", "carol"}}
    assert Notice.objects.get().facts["headline"] == "Medium: Deploy to production waits for a decision"


def test_telling_costs_a_fixed_number_of_statements(
    make_patch: Any, reviewers: list[User], django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        make_patch()
    dispatch()
    with django_assert_max_num_queries(75):
        entries.tell(timezone.now())
