"""Somebody arrives from the provider at the moment at which an administrator takes their address from an account."""

import time

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from approvals.accounts.services import identity, recovery
from approvals.errors import NotAllowed
from approvals.models import User
from tests.cast import PASSWORD, SYSTEM

from .together import after, at_once

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

OTHERS = "second-of-root@example.org"
CLAIMS = identity.Claims("sso", "subject-of-root", OTHERS, groups=frozenset({"leads"}))


@pytest.fixture
def alice() -> User:
    alice = User.objects.create_user("alice", "alice@example.org", PASSWORD)
    alice.groups.add(Group.objects.get(name="reviewer"))
    return alice


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", "root@example.org", PASSWORD)


def change(person: User, email: str, by: User) -> None:
    account = User.objects.select_for_update().get(pk=person.pk)
    account.email = email
    account.save()
    recovery.hold_and_sign_out(account, [recovery.ADDRESS], reason="", user=by, actor=SYSTEM, now=timezone.now())


def arrive() -> str:
    try:
        return str(identity.arrive(CLAIMS, {}, actor=SYSTEM, now=timezone.now()))
    except NotAllowed as error:
        return error.detail


@pytest.mark.parametrize("tied", [False, True])
def test_nobody_is_tied_to_an_account_whose_address_is_given_back_at_that_moment(
    alice: User, root: User, tied: bool
) -> None:
    with transaction.atomic():
        change(alice, OTHERS, root)
    if tied:
        assert arrive() == "alice"

    def give_back() -> str:
        with transaction.atomic():
            change(alice, "alice@example.org", root)
            time.sleep(0.6)  # until the other has looked for the address and waits
        return "given back"

    _, answer = at_once(give_back, after(0.2, arrive))
    assert "Ask an administrator" in answer
    assert not SocialAccount.objects.filter(user=alice).exists()
    assert not EmailAddress.objects.filter(user=alice).exists()
    assert User.objects.get(pk=alice.pk).held_since is not None
