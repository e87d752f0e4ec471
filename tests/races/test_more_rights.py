"""A second person agrees while another does, or while the administrator changes the same account: one ending each."""

from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from approvals.accounts.services import rights
from approvals.errors import Refusal
from approvals.models import Proposal, User
from approvals.policy.deciders import Rights
from approvals.queries.deciders import rights_of
from approvals.services import second_person
from audit.models import Entry
from tests.cast import actor_for

from .together import after, at_once

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8
Act = Callable[[], str]


def superuser(name: str) -> User:
    return User.objects.create_superuser(name, f"{name}@example.org")


def ask(person: User, group: str, by: User) -> Proposal | None:
    """Ask as the admin does: the account is locked first."""
    with transaction.atomic():
        held = User.objects.select_for_update().get(pk=person.pk)
        mine = rights_of(held)
        waits = rights.split_person(held, Rights(groups=mine.groups | {group}))[1]
        return second_person.change_rights(
            held, waits, reason="Ours.", user=by, actor=actor_for(by), now=timezone.now()
        )


def told(act: Callable[[], object]) -> str:
    try:
        act()
    except Refusal as error:
        return error.detail
    return "done"


def agree(proposal: Proposal, by: User) -> None:
    second_person.agree(proposal.pk, user=by, actor=actor_for(by), now=timezone.now())


def test_two_agree_at_once_and_it_is_given_once() -> None:
    root, rita, rosa = (superuser(name) for name in ("root", "rita", "rosa"))
    for number in range(ROUNDS):
        dora = User.objects.create_user(f"dora{number}", f"dora{number}@example.org")
        proposal = ask(dora, "reviewer", root)
        assert proposal
        answers = at_once(*[partial(told, partial(agree, proposal, by)) for by in (rita, rosa)])
        assert sorted(answer == "done" for answer in answers) == [False, True]
        assert dora.groups.get().name == "reviewer"
        assert Entry.objects.filter(type="user.changed", object_id=f"user:{dora.pk}").count() == 1


def test_agreeing_and_asking_for_more_at_once_stops_neither_for_ever() -> None:
    root, rita = superuser("root"), superuser("rita")
    for number in range(ROUNDS):
        dora = User.objects.create_user(f"dora{number}", f"dora{number}@example.org")
        proposal = ask(dora, "reviewer", root)
        assert proposal
        answers = at_once(
            partial(told, partial(agree, proposal, rita)),
            after(0.01 * (number % 2), partial(told, partial(ask, dora, "security-leads", root))),
        )
        assert answers[0] == "done"
        assert answers[1] == "done" or "waits for a second person" in answers[1]
        assert dora.groups.get() == Group.objects.get(name="reviewer")
        open_ones = Proposal.objects.filter(person=dora, state="open").count()
        assert open_ones == (1 if answers[1] == "done" else 0)
