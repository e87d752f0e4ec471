"""Two or three acts on the same patch at the same moment: each pair has few lawful endings, and only those happen."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from approvals.models import Decision, Patch, Priority, Producer, Review, Revocation, Status
from approvals.services import timers
from approvals.services.kev import import_catalogue
from audit.models import Entry
from tests.cast import DIFF, SYSTEM, Api, document, proved

from .crowd import Member, Told, assert_settled, member
from .together import Handicap, after, at_once

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MakePatch = Callable[..., Decision]
TokenFor = Callable[..., str]
ROUNDS = 15
OTHER_DIFF = DIFF.replace("select %s", "select ?")


@pytest.mark.usefixtures("critical_anywhere")
def test_two_people_complete_a_critical_quorum_at_once(make_patch: MakePatch) -> None:
    reviewer, lead = member("alice", "reviewer"), member("lena", "security-leads")
    for _ in range(ROUNDS):
        decision = make_patch(severity="critical")
        told = at_once(*[partial(who.by_api, decision, "approve") for who in (reviewer, lead)])
        assert [answer.code for answer in told] == [200, 200]
        assert sorted(answer.status for answer in told) == ["approved", "pending"]  # the second completes it
        row = Decision.objects.get(pk=decision.pk)
        assert (row.status, row.approvals) == (Status.APPROVED, 2)
        assert_settled()


def test_two_people_complete_it_on_its_page_as_shipped(make_patch: MakePatch) -> None:
    pair = member("alice", "reviewer"), member("lena", "security-leads")
    for who in pair:
        proved(who.client)
    for _ in range(ROUNDS):
        decision = make_patch(severity="critical")
        told = at_once(*[partial(who.on_page, decision, "approve") for who in pair])
        assert [answer.code for answer in told] == [302, 302]
        row = Decision.objects.get(pk=decision.pk)
        assert (row.status, row.approvals) == (Status.APPROVED, 2)
        assert_settled()


@pytest.mark.usefixtures("critical_anywhere")
def test_a_third_approval_is_counted_or_refused_but_never_lost(make_patch: MakePatch) -> None:
    people = [member("alice", "reviewer"), member("bob", "reviewer"), member("lena", "security-leads")]
    for _ in range(ROUNDS):
        decision = make_patch(severity="critical")
        told = at_once(*[partial(who.by_api, decision, "approve") for who in people])
        given = sum(answer.code == 200 for answer in told)
        assert all(answer.code == 200 or answer.status == "approved" for answer in told), told
        row = Decision.objects.get(pk=decision.pk)
        assert (row.status, row.approvals) == (Status.APPROVED, given)
        assert Review.objects.filter(decision=row).count() == given
        assert_settled()


@pytest.mark.usefixtures("critical_anywhere")
def test_one_person_in_two_tabs_counts_once(make_patch: MakePatch) -> None:
    alice = member("alice", "reviewer")
    for _ in range(ROUNDS):
        decision = make_patch(severity="critical")
        told = at_once(*[partial(act, decision, "approve") for act in (alice.by_api, alice.on_page, alice.by_api)])
        assert Counter(answer.code in {200, 302} for answer in told) == {True: 1, False: 2}
        assert {answer.code for answer in told} <= {200, 302, 409}
        assert Decision.objects.get(pk=decision.pk).approvals == 1
        assert_settled()


def test_a_new_revision_and_an_approval_at_once(make_patch: MakePatch, token_for: TokenFor) -> None:
    """The approval stands on the digest that was seen, or it loses; it never moves to the new content."""
    alice, producer = member("alice", "reviewer"), Api(token_for())
    race = Handicap()
    for number in race.rounds(ROUNDS):
        old = make_patch(patch_id=f"P-{number}", severity="medium")
        newer = document(patch_id=f"P-{number}", severity="medium", cve_id=old.patch.cve_id, diff=OTHER_DIFF)
        told, taken = at_once(
            after(race.of("approved"), partial(alice.by_api, old, "approve")),
            after(race.of("superseded"), partial(posted, producer, newer)),
        )
        assert taken.code == 201
        row = Decision.objects.get(pk=old.pk)
        assert (told.code, row.status) in {(200, "approved"), (409, "superseded")}
        race.won(row.status, "approved" if row.status == "superseded" else "superseded")
        assert told.status == row.status
        new = Decision.objects.get(patch__patch_id=f"P-{number}", patch__revision=2)
        assert (new.status, new.approvals, new.reviews.count()) == (Status.PENDING, 0, 0)
        assert_settled()


def test_the_same_document_posted_twice_at_once_is_one_patch(token_for: TokenFor) -> None:
    callers = [Api(token_for()) for _ in range(4)]
    for number in range(ROUNDS):
        sent = document(patch_id=f"P-{number}", cve_id=f"CVE-2024-{number:04}")
        told = at_once(*[partial(posted, caller, sent) for caller in callers])
        assert sorted(answer.code for answer in told) == [200, 200, 200, 201]
        assert len({answer.text for answer in told}) == 1  # the same decision, revision and status for everybody
        assert Patch.objects.filter(patch_id=f"P-{number}").count() == 1
        assert_settled()


def test_different_content_for_one_patch_id_becomes_consecutive_revisions(token_for: TokenFor) -> None:
    callers = [Api(token_for()) for _ in range(4)]
    for number in range(ROUNDS):
        sent = [document(patch_id=f"P-{number}", title=f"Attempt {attempt}") for attempt in range(4)]
        told = at_once(*[partial(posted, *pair) for pair in zip(callers, sent, strict=True)])
        assert [answer.code for answer in told] == [201] * 4
        rows = Decision.objects.filter(patch__patch_id=f"P-{number}").order_by("patch__revision")
        assert [row.status for row in rows] == [Status.SUPERSEDED] * 3 + [Status.PENDING]
        assert_settled()


@pytest.mark.parametrize(("names", "codes"), [(("patchgen", "patchgen"), [201, 422]), (("one", "two"), [201, 201])])
def test_an_alias_at_once_is_given_once_a_producer(token_for: TokenFor, names: list[str], codes: list[int]) -> None:
    callers = [Api(token_for("producer", name)) for name in names]
    for number in range(ROUNDS):
        sent = [document(patch_id=f"P-{number}-{one}", decision_id=f"alias-{number}") for one in range(2)]
        told = at_once(*[partial(posted, *pair) for pair in zip(callers, sent, strict=True)])
        assert sorted(answer.code for answer in told) == codes, told
        assert_settled()


def test_two_workers_expire_the_same_decisions_once(make_patch: MakePatch) -> None:
    for _ in range(3):
        due = [make_patch().pk for _ in range(12)]
        later = timezone.now() + timedelta(days=30)
        ended = at_once(*[partial(timers.expire_due, later)] * 3)
        assert sum(ended) == len(due)  # each by exactly one of them
        assert set(Decision.objects.filter(pk__in=due).values_list("status", flat=True)) == {Status.EXPIRED}
        assert_settled()


def test_cancel_and_approve_at_once(make_patch: MakePatch, token_for: TokenFor, producer: Producer) -> None:
    alice, owner = member("alice", "reviewer"), Api(token_for())
    for _ in range(ROUNDS):
        decision = make_patch()
        told = at_once(partial(alice.by_api, decision, "approve"), partial(ask, owner, "cancel", decision))
        assert sorted(answer.code for answer in told) == [200, 409]
        status = Decision.objects.get(pk=decision.pk).status
        assert status in {Status.APPROVED, Status.CANCELLED}
        assert {answer.status for answer in told} == {status}  # winner and loser read the same
        assert_settled()


def test_two_leads_revoke_at_once(make_patch: MakePatch, approve: Callable[..., Decision]) -> None:
    leads = [member("lena", "security-leads"), member("leo", "security-leads")]
    for _ in range(ROUNDS):
        decision = make_patch()
        approve(decision, leads[0].user)
        told = at_once(*[partial(ask, of_member(lead), "revoke", decision) for lead in leads])
        assert sorted(answer.code for answer in told) == [200, 409]
        assert Revocation.objects.filter(decision=decision).count() == 1
        assert Entry.objects.filter(type="decision.revoked", object_id=str(decision.decision_id)).count() == 1
        assert_settled()


def test_a_late_vote_and_the_timer_agree_on_the_clock(make_patch: MakePatch, approve: Callable[..., Decision]) -> None:
    """Past the expiry a person is refused by the clock even where the timer has not come by yet."""
    alice = member("alice", "reviewer")
    for _ in range(ROUNDS):
        decision = make_patch(now=timezone.now() - timedelta(days=30))
        now: datetime = timezone.now()
        told, _ = at_once(partial(alice.by_api, decision, "approve"), partial(expire, now))
        assert told.code == 409
        assert Decision.objects.get(pk=decision.pk).status == Status.EXPIRED or timers.expire_due(now) == 1
        assert not Review.objects.filter(decision=decision).exists()
        assert_settled()


def posted(caller: Api, sent: dict[str, Any]) -> Told:
    answer = caller.post("/hitl/patches", sent)
    known = answer.json()
    return Told(answer.status_code, known.get("status", ""), f"{known.get('decision_id')} {known.get('revision')}")


def ask(caller: Api, act: str, decision: Decision) -> Told:
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256, "reason": "Not needed."}
    answer = caller.post(f"/hitl/patches/{decision.patch.patch_id}/{act}", body)
    document = answer.json()
    return Told(answer.status_code, (document.get("current") or document)["status"], answer.content.decode())


def of_member(one: Member) -> Api:
    return Api(user=one.user)


def expire(now: datetime) -> Told:
    return Told(timers.expire_due(now), "", "")


def test_the_catalogue_waits_for_a_decision_that_somebody_holds(make_patch: MakePatch) -> None:
    decision = make_patch(severity="high", cve_id="CVE-2024-0001")

    def hold() -> None:
        with transaction.atomic():
            Decision.objects.select_for_update().get(pk=decision.pk)
            time.sleep(0.6)

    def list_it() -> None:
        listed = {"cveID": "CVE-2024-0001", "vulnerabilityName": "x", "dateAdded": "2026-11-19"}
        import_catalogue({"vulnerabilities": [listed]}, actor=SYSTEM, now=timezone.now())

    at_once(hold, after(0.2, list_it))
    assert Decision.objects.get(pk=decision.pk).priority == Priority.CRITICAL
