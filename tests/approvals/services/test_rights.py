"""Rights that add deciders: asked for by one, given by a second who neither asked nor gains, never when stale."""

from dataclasses import replace
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, transaction
from django.utils import timezone

from approvals.errors import Conflict, Invalid, NotAllowed
from approvals.models import Policy, Proposal, User
from approvals.queries.deciders import permissions_of, rights_of
from approvals.services import killswitch, policies, rights, second_person
from audit.models import Entry
from tests.cast import SYSTEM, actor_for, one_person_enough, republish

pytestmark = pytest.mark.django_db
WHY = "She has read along for a month."


@pytest.fixture
def root(db):
    """An administrator in no group."""
    return User.objects.create_user("root", "root@example.org", is_staff=True, is_superuser=True)


@pytest.fixture
def rita(db):
    """A second administrator in no group."""
    return User.objects.create_user("rita", "rita@example.org", is_staff=True, is_superuser=True)


@pytest.fixture
def viewers(db):
    return Group.objects.get(name="viewer")


def acting(user: User) -> Any:
    return {"user": user, "actor": actor_for(user), "now": timezone.now()}


def ask(person, by, *groups, reason=WHY, **flags):
    """Ask for more rights of a person."""
    now = rights_of(person)
    waits = rights.split_person(person, replace(now, groups=now.groups | set(groups), **flags))[1]
    return second_person.change_rights(person, waits, reason=reason, **acting(by))


def ask_for_group(group, by, *permissions):
    waits = rights.split_group(group, permissions_of(group) | set(permissions))[1]
    return second_person.change_rights(group, waits, reason=WHY, **acting(by))


def agree(proposal, user):
    return second_person.agree(proposal.pk, **acting(user))


def groups_of(user):
    return set(user.groups.values_list("name", flat=True))


def types():
    return list(Entry.objects.order_by("id").values_list("type", flat=True))


def test_a_second_administrator_makes_somebody_a_reviewer(carol, root, rita):
    proposal = ask(carol, root, "reviewer")
    assert groups_of(carol) == {"viewer"}
    assert proposal.loosens == ["They join reviewer, whose members may decide patches."]
    agree(proposal, rita)
    assert groups_of(carol) == {"viewer", "reviewer"}
    assert types() == ["proposal.made", "proposal.applied", "user.changed"]
    entry = Entry.objects.get(type="user.changed")
    assert entry.actor_id == f"user:{rita.pk}"
    assert b'"groups":["viewer"]' in bytes(entry.body)
    assert b'"groups":["reviewer","viewer"]' in bytes(entry.body)


def test_a_lead_agrees_too_and_nobody_else(carol, alice, root, lena):
    proposal = ask(carol, root, "reviewer")
    policy_admin = User.objects.create_user("pam", "pam@example.org")
    policy_admin.groups.add(Group.objects.get(name="policy-admin"))
    for nobody in (alice, policy_admin):
        with pytest.raises(NotAllowed, match="Only security leads and superusers"):
            agree(proposal, nobody)
        with pytest.raises(NotAllowed):
            second_person.refuse(proposal.pk, **acting(nobody))
    agree(proposal, lena)
    assert "reviewer" in groups_of(carol)


def test_who_asked_does_not_agree_under_another_name_either(carol, root, rita):
    proposal = ask(carol, root, "reviewer")
    with pytest.raises(NotAllowed, match="second person"):
        agree(proposal, root)
    EmailAddress.objects.create(user=rita, email=root.email, verified=True)
    with pytest.raises(NotAllowed, match="second person"):
        agree(proposal, rita)
    assert groups_of(carol) == {"viewer"}


def test_who_asked_does_not_agree_under_their_address_with_a_tag(carol, root):
    other = User.objects.create_user("root2", "Root+lead@example.org", is_staff=True, is_superuser=True)
    with pytest.raises(NotAllowed, match="second person"):
        agree(ask(carol, root, "reviewer"), other)


def test_who_gains_does_not_agree_under_another_name_either(root, lena, rita):
    proposal = ask(lena, root, superuser=True)
    with pytest.raises(NotAllowed, match="would gain"):
        agree(proposal, lena)
    EmailAddress.objects.create(user=rita, email=lena.email, verified=True)
    with pytest.raises(NotAllowed, match="would gain"):
        agree(proposal, rita)


