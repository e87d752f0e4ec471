"""Who decides under a policy, and how many rejections end it."""

import pytest
from django.contrib.auth.models import Group

from approvals.errors import NotAllowed
from approvals.models import Policy, Status, Verdict
from tests.cast import republish
from tests.html import one_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def policy(db):
    """Return a function that publishes other terms of the policy that covers medium severity."""

    def publish(**terms):
        republish(Policy.objects.get(name="medium"), **terms)

    return publish


def test_only_members_of_the_policys_groups_decide(policy, make_patch, approve, alice, lena, sign_in):
    policy(decider_groups=["security-leads"])
    decision = make_patch()
    for verdict in Verdict:
        with pytest.raises(NotAllowed, match="Only members of security-leads decide"):
            approve(decision, alice, verdict)
    page = one_line(sign_in(alice).get(f"/patches/{decision.decision_id}"))
    assert "Only members of security-leads decide under this policy." in page
    assert "Can approve: Lena." in page
    assert approve(decision, lena).status == Status.APPROVED


def test_needs_my_approval_leaves_out_what_only_others_decide(policy, make_patch, alice, lena, sign_in):
    make_patch(title="Before the change")
    policy(decider_groups=["security-leads"])
    make_patch(title="Only for leads")
    mine = one_line(sign_in(alice).get("/?mine=on"))
    assert "Before the change" in mine
    assert "Only for leads" not in mine
    assert "Only for leads" in sign_in(lena).get("/?mine=on").content.decode()


def test_who_left_the_deciders_since_they_approved_counts_no_longer(policy, make_patch, approve, alice, bob, lena):
    policy(decider_groups=["security-leads"], required_approvals=2)
    leads = Group.objects.get(name="security-leads")
    alice.groups.add(leads)
    bob.groups.add(leads)
    decision = make_patch()
    approve(decision, alice)
    alice.groups.remove(leads)
    assert approve(decision, bob).status == Status.PENDING
    assert approve(decision, lena).status == Status.APPROVED


def test_as_many_rejections_as_the_policy_asks_for_end_it(policy, make_patch, approve, alice, bob, sign_in):
    policy(deny_threshold=2)
    decision = make_patch()
    assert approve(decision, alice, Verdict.REJECT).status == Status.PENDING
    assert "1 of 2 rejections" in sign_in(bob).get(f"/patches/{decision.decision_id}").content.decode()
    ended = approve(decision, bob, Verdict.REJECT)
    assert (ended.status, ended.cause) == (Status.REJECTED, "2 of 2 rejections")


def test_approvals_may_outvote_a_rejection_below_the_threshold(policy, make_patch, approve, alice, bob):
    policy(deny_threshold=2)
    decision = make_patch()
    approve(decision, alice, Verdict.REJECT)
    assert approve(decision, bob).status == Status.APPROVED


def test_one_request_for_changes_ends_it_whatever_the_threshold(policy, make_patch, approve, alice):
    policy(deny_threshold=3)
    assert approve(make_patch(), alice, Verdict.REQUEST_CHANGES).status == Status.CHANGES_REQUESTED
