"""What somebody tried with a bypass or a change of the rules and may not do is in the log; nothing else changed."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from approvals.errors import NotAllowed, NotFound, Refusal
from approvals.models import Bypass, KillSwitch, Policy, Proposal
from approvals.services import bypasses, reviews, second_person
from approvals.services.bypasses import Target
from approvals.services.policies import terms_of
from audit.models import Entry
from audit.queries import data_of
from audit.types import summary
from tests.cast import actor_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("critical_anywhere")]


@pytest.fixture
def luis(bob):
    bob.groups.set(Group.objects.filter(name="security-leads"))
    return bob


@pytest.fixture
def ada(carol):
    """An auditor: reads policies and bypasses, so reaches what only leads do."""
    carol.groups.set(Group.objects.filter(name="auditor"))
    return carol


@pytest.fixture
def bypass(make_patch, lena, alice) -> Bypass:
    """What lena asked for alice."""
    patch = make_patch(severity="critical")
    return bypasses.ask(alice, Target(patch.decision_id), 3600, "Nobody else awake.", **acting(lena))


@pytest.fixture
def proposal(lena) -> Proposal:
    """lena's, to loosen a policy."""
    policy = Policy.objects.get(name="critical-two-person")
    assert policy.current is not None
    terms = {**terms_of(policy.current), "required_approvals": 1, "required_groups": []}
    made = second_person.change_policy(policy, terms, reason="Because.", **acting(lena))
    assert made is not None
    return made


def acting(user: Any) -> dict[str, Any]:
    return {"user": user, "actor": actor_for(user), "now": timezone.now()}


def told() -> list[tuple[str, str, str]]:
    """Return who tried, on what, and the line of the log of each attempt."""
    return [
        (entry.actor_id, f"{entry.object_type} {entry.object_id}", summary(entry.type, data_of(entry)))
        for entry in Entry.objects.filter(type="attempt.refused").order_by("id")
    ]


def test_who_grants_their_own_bypass_is_refused_and_told_of(bypass, lena, ada):
    for who, why in (
        (lena, "grant: You asked for this bypass, so a second person must grant it."),
        (ada, "grant: Only security leads grant an emergency bypass."),
    ):
        with pytest.raises(NotAllowed):
            bypasses.grant(bypass.pk, **acting(who))
        assert told()[-1] == (f"user:{who.pk}", f"bypass {bypass.pk}", why)
    assert len(told()) == 2
    assert Bypass.objects.get().state == Bypass.State.ASKED


@pytest.mark.parametrize("act", [bypasses.refuse, bypasses.end])
def test_who_is_no_lead_and_answers_a_bypass_is_told_of(bypass, ada, act):
    with pytest.raises(NotAllowed):
        act(bypass.pk, **acting(ada))
    [(who, what, line)] = told()
    assert (who, what) == (f"user:{ada.pk}", f"bypass {bypass.pk}")
    assert line.startswith(f"{act.__name__}: Only security leads")


def test_who_asks_for_a_bypass_and_is_no_lead_is_told_of(make_patch, alice, ada):
    patch = make_patch()
    with pytest.raises(NotAllowed):
        bypasses.ask(alice, Target(patch.decision_id), 3600, "Please.", **acting(ada))
    assert told() == [
        (
            f"user:{ada.pk}",
            f"caller user:{ada.pk}",
            "ask for a bypass: Only security leads ask for an emergency bypass.",
        )
    ]
    asked = data_of(Entry.objects.get(type="attempt.refused"))
    assert (asked["holder"], asked["decision_target"], asked["seconds"]) == (
        f"user:{alice.pk}",
        str(patch.decision_id),
        3600,
    )
    assert not Bypass.objects.exists()


def test_who_judges_a_use_and_is_no_lead_is_told_of(bypass, luis, alice, ada):
    bypasses.grant(bypass.pk, **acting(luis))
    decision = bypass.decision
    assert decision is not None
    now = timezone.now()
    reviews.open_page(decision.patch, alice, now)
    seen = reviews.Seen(decision.patch.sha256, "page", "page", authenticated_at=now, bypass=bypass.pk)
    reviews.review(decision.decision_id, "approve", user=alice, actor=actor_for(alice), seen=seen, now=now)
    with pytest.raises(NotAllowed):
        bypasses.review(decision.decision_id, True, "It was fine.", **acting(ada))
    assert told() == [
        (
            f"user:{ada.pk}",
            f"bypass {bypass.pk}",
            "review a use: Only security leads review the use of an emergency bypass.",
        )
    ]


def test_who_agrees_to_their_own_change_is_told_of(proposal, lena, ada):
    with pytest.raises(NotAllowed) as own:
        second_person.agree(proposal.pk, **acting(lena))
    with pytest.raises(NotAllowed) as stranger:
        second_person.refuse(proposal.pk, **acting(ada))
    assert told() == [
        (f"user:{lena.pk}", f"proposal {proposal.pk}", f"agree: {own.value.detail}"),
        (f"user:{ada.pk}", f"proposal {proposal.pk}", f"refuse: {stranger.value.detail}"),
    ]
    assert Proposal.objects.get().state == Proposal.State.OPEN


def test_attempts_on_the_pages_are_told_of(client, bypass, proposal, ada):
    client.force_login(ada)
    client.post(f"/bypasses/{bypass.pk}/grant")
    client.post(f"/policies/proposals/{proposal.pk}/agree")
    client.post("/policies/switch", {"to": "stop", "reason": "Because."})
    assert [what for _, what, _ in told()] == [f"bypass {bypass.pk}", f"proposal {proposal.pk}", "kill_switch 1"]


@pytest.mark.parametrize("act", [second_person.stop, second_person.start_again])
def test_who_turns_the_switch_and_is_no_lead_is_told_of(ada, act):
    before = KillSwitch.objects.values().get()
    with pytest.raises(NotAllowed) as refused:
        act(reason="Because.", **acting(ada))
    [(who, what, line)] = told()
    assert (who, what) == (f"user:{ada.pk}", "kill_switch 1")
    assert line.endswith(refused.value.detail)
    assert KillSwitch.objects.values().get() == before


def test_what_is_only_late_or_is_not_there_is_no_such_attempt(bypass, lena, luis):
    bypasses.refuse(bypass.pk, **acting(luis))
    with pytest.raises(Refusal, match="Nothing was changed"):
        bypasses.grant(bypass.pk, **acting(luis))
    with pytest.raises(NotFound):
        bypasses.grant(bypass.pk + 1, **acting(luis))
    assert told() == []