def test_a_person_comes_back_by_a_second_person(alice, root, lena):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    alice.refresh_from_db()
    agree(ask(alice, root, active=True), lena)
    alice.refresh_from_db()
    assert alice.is_active
    assert b'"fields":["is_active"]' in bytes(Entry.objects.get(type="user.changed").body)


def test_a_groups_rights_wait_for_somebody_who_is_not_in_it(viewers, carol, root, lena):
    lena.groups.add(viewers)
    proposal = ask_for_group(viewers, root, "approvals.review_decision", "approvals.view_diff")
    assert proposal.payload == {"permissions": ["approvals.review_decision"]}
    with pytest.raises(NotAllowed, match="in this group"):
        agree(proposal, lena)
    lena.groups.remove(viewers)
    agree(proposal, lena)
    assert "approvals.review_decision" in permissions_of(viewers)
    assert types() == ["proposal.made", "attempt.refused", "proposal.applied", "group.changed"]


@pytest.mark.parametrize("moved", ["person", "group"])
def test_rights_that_moved_on_meanwhile_make_it_stale(carol, root, rita, moved):
    night = Group.objects.create(name="night shift")
    night.permissions.add(Permission.objects.get(codename="review_decision"))
    proposal = ask(carol, root, "night shift")
    if moved == "person":
        carol.groups.clear()
    else:  # what they would join carries more now than the second person read
        night.permissions.add(Permission.objects.get(codename="lead_decision"))
    with pytest.raises(Conflict, match="changed after"):
        agree(proposal, rita)
    assert "night shift" not in groups_of(carol)
    proposal.refresh_from_db()
    assert proposal.state == "open"


def test_a_group_that_moved_on_meanwhile_makes_it_stale(viewers, root, rita):
    proposal = ask_for_group(viewers, root, "approvals.lead_decision")
    viewers.permissions.clear()
    with pytest.raises(Conflict, match="changed after"):
        agree(proposal, rita)


def test_who_joins_a_group_whose_rights_wait_waits_too(viewers, alice, bob, root, lena):
    team = Group.objects.create(name="platform")
    assert ask(alice, root, "platform") is None, "so far its members may nothing"
    waiting = ask_for_group(team, root, "approvals.review_decision")
    joining = ask(bob, root, "platform")
    assert joining.loosens == ["They join platform, whose members may decide patches."]
    second_person.refuse(waiting.pk, **acting(lena))
    second_person.refuse(joining.pk, **acting(lena))
    assert ask(bob, root, "platform") is None


def test_who_joins_a_group_that_waiting_terms_name_waits_too(carol, root, lena, bob):
    Group.objects.create(name="platform")
    policy = Policy.objects.get(name="critical-two-person")
    terms = policies.from_plain(policies.terms_of(policy.current) | {"required_groups": ["platform"]})
    assert second_person.change_policy(policy, terms, reason=WHY, **acting(lena)) is not None
    joining = ask(carol, root, "platform")
    assert joining.loosens == ["They join platform, which is asked for by the policy critical-two-person."]


def test_a_group_that_is_gone_is_told(carol, root, rita):
    night = Group.objects.create(name="night shift")
    night.permissions.add(Permission.objects.get(codename="review_decision"))
    proposal = ask(carol, root, "night shift", "reviewer")
    night.delete()
    with pytest.raises(Conflict, match="There is no group night shift any more"):
        agree(proposal, rita)
    assert groups_of(carol) == {"viewer"}


def test_a_policy_whose_group_is_gone_is_told_and_nothing_changes(lena, bob):
    bob.groups.set(Group.objects.filter(name="security-leads"))
    night, high = Group.objects.create(name="night shift"), Policy.objects.select_related("current").get(name="high")
    republish(high, decider_groups=["security-leads"])
    high.refresh_from_db()
    terms = policies.from_plain(policies.terms_of(high.current) | {"decider_groups": ["night shift"]})
    proposal = second_person.change_policy(high, terms, reason=WHY, **acting(lena))
    night.delete()
    with pytest.raises(Conflict, match="There is no group night shift"):
        agree(proposal, bob)
    high.refresh_from_db()
    proposal.refresh_from_db()
    assert (high.current.decider_groups, proposal.state) == (["security-leads"], "open")


