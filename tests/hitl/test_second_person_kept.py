"""As the role of web and worker: no plain SQL stands in for the second person."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone

from approvals.accounts.services import owners, recovery
from approvals.errors import Conflict
from approvals.models import Producer, Proposal, Text, User
from approvals.services import producers, second_person
from audit.models import Entry
from tests.cast import PASSWORD, SYSTEM, actor_for
from tests.plain_sql import as_the_role, execute, refused

pytestmark = pytest.mark.django_db(transaction=True)

AGREE = "update approvals_proposal set state = 'applied', decided_by_id = %s, decided_at = %s where id = %s"
AGREED = "update approvals_user set lead_agreed_at = now() where id = %s"
CONFIRMED = "update approvals_user set owner_confirmed_at = now() where id = %s"


@pytest.fixture(autouse=True)
def as_role(db: Any, transactional_db: None) -> Iterator[None]:
    with as_the_role():
        yield


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.org", PASSWORD)


@pytest.fixture
def luis(db: None) -> User:
    user = User.objects.create_user("luis", "luis@example.org", PASSWORD)
    user.groups.add(Group.objects.get(name="security-leads"))
    return user


@pytest.fixture
def held(alice: User, lena: User, root: User) -> User:
    """An account that an administrator sent a link to; there is a lead besides."""
    recovery.send_link(alice, reason="She lost it.", **acting(root))
    return User.objects.get(pk=alice.pk)


def acting(user: User) -> dict[str, Any]:
    return {"user": user, "actor": actor_for(user), "now": timezone.now()}


def constraint(sql: str, *parameters: Any) -> str | None:
    return refused(sql, *parameters).diag.constraint_name


def confirm(user: User) -> None:
    now = timezone.now()
    owners.confirm(user, authenticated_at=now, actor=actor_for(user), now=now)


def test_two_people_let_an_account_decide_again(held: User, lena: User) -> None:
    confirm(held)
    second_person.agree(Proposal.objects.get().pk, **acting(lena))
    assert User.objects.get(pk=held.pk).held_since is None


def test_no_plain_sql_agrees_that_an_account_decides_again(held: User) -> None:
    assert constraint(AGREED, held.pk) == "user_agreed_by_a_lead"
    execute(CONFIRMED, held.pk)
    assert constraint(AGREED, held.pk) == "user_agreed_by_a_lead"
    both = "update approvals_user set held_since = now(), lead_agreed_at = now() where id = %s"
    assert constraint(both, held.pk) == "user_agreed_by_a_lead"
    assert constraint("update approvals_user set held_since = null where id = %s", held.pk) == "user_held"


def test_an_agreement_lets_an_account_decide_again_in_its_own_transaction_only(held: User, lena: User) -> None:
    execute(AGREE, lena.pk, timezone.now(), Proposal.objects.get().pk)
    execute(CONFIRMED, held.pk)
    assert constraint(AGREED, held.pk) == "user_agreed_by_a_lead"


def test_an_agreement_before_the_owners_word_lets_nobody_decide(held: User, lena: User) -> None:
    with transaction.atomic():
        execute(AGREE, lena.pk, timezone.now(), Proposal.objects.get().pk)
        assert constraint(AGREED, held.pk) == "user_agreed_by_a_lead"


def test_an_agreement_is_of_the_hold_that_it_was_asked_for(held: User, lena: User) -> None:
    with transaction.atomic():
        execute(AGREE, lena.pk, timezone.now(), Proposal.objects.get().pk)
        later = held.held_since and held.held_since + timedelta(seconds=1)
        execute("update approvals_user set held_since = %s, owner_confirmed_at = now() where id = %s", later, held.pk)
        assert constraint(AGREED, held.pk) == "user_agreed_by_a_lead"


@pytest.mark.parametrize("who", ["reviewer", "superuser beside a lead", "owner", "asker", "switched off", "held lead"])
def test_only_another_lead_agrees_that_an_account_decides_again(held, root, lena, luis, bob, who: str) -> None:
    admin = User.objects.create_superuser("rita", "rita@example.org", PASSWORD)
    changes: dict[str, dict[str, Any]] = {
        "switched off": {"is_active": False},
        "held lead": {"held_since": timezone.now()},
    }
    User.objects.filter(pk=luis.pk).update(**changes.get(who, {}))
    people = {"reviewer": bob, "superuser beside a lead": admin, "owner": held, "asker": root}
    refusal = constraint(AGREE, people.get(who, luis).pk, timezone.now(), Proposal.objects.get().pk)
    assert refusal in {
        "proposal_by_who_may_agree",
        "proposal_not_by_who_gains",
        "proposal_needs_a_second_person",
        "proposal_by_its_owner",
    }
    assert Proposal.objects.get().state == "open"


@pytest.mark.parametrize(
    ("kind", "may"),
    [("switch", {"lena"}), ("policy", {"lena", "root", "paula", "own"}), ("person", {"lena", "root"})],
)
def test_who_agrees_has_the_right_to(kind, may, lena, root, bob, carol, alice) -> None:
    """The same people as the service lets agree, by name."""
    paula = User.objects.create_user("paula", "paula@example.org", PASSWORD)
    paula.groups.add(Group.objects.get(name="policy-admin"))
    own = User.objects.create_user("own", "own@example.org", PASSWORD)
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into approvals_user_user_permissions (user_id, permission_id)"
            " select %s, id from auth_permission where codename = 'change_policy'",
            [own.pk],
        )
    for user in (lena, root, paula, own, bob, carol):
        text = Text.objects.create(body="because")
        about = {"policy": "(select min(id) from approvals_policy), null", "person": "null, %s"}.get(kind, "null, null")
        given = [kind, *([alice.pk] if kind == "person" else []), text.pk, alice.pk]
        execute(
            "insert into approvals_proposal (kind, policy_id, person_id, payload, base, loosens, reason_id,"
            f" proposed_by_id, proposed_at, state) values (%s, {about}, '{{}}', '', '[]', %s, %s, now(), 'open')",
            *given,
        )
        open_one = Proposal.objects.get(state="open")
        if user.username in may:
            execute(AGREE, user.pk, timezone.now(), open_one.pk)
        else:
            assert constraint(AGREE, user.pk, timezone.now(), open_one.pk) == "proposal_by_who_may_agree", user
            execute(AGREE.replace("applied", "refused"), user.pk, timezone.now(), open_one.pk)


def test_a_new_install_has_superusers_and_no_lead_yet(alice: User, root: User) -> None:
    rita = User.objects.create_superuser("rita", "rita@example.org", PASSWORD)
    recovery.send_link(alice, reason="She lost it.", **acting(root))
    confirm(alice)
    second_person.agree(Proposal.objects.get().pk, **acting(rita))
    assert User.objects.get(pk=alice.pk).held_since is None


def test_evidence_counts_once_two_people_said_so(producer: Producer, root: User, lena: User) -> None:
    producer.trusted_for_ml = True
    asked = second_person.change_trust(producer, reason="Its model was measured.", **acting(root))
    assert asked
    second_person.agree(asked.pk, **acting(lena))
    found = Producer.objects.get(pk=producer.pk)
    assert (found.trusted_for_ml, found.trusted_for_wargaming) == (True, False)
    found.name = "patchgen two"
    producers.change_producer(found, actor=SYSTEM, now=timezone.now())


@pytest.mark.parametrize("column", ["trusted_for_ml", "trusted_for_wargaming"])
def test_no_plain_sql_lets_evidence_count(producer: Producer, root: User, lena: User, column: str) -> None:
    trusting = f"update approvals_producer set {column} = true where id = %s"
    assert constraint(trusting, producer.pk) == "producer_trusted_by_two"
    new = "insert into approvals_producer (name, trusted_for_ml, trusted_for_wargaming, created_at) values ('n', {})"
    values = ", ".join(["true" if column == name else "false" for name in ("trusted_for_ml", "trusted_for_wargaming")])
    assert constraint(new.format(f"{values}, now()")) == "producer_trusted_by_two"
    setattr(producer, "trusted_for_ml" if column == "trusted_for_wargaming" else "trusted_for_wargaming", True)
    asked = second_person.change_trust(producer, reason="Something else.", **acting(root))
    assert asked
    with transaction.atomic():
        execute(AGREE, lena.pk, timezone.now(), asked.pk)
        assert constraint(trusting, producer.pk) == "producer_trusted_by_two", "that was not what was agreed to"


def test_a_setting_that_has_not_reached_the_database_is_said(
    held: User, producer: Producer, root, bob, settings
) -> None:
    settings.SECOND_PERSON_REQUIRED = False
    before = Entry.objects.count()
    with pytest.raises(Conflict, match=r"manage\.py migrate"):
        recovery.send_link(bob, reason="", **acting(root))
    producer.trusted_for_ml = True
    with pytest.raises(Conflict, match=r"manage\.py migrate"):
        second_person.change_trust(producer, reason="", **acting(root))
    assert Entry.objects.count() == before
