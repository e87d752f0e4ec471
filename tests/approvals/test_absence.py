"""Standing in for somebody: who may, for what, under which name, and until when."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from approvals.errors import Conflict, Invalid, NotAllowed
from approvals.models import Decision, Delegation, Policy, Review, Status, User, Verdict
from approvals.queries.delegations import reviewer_with_delegations
from approvals.queries.queue import Filters, queue_rows, who_can
from approvals.services import absence, policies
from audit.models import Entry
from audit.queries import data_of
from tests.cast import SYSTEM, actor_for
from tests.html import one_line

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def away():
    """Return a function by which one person asks another to stand in, from an hour ago for a day."""

    def ask(person, to, *, starts=None, length=DAY, now=None) -> Delegation:
        now = now or timezone.now() - timedelta(hours=1)
        starts = starts or now
        return absence.delegate(person, to, starts, starts + length, "On leave.", actor=actor_for(person), now=now)

    return ask


def kinds(type: str) -> list[dict[str, object]]:
    return [data_of(entry) for entry in Entry.objects.filter(type=type).order_by("id")]


# Reviews in somebody's name


def test_a_review_in_somebodys_name_keeps_both_names(make_patch, approve, away, sign_in, api_of, alice, bob):
    away(alice, bob)
    decision = approve(make_patch(), bob, in_name_of=alice.pk)
    assert decision.status == Status.APPROVED
    assert decision.decided_by == "bob for alice"
    [review] = Review.objects.all()
    assert (review.reviewer, review.delegated_from) == (bob, alice)
    assert kinds("review.recorded")[0]["in_name_of"] == f"user:{alice.pk}"
    assert Entry.objects.get(type="review.recorded").context.actor_label == "bob for alice"
    page = one_line(sign_in(bob).get(reverse("patch-detail", args=[decision.decision_id])))
    assert "<strong>Bob</strong> for <strong>Alice</strong>" in page
    assert "<strong>bob for alice</strong> approved this digest" in page
    [row] = api_of(bob).get(f"/hitl/decisions/{decision.decision_id}").json()["reviews"]
    assert (row["reviewer"], row["in_name_of"]) == ("bob", "alice")


def test_nobody_approves_in_the_name_of_an_account_of_the_submitter(make_patch, approve, away, alice, bob, lena):
    User.objects.filter(pk=lena.pk).update(email="alice+lead@example.org")
    away(lena, bob)
    with pytest.raises(NotAllowed, match="You stand in for Lena, who submitted this patch"):
        approve(make_patch(submitted_by="alice"), bob, in_name_of=lena.pk)


def test_the_page_asks_in_whose_name(make_patch, away, sign_in, alice, bob, carol):
    decision = make_patch()
    client, address = sign_in(bob), reverse("patch-detail", args=[decision.decision_id])
    assert "In whose name" not in one_line(client.get(address))
    away(alice, bob)
    assert "Alice, who is away" in one_line(client.get(address))
    form = {"verdict": "approve", "patch_sha256": decision.patch.sha256, "displayed": "page", "in_name_of": alice.pk}
    assert client.post(reverse("patch-decide", args=[decision.decision_id]), form).status_code == 302
    assert Review.objects.get().delegated_from == alice


def test_a_card_asks_in_whose_name_and_keeps_the_choice(make_patch, away, sign_in, alice, bob):
    decision = make_patch()
    client, address = sign_in(bob), reverse("card-action", args=[decision.decision_id, "reject"])
    assert "In whose name" not in one_line(client.get(address))
    away(alice, bob)
    assert "Alice, who is away" in one_line(client.get(address))
    form = {"verdict": "reject", "patch_sha256": decision.patch.sha256, "displayed": "card", "in_name_of": alice.pk}
    decide = reverse("patch-decide", args=[decision.decision_id])
    answer = client.post(decide, form)
    assert answer.status_code == 422
    assert f'<option value="{alice.pk}" selected>' in one_line(answer)
    answer = client.post(decide, form | {"in_name_of": "alice"})
    assert "Choose one of the names." in one_line(answer)
    said = {"text": "It misses a call.", "category": "incomplete"}
    assert client.post(decide, form | said).status_code == 302
    assert Review.objects.get().delegated_from == alice


def test_one_name_for_a_whole_bulk(make_patch, away, sign_in, alice, bob, lena):
    first, second, hers = make_patch(), make_patch(), make_patch()
    client = sign_in(bob)
    for decision in (first, second, hers):
        client.get(reverse("patch-detail", args=[decision.decision_id]))
    assert "In whose name" not in one_line(client.get(reverse("queue")))
    made = away(alice, bob)
    assert ">For Alice</option>" in one_line(client.get(reverse("queue")))
    Review.objects.create(
        decision=hers, reviewer=alice, verdict="approve", patch_sha256=hers.patch.sha256, created_at=timezone.now()
    )
    items = [f"{each.decision_id}:{each.patch.sha256}" for each in (first, second, hers)]
    asked = {"verdict": "approve", "items": items, "in_name_of": alice.pk}
    page = one_line(client.get(reverse("bulk"), asked))
    assert "In the name of Alice, who is away." in page
    assert "Approve 2 patches, skip 1" in page
    assert "A review by Alice or in their name is already recorded" in page
    assert f'name="in_name_of" value="{alice.pk}"' in page
    results = one_line(client.post(reverse("bulk"), asked | {"confirmed": "1"}))
    assert "2 approved, 1 not" in results
    assert set(Review.objects.filter(reviewer=bob).values_list("delegated_from", flat=True)) == {alice.pk}
    absence.end(made.pk, user=alice, actor=actor_for(alice), now=timezone.now())
    page = one_line(client.get(reverse("bulk"), asked | {"items": items[2:]}))
    assert "You do not stand in for this person at present" in page
    answer = client.post(reverse("bulk"), asked | {"items": items[2:], "confirmed": "1", "in_name_of": "alice"})
    assert answer.status_code == 422
    assert "Choose one of the names." in one_line(answer)
    assert Review.objects.filter(decision=hers).count() == 1


@pytest.mark.parametrize("case", ["never asked", "to come", "over", "ended", "another"])
def test_only_who_was_asked_stands_in_and_only_for_the_time(make_patch, approve, away, alice, bob, lena, case):
    now = timezone.now()
    if case == "to come":
        away(alice, bob, starts=now + DAY)
    if case == "over":
        away(alice, bob, now=now - 2 * DAY)
    if case == "ended":
        absence.end(away(alice, bob).pk, user=alice, actor=actor_for(alice), now=now)
    if case == "another":
        away(alice, lena)
    with pytest.raises(NotAllowed, match="You do not stand in for this person at present"):
        approve(make_patch(), bob, in_name_of=alice.pk)
    assert not Review.objects.exists()
    assert "You do not stand in" in str(kinds("decision.refused")[0]["why"])


def test_nobody_reviews_for_somebody_who_no_longer_does(make_patch, approve, away, alice, bob):
    away(alice, bob)
    alice.groups.clear()
    with pytest.raises(NotAllowed, match="Alice does not review any more"):
        approve(make_patch(), bob, in_name_of=alice.pk)


def test_own_and_delegated_approval_of_one_person_count_as_one(make_patch, approve, away, alice, bob, lena):
    away(alice, bob)
    decision = make_patch(severity="critical")
    approve(decision, bob)
    with pytest.raises(Conflict, match="each person counts once"):
        approve(decision, bob, in_name_of=alice.pk)
    assert approve(decision, lena).status == Status.APPROVED


@pytest.mark.parametrize("first", ["the delegate", "the absent person"])
def test_the_voice_of_the_absent_counts_once(make_patch, approve, away, alice, bob, lena, first):
    away(alice, bob)
    decision = make_patch(severity="critical")
    if first == "the delegate":
        approve(decision, bob, in_name_of=alice.pk)
        with pytest.raises(Conflict, match="Somebody reviewed this revision in your name"):
            approve(decision, alice)
    else:
        approve(decision, alice)
        with pytest.raises(Conflict, match="A review by Alice or in their name"):
            approve(decision, bob, in_name_of=alice.pk)
    assert Decision.objects.get().approvals == 1
    mine = queue_rows(Filters(mine=True), timezone.now(), reviewer_with_delegations(alice, timezone.now()))
    assert not mine.exists()


def test_a_group_that_is_asked_for_is_not_handed_over(make_patch, approve, away, bob, lena, alice):
    away(lena, bob)
    decision = make_patch(severity="critical")  # asks for one of security-leads
    with pytest.raises(NotAllowed, match="asks for security-leads: Lena is one of them and you are not"):
        approve(decision, bob, in_name_of=lena.pk)
    assert approve(decision, bob).status == Status.PENDING  # in their own name they may
    bob.groups.add(Group.objects.get(name="security-leads"))
    other = make_patch(severity="critical")
    approve(other, bob, in_name_of=lena.pk)
    assert approve(other, alice).status == Status.APPROVED


def test_a_group_asked_for_by_any_policy_is_not_handed_over(make_patch, approve, away, bob, lena):
    medium = Policy.objects.get(name="medium")
    assert medium.current is not None
    terms = policies.terms_of(medium.current) | {"required_groups": ["security-leads"]}
    policies.publish(medium, terms, actor=SYSTEM, now=timezone.now())
    away(lena, bob)
    decision = make_patch()
    with pytest.raises(NotAllowed, match="you cannot approve in their name"):
        approve(decision, bob, in_name_of=lena.pk)
    assert approve(decision, bob, Verdict.REJECT, in_name_of=lena.pk).status == Status.REJECTED


@pytest.mark.parametrize("role", ["submitted_by", "triggered_by", "model_owner", "simulation_author"])
@pytest.mark.parametrize("own_name", [True, False])
def test_whoever_stands_in_inherits_the_conflicts(make_patch, approve, away, sign_in, alice, bob, lena, role, own_name):
    away(alice, bob)
    decision = make_patch(**{role: "ALICE+ci@example.org"})
    with pytest.raises(NotAllowed, match="You stand in for Alice, who .*, so another person must approve it"):
        approve(decision, bob, in_name_of=None if own_name else alice.pk)
    page = one_line(sign_in(bob).get(reverse("patch-detail", args=[decision.decision_id])))
    assert "Can approve: Lena." in page
    assert "You stand in for Alice" in sign_in(bob).get(reverse("queue")).content.decode()
    assert who_can(decision, timezone.now()) == [lena]
    assert approve(decision, lena).status == Status.APPROVED


def test_when_the_absence_is_over_the_conflict_is_too(make_patch, approve, away, alice, bob):
    made = away(alice, bob)
    decision = make_patch(submitted_by="alice@example.org")
    absence.end(made.pk, user=alice, actor=actor_for(alice), now=timezone.now())
    assert approve(decision, bob).status == Status.APPROVED


def test_nobody_approves_their_own_patch_in_somebody_elses_name(make_patch, approve, away, alice, bob):
    away(alice, bob)
    with pytest.raises(NotAllowed, match="You submitted this patch"):
        approve(make_patch(submitted_by="bob@example.org"), bob, in_name_of=alice.pk)


# Asking and ending


def test_asking_and_ending_are_entries(away, alice, bob):
    made = away(alice, bob)
    [started] = kinds("delegation.started")
    assert (started["person"], started["delegate"]) == (f"user:{alice.pk}", f"user:{bob.pk}")
    absence.end(made.pk, user=alice, actor=actor_for(alice), now=timezone.now())
    assert len(kinds("delegation.ended")) == 1
    with pytest.raises(Conflict, match="over already"):
        absence.end(made.pk, user=alice, actor=actor_for(alice), now=timezone.now())
    assert len(kinds("delegation.ended")) == 1


def test_one_person_stands_in_at_a_time(away, alice, bob, lena):
    first = away(alice, bob)
    with pytest.raises(Conflict, match="Bob stands in for you"):
        away(alice, lena)
    away(alice, lena, starts=first.ends_at)
    assert Delegation.objects.count() == 2


@pytest.mark.parametrize("length", [timedelta(0), -DAY, 91 * DAY])
def test_a_period_has_a_length(away, alice, bob, length):
    with pytest.raises(Invalid):
        away(alice, bob, length=length)
    assert not Delegation.objects.exists()


def test_who_does_not_review_neither_asks_nor_is_asked(away, alice, carol):
    with pytest.raises(NotAllowed, match="Only reviewers"):
        away(carol, alice)
    with pytest.raises(NotAllowed, match="Carol does not review"):
        away(alice, carol)
    with pytest.raises(Invalid, match="somebody else"):
        away(alice, alice)


def test_the_page_asks_shows_and_ends(sign_in, alice, bob, carol):
    client, address, today = sign_in(alice), reverse("absence"), timezone.localdate()
    assert address in one_line(client.get(reverse("queue")))
    form = {"delegate": bob.pk, "starts": today, "ends": today + DAY, "reason": "On <b>leave</b>"}
    body = one_line(client.post(address, form, follow=True))
    assert "Bob reviews in your name." in body
    assert "On &lt;b&gt;leave&lt;/b&gt;" in body
    made = Delegation.objects.get()
    assert made.ends_at - made.starts_at > DAY  # the last day counts
    assert "You stand in for" in sign_in(bob).get(address).content.decode()
    assert sign_in(bob).post(reverse("absence-end", args=[made.pk])).status_code == 404
    body = one_line(client.post(reverse("absence-end", args=[made.pk]), follow=True))
    assert "Bob no longer reviews in your name." in body
    assert client.get(reverse("absence-end", args=[made.pk])).status_code == 405


def test_a_form_that_is_wrong_says_so_and_changes_nothing(sign_in, alice, bob, carol):
    client, today = sign_in(alice), timezone.localdate()
    answer = client.post(reverse("absence"), {"delegate": carol.pk, "starts": today, "ends": "", "reason": ""})
    body = one_line(answer)
    assert answer.status_code == 422
    assert "Choose the last day." in body
    assert "Say why." in body
    past = {"delegate": bob.pk, "starts": today - 9 * DAY, "ends": today - 8 * DAY, "reason": "Late"}
    answer = client.post(reverse("absence"), past)
    assert answer.status_code == 422
    assert "not in the past" in one_line(answer)
    assert not Delegation.objects.exists()


def test_a_viewer_has_nothing_to_hand_over(sign_in, carol):
    body = one_line(sign_in(carol).get(reverse("absence")))
    assert "nothing to hand over" in body
    assert "<select" not in body