def test_a_policy_whose_name_is_taken_meanwhile_is_told(lena, bob):
    bob.groups.set(Group.objects.filter(name="security-leads"))
    high = Policy.objects.select_related("current").get(name="high")
    terms = policies.from_plain(policies.terms_of(high.current) | {"auto_approval": "enforce"})
    high.name = "urgent"
    proposal = second_person.change_policy(high, terms, reason=WHY, **acting(lena))
    low = Policy.objects.get(name="low")
    low.name = "urgent"
    with one_person_enough():
        policies.arrange(low, actor=SYSTEM, now=timezone.now())
    with pytest.raises(Conflict, match="name or place"):
        agree(proposal, bob)


@pytest.mark.parametrize("names", ["required_groups", "decider_groups", "escalation"])
def test_a_group_that_a_policy_names_counts_and_says_which(carol, root, names):
    Group.objects.create(name="night shift")
    level = [{"after_seconds": 60, "groups": ["night shift"]}]
    republish(Policy.objects.get(name="high"), **{names: level if names == "escalation" else ["night shift"]})
    (sentence,) = ask(carol, root, "night shift").loosens
    assert sentence == "They join night shift, which is asked for by the policy high."


def test_a_group_that_something_waits_for_counts_when_no_policy_names_it_any_more(carol, root, make_patch):
    Group.objects.create(name="night shift")
    medium = Policy.objects.get(name="medium")
    republish(medium, required_groups=["night shift"])
    make_patch(severity="medium")
    republish(medium, required_groups=[])
    (sentence,) = ask(carol, root, "night shift").loosens
    assert "asked for by the policy medium" in sentence


def test_harmless_rights_wait_for_nobody(carol, root, viewers):
    assert ask(carol, root, "auditor") is None
    assert ask_for_group(viewers, root, "approvals.view_diff") is None
    assert types() == []


def test_a_reason_and_the_administrators_permission_are_needed(carol, root, lena):
    with pytest.raises(Invalid, match="reason"):
        ask(carol, root, "reviewer", reason=" ")
    with pytest.raises(NotAllowed, match="administrators"):
        ask(carol, lena, "reviewer")


def test_one_open_proposal_a_person_and_a_group(carol, alice, root, viewers):
    ask(carol, root, "reviewer")
    ask(alice, root, "security-leads")
    ask_for_group(viewers, root, "approvals.review_decision")
    with pytest.raises(Conflict, match="waits"):
        ask(carol, root, "security-leads")
    with pytest.raises(Conflict, match="waits"):
        ask_for_group(viewers, root, "approvals.lead_decision")


def test_an_install_that_does_without_gives_all_at_once(carol, viewers, settings):
    settings.SECOND_PERSON_REQUIRED = False
    killswitch.keep_setting()
    wanted = replace(rights_of(carol), groups=frozenset({"security-leads"}), superuser=True)
    assert rights.split_person(carol, wanted) == (wanted, rights.NO_PENDING_CHANGE)
    assert rights.split_group(viewers, {"approvals.lead_decision"})[1] == rights.NO_PENDING_CHANGE


def test_the_database_refuses_the_author_who_gains_and_another_subject(carol, lena, root, viewers):
    mine, ours = ask(lena, root, superuser=True), ask_for_group(viewers, root, "approvals.review_decision")
    now = timezone.now()
    for proposal, wrong in (
        (mine, {"state": "applied", "decided_by": lena, "decided_at": now}),
        (mine, {"state": "applied", "decided_by": root, "decided_at": now}),
        (ours, {"state": "applied", "decided_by": carol, "decided_at": now}),
        (mine, {"person": carol}),
        (ours, {"group": Group.objects.get(name="reviewer")}),
        (mine, {"kind": "group"}),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            Proposal.objects.filter(pk=proposal.pk).update(**wrong)
