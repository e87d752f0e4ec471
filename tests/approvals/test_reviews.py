"""Verdicts: who may, when, what they change, what is written; nothing when refused."""

import csv
import io
import re

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse
from django.utils import timezone

from approvals.errors import Conflict, Invalid, NotAllowed
from approvals.models import Channel, Decision, PatchView, Review, Status, User, Verdict
from approvals.services import reviews
from approvals.services.lifecycle import cancel, escalate, revoke
from audit.models import Entry
from audit.queries import data_of
from tests.cast import actor_for

pytestmark = pytest.mark.django_db


def entries_of(decision):
    return list(Entry.objects.filter(object_id=str(decision.decision_id)).order_by("id").values_list("type", flat=True))


def test_one_approval_ends_a_medium_patch(make_patch, approve, alice):
    decision = make_patch(severity="medium")
    done = approve(decision, alice)
    assert done.status == Status.APPROVED
    stored = Decision.objects.get(pk=decision.pk)
    assert (stored.status, stored.decided_by, stored.channel) == ("approved", "alice", "page")
    assert entries_of(decision) == ["patch.submitted", "review.recorded", "decision.approved"]


def test_critical_needs_two_people_one_of_them_a_lead(make_patch, approve, alice, bob, lena):
    decision = make_patch(severity="critical")
    assert approve(decision, alice).status == Status.PENDING
    assert approve(decision, bob).status == Status.PENDING
    done = approve(decision, lena)
    assert done.status == Status.APPROVED
    assert done.approvals == 3


def test_one_person_counts_once(make_patch, approve, alice):
    decision = make_patch(severity="critical")
    approve(decision, alice)
    with pytest.raises(Conflict, match="already recorded"):
        approve(decision, alice)
    assert Review.objects.count() == 1


def test_two_accounts_whose_addresses_differ_by_a_tag_are_one_person(make_patch, approve, alice, lena, bob):
    User.objects.filter(pk=lena.pk).update(email="alice+lead@example.org")
    decision = make_patch(severity="critical")
    approve(decision, alice)
    assert approve(decision, lena).approvals == 1
    assert approve(decision, bob).status == Status.APPROVED


def test_the_submitter_cannot_approve_but_can_reject(make_patch, approve, alice):
    decision = make_patch(submitted_by="Alice@Example.org")
    with pytest.raises(NotAllowed, match="You submitted this patch"):
        approve(decision, alice)
    assert approve(decision, alice, Verdict.REJECT).status == Status.REJECTED


@pytest.mark.parametrize("email", ["alice+lead@example.org", "al@example.org"])
def test_the_submitter_cannot_approve_with_another_account_of_theirs(make_patch, approve, sign_in, alice, lena, email):
    User.objects.filter(pk=lena.pk).update(email=email)
    EmailAddress.objects.create(user=alice, email="al@example.org", verified=True)
    lead = User.objects.get(pk=lena.pk)
    decision = make_patch(submitted_by="alice")
    page = sign_in(lead).get(reverse("patch-detail", args=[decision.decision_id])).content.decode()
    assert "You submitted this patch, so another person must approve it." in page
    with pytest.raises(NotAllowed, match="You submitted this patch"):
        approve(decision, lead)
    assert approve(make_patch(submitted_by="bob"), lead).status == Status.APPROVED


def test_a_viewer_decides_nothing(make_patch, approve, carol):
    decision = make_patch()
    with pytest.raises(NotAllowed, match="Only reviewers"):
        approve(decision, carol)
    assert Decision.objects.get(pk=decision.pk).status == Status.PENDING
    assert not Review.objects.exists()
    assert entries_of(decision) == ["patch.submitted", "decision.refused"]  # the attempt is seen, nothing else


def test_another_digest_than_the_present_one_is_a_conflict(make_patch, approve, alice):
    decision = make_patch()
    with pytest.raises(Conflict, match="Nothing was changed"):
        approve(decision, alice, sha256="0" * 64)
    assert not Review.objects.exists()


def test_the_loser_is_told_who_decided_what(make_patch, approve, alice, bob):
    decision = make_patch()
    approve(decision, alice, Verdict.REJECT)
    with pytest.raises(Conflict, match="Rejected by alice") as error:
        approve(decision, bob)
    assert error.value.current["status"] == "rejected"
    assert error.value.current["decided_by"] == "alice"


def test_a_rejection_needs_words_and_a_category(make_patch, approve, alice):
    decision = make_patch()
    with pytest.raises(Invalid):
        approve(decision, alice, Verdict.REJECT, text="  ")
    with pytest.raises(Invalid):
        approve(decision, alice, Verdict.REJECT, category="")


