"""What loosens the rules waits for a second person; what tightens them does not; the kill switch stops at once."""

import threading
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from approvals.errors import Conflict, Invalid, NotAllowed, NotFound
from approvals.models import KillSwitch, Policy, Proposal, User
from approvals.services import killswitch, policies, second_person
from audit.models import Entry
from tests.cast import actor_for

pytestmark = pytest.mark.django_db
WHY = "The model has earned it."


@pytest.fixture
def high(db):
    return Policy.objects.select_related("current").get(name="high")


@pytest.fixture
def luis(bob):
    """A second lead."""
    bob.groups.set(Group.objects.filter(name="security-leads"))
    return bob


def acting(user: User) -> Any:
    return {"user": user, "actor": actor_for(user), "now": timezone.now()}


def change(policy, user, reason=WHY, **terms):
    asked = Policy.objects.get(pk=policy.pk)
    for name in ("name", "position", "enabled"):
        if name in terms:
            setattr(asked, name, terms.pop(name))
    wanted = policies.from_plain(policies.terms_of(policy.current) | terms)
    return second_person.change_policy(asked, wanted, reason=reason, **acting(user))


def agree(proposal, user):
    return second_person.agree(proposal.pk, **acting(user))


def refuse(proposal, user):
    return second_person.refuse(proposal.pk, **acting(user))


def types():
    return list(Entry.objects.order_by("id").values_list("type", flat=True))


@pytest.mark.parametrize(
    "tighter",
    [
        {"required_approvals": 3},
        {"required_groups": ["security-leads"]},
        {"decider_groups": ["security-leads"]},
        {"step_up": True},
        {"spot_check_percent": 20},
        {"auto_approval": "off"},
        {"auto_approve_threshold": "0.99"},
        {"expire_after_seconds": 60},
    ],
)
def test_what_asks_for_more_is_published_at_once(high, lena, tighter):
    assert change(high, lena, reason="", **tighter) is None
    high.refresh_from_db()
    assert high.current.version == 2


@pytest.mark.parametrize(
    "looser",
    [{"auto_approval": "enforce"}, {"match": "true"}, {"deny_threshold": 2}, {"enabled": False}, {"position": 5}],
)
def test_what_lets_more_through_waits_for_a_second_person(high, lena, luis, looser):
    proposal = change(high, lena, **looser)
    high.refresh_from_db()
    assert (high.current.version, high.enabled, high.position) == (1, True, 20), "nothing changed yet"
    assert types() == ["proposal.made"]
    agree(proposal, luis)
    high.refresh_from_db()
    now = policies.terms_of(high.current) | policies.place_of(high)
    assert {name: now[name] for name in looser} == looser
    assert types() == ["proposal.made", "proposal.applied", "policy.changed"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"required_approvals": 2}, {"required_approvals": 1}),
        ({"required_groups": ["security-leads"]}, {"required_groups": []}),
        ({"decider_groups": ["security-leads"]}, {"decider_groups": []}),
        ({"decider_groups": ["security-leads"]}, {"decider_groups": ["security-leads", "reviewer"]}),
        ({"step_up": True}, {"step_up": False}),
    ],
)
def test_taking_a_demand_back_waits_for_a_second_person(high, lena, before, after):
    assert change(high, lena, **before) is None
    high.refresh_from_db()
    assert change(high, lena, **after) is not None


def test_a_new_policy_covers_nothing_until_a_second_person_agrees(high, lena, luis):
    terms = policies.from_plain(policies.terms_of(high.current) | {"match": "ecosystem == 'npm'"})
    proposal = second_person.change_policy(Policy(name="npm", position=5), terms, reason=WHY, **acting(lena))
    assert not Policy.objects.get(name="npm").enabled
    agree(proposal, luis)
    assert Policy.objects.get(name="npm").enabled


def test_nobody_agrees_to_their_own_change(high, lena):
    proposal = change(high, lena, auto_approval="enforce")
    with pytest.raises(NotAllowed, match="second person"):
        agree(proposal, lena)


def test_one_person_with_two_accounts_is_one(high, lena, luis):
    proposal = change(high, lena, auto_approval="enforce")
    EmailAddress.objects.create(user=luis, email=lena.email.upper(), verified=True)
    with pytest.raises(NotAllowed, match="second person"):
        agree(proposal, luis)


