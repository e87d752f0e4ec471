"""As the role of web and worker: no plain SQL lets a policy let more through; and what the database takes for looser is
what the rules take for it."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from approvals.models import Policy, PolicyVersion, Proposal, User
from approvals.policy.loosening import loosens
from approvals.policy.term_table import TERMS, never
from approvals.services import policies, second_person
from tests.cast import PASSWORD, actor_for, tighten
from tests.plain_sql import as_the_role, execute, refused

pytestmark = pytest.mark.django_db(transaction=True)

LOOSER: dict[str, tuple[Any, Any]] = {
    "match": ("priority == 'low'", "true"),
    "required_approvals": (2, 1),
    "required_groups": (["security-leads"], []),
    "known_submitter": (True, False),
    "decider_groups": (["security-leads"], ["security-leads", "reviewer"]),
    "deny_threshold": (1, 2),
    "second_factor": (True, False),
    "step_up": (True, False),
    "supersede_candidates": (False, True),
    "escalate_after_seconds": (60, 3600),
    "escalation": ([{"after_seconds": 60, "groups": ["auditor"]}], []),
    "expire_action": ("expire", "approve"),
    "expire_after_seconds": (86_400, 60),
    "auto_approval": ("shadow", "enforce"),
    "auto_approve_threshold": ("0.95", "0.9"),
    "spot_check_percent": (10, 5),
    "location_slack": (0, 25),
    "allowed_marks": ([], ["new-dependency"]),
    "gate_conditions": (False, True),
    "sla_due_seconds": (60, 3600),
}
"""A stricter and a looser value of each term; the last one moves nothing."""


@pytest.fixture(autouse=True)
def as_role(db: Any, transactional_db: None) -> Iterator[None]:
    with as_the_role():
        yield


def low() -> Policy:
    return Policy.objects.select_related("current").get(name="low")


def version(policy: Policy, number: int, **terms: Any) -> PolicyVersion:
    """Insert a version that is not in force, as plain SQL may."""
    wanted = policies.from_plain(policies.terms_of(PolicyVersion.objects.get(current_of=policy)) | terms)
    return PolicyVersion.objects.create(
        policy=policy, version=number, sha256="0" * 64, created_by="x", created_at=timezone.now(), **wanted
    )


def constraint(sql: str, *parameters: Any) -> str | None:
    return refused(sql, *parameters).diag.constraint_name


def test_every_term_is_weighed_here() -> None:
    ruled = {name for name, term in TERMS.items() if term.looser is not never}
    assert set(LOOSER) == ruled | {"sla_due_seconds"}


@pytest.mark.parametrize(("enforced", "ends"), [("shadow", "expire"), ("enforce", "expire"), ("enforce", "approve")])
def test_the_database_weighs_terms_as_the_rules_do(enforced: str, ends: str) -> None:
    strict = {name: pair[0] for name, pair in LOOSER.items()} | {"auto_approval": enforced, "expire_action": ends}
    changes = [*combinations(LOOSER, 1), *combinations(LOOSER, 2)]
    variants = [strict, *({**strict, **{name: LOOSER[name][1] for name in names}} for names in changes)]
    variants += [{**strict, "decider_groups": groups} for groups in ([], ["reviewer"])]
    variants += [{**strict, "escalate_after_seconds": None}, {**strict, "expire_after_seconds": None}]
    policy, place = low(), {"enabled": True, "position": 1}
    made = [version(policy, 100 + number, **terms) for number, terms in enumerate(variants)]
    with connection.cursor() as cursor:
        for one in made[1:]:
            for before, after in ((made[0], one), (one, made[0])):
                cursor.execute(
                    "select approvals_loosens(a, b) from approvals_policyversion a, approvals_policyversion b"
                    " where a.id = %s and b.id = %s",
                    [before.pk, after.pk],
                )
                why = loosens(policies.terms_of(before), policies.terms_of(after), place, place)
                assert cursor.fetchall() == [(bool(why),)], why


@pytest.mark.parametrize(
    "looser",
    [
        {"auto_approval": "enforce"},
        {"expire_action": "approve"},
        {"match": "true"},
        {"auto_approval": "enforce", "required_approvals": 2},
    ],
)
def test_no_plain_sql_loosens_a_policy(looser: dict[str, Any]) -> None:
    policy = low()
    made = version(policy, 2, **looser)
    put = "update approvals_policy set current_id = %s where id = %s"
    assert constraint(put, made.pk, policy.pk) == "policy_loosened_by_two"
    off = "update approvals_policy set enabled = false where id = %s"
    assert constraint(off, policy.pk) == "policy_loosened_by_two", "what it covers falls to the next one"
    assert low().current_id == policy.current_id


def test_no_plain_sql_puts_another_policy_first() -> None:
    assert constraint("update approvals_policy set position = 0 where name = 'low'") == "policy_loosened_by_two"
    new = "insert into approvals_policy (name, position, enabled, is_default) values ('mine', 0, {}, false)"
    execute(new.format("true"))
    mine = Policy.objects.get(name="mine")
    made = version(low(), 2, auto_approval="enforce", match="true")
    terms = policies.from_plain(policies.terms_of(made))
    own = PolicyVersion.objects.create(
        policy=mine, version=1, sha256="0" * 64, created_by="x", created_at=timezone.now(), **terms
    )
    put = "update approvals_policy set current_id = %s where id = %s"
    assert constraint(put, own.pk, mine.pk) == "policy_loosened_by_two"


def test_what_asks_for_more_needs_nobody_and_what_asks_for_less_needs_two(lena: User) -> None:
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    tighten(low(), required_approvals=2, auto_approval="off")
    terms = policies.from_plain(policies.terms_of(PolicyVersion.objects.get(current_of=low())))
    acting: dict[str, Any] = {"user": root, "actor": actor_for(root), "now": timezone.now()}
    wanted = {**terms, "auto_approval": "enforce", "required_approvals": 1}
    asked = second_person.change_policy(low(), wanted, reason="A month in shadow mode.", **acting)
    assert asked
    second_person.agree(asked.pk, user=lena, actor=actor_for(lena), now=timezone.now())
    assert low().current.auto_approval == "enforce"  # type: ignore[union-attr]


def test_what_two_agreed_to_of_one_policy_loosens_no_other(lena: User) -> None:
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    medium = Policy.objects.select_related("current").get(name="medium")
    assert medium.current
    terms = policies.from_plain(policies.terms_of(medium.current) | {"auto_approval": "enforce"})
    acting: dict[str, Any] = {"user": root, "actor": actor_for(root), "now": timezone.now()}
    second_person.change_policy(medium, terms, reason="A month in shadow mode.", **acting)
    looser = version(low(), 2, auto_approval="enforce")
    with transaction.atomic():
        execute(
            "update approvals_proposal set state = 'applied', decided_by_id = %s, decided_at = now() where id = %s",
            lena.pk,
            Proposal.objects.get().pk,
        )
        put = "update approvals_policy set current_id = %s where name = 'low'"
        assert constraint(put, looser.pk) == "policy_loosened_by_two"
