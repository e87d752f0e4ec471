"""Guessing is limited by account and by address, in the database, so that every process counts the same."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.errors import TooMany
from approvals.models import Attempt
from approvals.services import guessing
from audit.models import Entry
from tests.cast import PASSWORD
from tests.races.together import at_once

NOW = timezone.now()


def sign_in(password, username="alice", **extra):
    return Client().post(reverse("login"), {"username": username, "password": password}, **extra)


@pytest.mark.django_db
def test_the_eleventh_try_is_refused_even_with_the_right_password(alice):
    for _ in range(guessing.PER_ACCOUNT):
        assert sign_in("wrong", username="ALICE@example.org").status_code == 422
    locked = sign_in(PASSWORD)
    assert locked.status_code == 429
    assert "Too many attempts. Try again in 15 minutes." in locked.content.decode()
    assert "_auth_user_id" not in locked.wsgi_request.session
    assert Entry.objects.filter(type="login.failed", object_id=f"user:{alice.pk}").count() == 11
    Attempt.objects.update(at=NOW - guessing.WINDOW)
    assert sign_in(PASSWORD).status_code == 302


@pytest.mark.django_db
def test_a_name_nobody_has_is_locked_the_same(alice):
    for _ in range(guessing.PER_ACCOUNT):
        sign_in("wrong", username="nobody")
    assert sign_in("wrong", username="Nobody").status_code == 429
    assert sign_in(PASSWORD).status_code == 302


@pytest.mark.django_db
def test_signing_in_forgets_the_tries_before(alice):
    for _ in range(guessing.PER_ACCOUNT - 1):
        sign_in("wrong")
    assert sign_in(PASSWORD).status_code == 302
    assert sign_in("wrong").status_code == 422


@pytest.mark.django_db
def test_many_names_from_one_address_are_stopped(alice):
    for number in range(guessing.PER_ADDRESS):
        guessing.attempt(None, f"name{number}", "192.0.2.1", now=NOW)
    with pytest.raises(TooMany):
        guessing.attempt(alice, "alice", "192.0.2.1", now=NOW)
    guessing.attempt(alice, "alice", "192.0.2.2", now=NOW)


@pytest.mark.django_db
def test_what_was_typed_is_not_kept():
    guessing.attempt(None, "hunter2", None, now=NOW)
    assert "hunter2" not in Attempt.objects.get().key


@pytest.mark.django_db
def test_old_tries_are_removed():
    guessing.attempt(None, "a", None, now=NOW - guessing.WINDOW - timedelta(seconds=1))
    guessing.attempt(None, "b", None, now=NOW)
    assert guessing.forget_old(NOW) == 1


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_do_not_slip_through():
    def attempt():
        try:
            guessing.attempt(None, "same", None, now=NOW)
            return True
        except TooMany:
            return False

    assert sum(at_once(*[attempt] * 12)) == guessing.PER_ACCOUNT