def test_a_reviewer_neither_asks_nor_agrees(high, lena, alice):
    with pytest.raises(NotAllowed):
        change(high, alice, required_approvals=3)
    proposal = change(high, lena, auto_approval="enforce")
    for act in (agree, refuse):
        with pytest.raises(NotAllowed):
            act(proposal, alice)


def test_loosening_needs_a_reason(high, lena):
    with pytest.raises(Invalid, match="reason"):
        change(high, lena, reason=" ", auto_approval="enforce")
    assert types() == []


def test_a_change_meanwhile_makes_a_proposal_stale(high, lena, luis):
    proposal = change(high, lena, auto_approval="enforce")
    change(high, lena, reason="", required_approvals=2)
    with pytest.raises(Conflict, match="changed after"):
        agree(proposal, luis)
    high.refresh_from_db()
    assert high.current.auto_approval == "shadow"


def test_one_open_proposal_a_policy(high, lena):
    change(high, lena, auto_approval="enforce")
    with pytest.raises(Conflict, match="waits"):
        change(high, lena, auto_approval="enforce", auto_approve_threshold="0.96")


def test_a_proposal_is_refused_by_another_and_withdrawn_by_its_author_once(high, lena, luis):
    assert refuse(change(high, lena, auto_approval="enforce"), luis).state == "refused"
    taken_back = refuse(change(high, lena, auto_approval="enforce"), lena)
    assert taken_back.state == "withdrawn"
    with pytest.raises(Conflict, match="withdrawn"):
        agree(taken_back, luis)
    with pytest.raises(NotFound):
        second_person.agree(0, **acting(luis))


def test_the_database_keeps_what_was_asked_and_who_agreed(high, lena):
    proposal = change(high, lena, auto_approval="enforce")
    for wrong in ({"payload": {}}, {"state": "applied", "decided_by": lena, "decided_at": timezone.now()}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Proposal.objects.filter(pk=proposal.pk).update(**wrong)
    with pytest.raises(DatabaseError), transaction.atomic():
        Proposal.objects.filter(pk=proposal.pk).delete()


def test_an_install_with_one_lead_can_do_without(high, lena, settings):
    settings.SECOND_PERSON_REQUIRED = False
    killswitch.keep_setting()
    assert change(high, lena, auto_approval="enforce") is None
    high.refresh_from_db()
    assert high.current.auto_approval == "enforce"


def test_one_lead_stops_automatic_approval_and_two_start_it(lena, luis, alice):
    with pytest.raises(NotAllowed):
        second_person.stop(reason=WHY, **acting(alice))
    assert second_person.stop(reason=WHY, **acting(lena))
    assert not second_person.stop(reason=WHY, **acting(luis)), "it was stopped already"
    assert killswitch.stopped_by() == "Lena"
    proposal = second_person.start_again(reason=WHY, **acting(lena))
    assert KillSwitch.objects.get().stopped
    agree(proposal, luis)
    assert killswitch.stopped_by() == ""
    assert types() == [
        "attempt.refused",
        "automation.stopped",
        "proposal.made",
        "proposal.applied",
        "automation.started",
    ]


def test_a_start_that_was_asked_for_before_the_stop_starts_nothing(lena, luis):
    early = second_person.start_again(reason=WHY, **acting(lena))
    assert second_person.stop(reason="Something else is wrong.", **acting(luis))
    with pytest.raises(Conflict, match="was changed after this was asked for"):
        agree(early, luis)
    assert KillSwitch.objects.get().stopped


def test_the_setting_stops_it_whatever_the_button_says(settings):
    settings.AUTO_APPROVE_ENABLED = False
    assert killswitch.stopped_by() == "setting"
    with transaction.atomic():
        assert not killswitch.runs_now()


@pytest.mark.django_db(transaction=True)
def test_the_button_waits_for_approvals_that_have_read_the_switch(lena):
    """Once it has answered, nothing is approved by what was read before it."""
    answered = threading.Event()

    def press() -> None:
        try:
            second_person.stop(reason=WHY, **acting(lena))
            answered.set()
        finally:
            connections.close_all()

    pressing = threading.Thread(target=press)
    with transaction.atomic():
        assert killswitch.runs_now()
        pressing.start()
        assert not answered.wait(0.3)
    pressing.join(10)
    assert answered.is_set()
    with transaction.atomic():
        assert not killswitch.runs_now()
