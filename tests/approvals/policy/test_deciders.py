"""What adds deciders waits for a second person; what takes rights away, or gives none that count, does not."""

from typing import Any

import pytest

from approvals.policy.deciders import Rights, Team, given_alone, granted_alone

TEAMS = {
    "viewer": Team(frozenset({"approvals.view_decision"})),
    "reviewer": Team(frozenset({"approvals.view_decision", "approvals.review_decision"})),
    "security-leads": Team(frozenset({"approvals.review_decision", "approvals.lead_decision"}), ("high",)),
    "policy-admin": Team(frozenset({"approvals.change_policy"})),
    "help-desk": Team(frozenset({"approvals.change_user"})),
    "night": Team(policies=("low",), decision=True),
}
NOBODY = Rights()


def rights(*groups: str, **more: Any) -> Rights:
    return Rights(groups=frozenset(groups), **more)


def given(old, new):
    return given_alone(old, new, TEAMS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (NOBODY, NOBODY),
        (NOBODY, rights("viewer")),
        (rights("reviewer", "security-leads"), NOBODY),
        (rights("reviewer", superuser=True, staff=True), rights("reviewer")),
        (rights("reviewer"), rights("reviewer", active=False)),
        (rights(active=False), rights("viewer", active=True)),
        (rights("reviewer", active=False), rights(active=True)),
        (rights(active=False, superuser=True), rights(active=True)),
        (rights("security-leads"), rights("security-leads", staff=True)),
        (NOBODY, rights(staff=True)),
    ],
)
def test_what_adds_no_decider_is_given_at_once(old, new):
    assert given(old, new) == (new, [])


@pytest.mark.parametrize(
    ("old", "new", "kept", "sentence"),
    [
        (NOBODY, rights("reviewer"), NOBODY, "They join reviewer, whose members may decide patches."),
        (NOBODY, rights("policy-admin"), NOBODY, "They join policy-admin, whose members may change policies."),
        (NOBODY, rights("help-desk"), NOBODY, "They join help-desk, whose members may change people's groups."),
        (
            NOBODY,
            rights("night"),
            NOBODY,
            "They join night, which is asked for by the policy low and a waiting decision.",
        ),
        (
            rights("reviewer"),
            rights("reviewer", "security-leads"),
            rights("reviewer"),
            "They join security-leads, whose members may decide patches and decide as security leads, "
            "and which is asked for by the policy high.",
        ),
        (NOBODY, rights(superuser=True), NOBODY, "They become a superuser, who may change everybody's groups."),
        (
            rights("viewer", "reviewer", active=False),
            rights("viewer", "reviewer"),
            rights("viewer", "reviewer", active=False),
            "They are active again, as a member of reviewer.",
        ),
        (
            rights(active=False, superuser=True),
            rights(superuser=True),
            rights(active=False, superuser=True),
            "They are active again, as a superuser.",
        ),
        (
            rights("help-desk"),
            rights("help-desk", staff=True),
            rights("help-desk"),
            "They come into the administration, as a member of help-desk.",
        ),
        (
            rights(superuser=True),
            rights(superuser=True, staff=True),
            rights(superuser=True),
            "They come into the administration, as a superuser.",
        ),
    ],
)
def test_what_adds_a_decider_waits_and_says_why(old, new, kept, sentence):
    assert given(old, new) == (kept, [sentence])


def test_the_rest_of_a_change_does_not_wait_with_it():
    old = rights("policy-admin", active=False)
    kept, why = given(old, rights("viewer", "reviewer", active=True))
    assert kept == rights("viewer"), "another group is taken, the harmless one given, and nothing is left to hold back"
    assert len(why) == 1


def test_a_superuser_in_a_group_who_is_switched_on_is_named_as_both():
    old = rights("reviewer", active=False, superuser=True)
    (sentence,) = given(old, rights("reviewer", superuser=True))[1]
    assert sentence == "They are active again, as a superuser and a member of reviewer."


def test_a_groups_permissions_wait_where_they_count():
    old, harmless = {"approvals.view_decision"}, {"approvals.view_diff"}
    assert granted_alone(old, harmless) == (frozenset(harmless), [])
    wanted = harmless | {"approvals.lead_decision", "approvals.add_policy", "auth.change_group"}
    kept, why = granted_alone(old, wanted)
    assert kept == frozenset(harmless)
    assert why == [
        "Its members may decide as security leads.",
        "Its members may write policies.",
        "Its members may change what groups may do.",
    ]
    assert granted_alone(wanted, old) == (frozenset(old), [])
    assert granted_alone(wanted, wanted) == (frozenset(wanted), [])