def test_an_approval_by_somebody_who_left_the_reviewers_counts_no_longer(make_patch, approve, alice, bob, lena):
    decision = make_patch(severity="critical")
    approve(decision, alice)
    alice.groups.clear()
    assert approve(decision, lena).status == Status.PENDING
    done = approve(decision, bob)
    assert (done.status, done.approvals) == (Status.APPROVED, 2)


def withdraw(decision, user):
    return reviews.withdraw(
        decision.decision_id, "I looked at the wrong file.", user=user, actor=actor_for(user), now=timezone.now()
    )


def test_a_person_withdraws_their_own_review_while_it_waits(make_patch, approve, alice, lena):
    decision = make_patch(severity="critical")
    approve(decision, alice)
    assert withdraw(decision, alice).approvals == 0
    assert approve(decision, lena).status == Status.PENDING
    assert approve(decision, alice).status == Status.APPROVED  # and may review again
    assert "review.withdrawn" in entries_of(decision)


def test_a_review_of_a_decided_patch_stands(make_patch, approve, alice):
    decision = make_patch()
    approve(decision, alice)
    with pytest.raises(Conflict, match="stand"):
        withdraw(decision, alice)


def test_nobody_withdraws_what_they_did_not_give(make_patch, approve, alice, bob):
    decision = make_patch(severity="critical")
    approve(decision, alice)
    with pytest.raises(Conflict, match="no review here"):
        withdraw(decision, bob)
    assert Review.objects.get().withdrawn_at is None


def test_a_revoked_decision_names_who_revoked_it_everywhere(make_patch, approve, sign_in, alice, bob, lena):
    decision = make_patch()
    approve(decision, alice)
    revoke(decision.decision_id, "It broke the login.", user=lena, actor=actor_for(lena), now=timezone.now())
    with pytest.raises(Conflict) as late:
        approve(decision, bob)
    assert late.value.detail.startswith("Revoked by lena at ")
    assert late.value.current["decided_by"] == "lena"
    page = sign_in(bob).get(reverse("patch-detail", args=[decision.decision_id])).content.decode()
    shown = re.sub(r"<[^>]+>|\s+", " ", page)
    assert re.search(r"Approved by +Alice", shown)
    assert re.search(r"Revoked by +Lena", shown)
    rows = list(csv.DictReader(io.StringIO(b"".join(sign_in(bob).get(reverse("history-csv"))).decode())))
    assert [(row["status"], row["decided_by"], row["revoked_by"]) for row in rows] == [("revoked", "alice", "lena")]


@pytest.mark.parametrize("attempt", ["approve", "withdraw", "cancel", "escalate", "revoke"])
def test_every_refusal_is_an_entry_and_changes_nothing_else(make_patch, approve, alice, carol, attempt):
    decision = make_patch(severity="critical")
    approve(decision, alice)
    now, acting = timezone.now(), {"user": carol, "actor": actor_for(carol)}
    tries = {
        "approve": lambda: approve(decision, alice),  # a second time
        "withdraw": lambda: reviews.withdraw(decision.decision_id, "Mine.", now=now, **acting),
        "cancel": lambda: cancel(decision.decision_id, "Off.", now=now, channel=Channel.PAGE, **acting),
        "escalate": lambda: escalate(decision.decision_id, "Up.", now=now, **acting),
        "revoke": lambda: revoke(decision.decision_id, "Back.", now=now, **acting),
    }
    before = entries_of(decision)
    with pytest.raises((NotAllowed, Conflict)) as refused:
        tries[attempt]()
    assert entries_of(decision) == [*before, "decision.refused"]
    data = data_of(Entry.objects.latest("id"))
    assert (data["attempt"], data["why"]) == (attempt, refused.value.detail)
    assert Decision.objects.get(pk=decision.pk).status == Status.PENDING


def test_a_stale_digest_is_refused_on_record(make_patch, approve, alice):
    decision = make_patch()
    with pytest.raises(Conflict):
        approve(decision, alice, sha256="0" * 64)
    assert entries_of(decision) == ["patch.submitted", "decision.refused"]


def test_a_head_of_the_page_is_no_look_at_it(sign_in, alice, make_patch):
    decision, client = make_patch(), sign_in(alice)
    address = reverse("patch-detail", args=[decision.decision_id])
    assert client.head(address).status_code == 200
    assert not PatchView.objects.exists()
    client.get(address)
    assert PatchView.objects.count() == 1
