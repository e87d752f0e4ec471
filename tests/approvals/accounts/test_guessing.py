"""Guessing is limited by name and address, and for the signed-in apart; every process counts in the database."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.errors import TooMany
from approvals.models import Attempt
from approvals.services import guessing
from audit.models import Entry
from audit.words import summary
from tests.cast import PASSWORD
from tests.html import one_line
from tests.races.together import at_once

NOW = timezone.now()


def sign_in(password, username="alice", **extra):
    return Client().post(reverse("login"), {"username": username, "password": password}, **extra)


@pytest.mark.django_db
def test_the_eleventh_try_is_refused_even_with_the_right_password(alice):
    for _ in range(guessing.PER_ACCOUNT):
        assert sign_in("wrong", username="ALICE@example.org").status_code == 422
    locked = sign_in(PASSWORD, username="alice@example.org")
    assert locked.status_code == 429
    assert "Too many attempts. Try again in 15 minutes." in one_line(locked)
    assert "_auth_user_id" not in locked.wsgi_request.session
    assert Entry.objects.filter(type="login.failed", object_id=f"user:{alice.pk}").count() == 10
    Attempt.objects.update(at=NOW - guessing.WINDOW)
    assert sign_in(PASSWORD, username="alice@example.org").status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "other"), [("alice", "alice@example.org"), ("nobody", "nobody@example.org")])
def test_a_locked_name_tells_no_other_name_of_its_account(alice, name, other):
    for _ in range(guessing.PER_ACCOUNT):
        sign_in("wrong", username=name)
    locked, free = sign_in("wrong", username=name), sign_in("wrong", username=other)
    assert (locked.status_code, free.status_code) == (429, 422)
    assert "Email or password is wrong." in one_line(free)


@pytest.mark.django_db
def test_strangers_lock_nobody_out_at_another_address(alice):
    for _ in range(guessing.PER_ACCOUNT + 1):
        sign_in("wrong", REMOTE_ADDR="203.0.113.9")
    assert sign_in(PASSWORD, REMOTE_ADDR="203.0.113.9").status_code == 429
    assert sign_in(PASSWORD).status_code == 302
    assert sign_in(PASSWORD, REMOTE_ADDR="203.0.113.9").status_code == 429, "her sign-in gives strangers no new tries"


@pytest.mark.django_db
def test_strangers_lock_no_signed_in_person_out_of_step_up(alice, client):
    client.post(reverse("login"), {"username": "alice", "password": PASSWORD})
    for address in range(30):
        for _ in range(guessing.PER_ACCOUNT):
            sign_in("wrong", REMOTE_ADDR=f"203.0.113.{address}")
    assert sign_in(PASSWORD, REMOTE_ADDR="198.51.100.1").status_code == 429, "many addresses share a limit"
    confirmed = client.post(reverse("confirm"), {"password": PASSWORD, "next": "/history"})
    assert confirmed["Location"] == "/history"
    assert sign_in(PASSWORD).status_code == 302, "where her session is, she signs in"


@pytest.mark.django_db
def test_a_stranger_behind_the_same_address_takes_no_proof_away(alice, client):
    client.post(reverse("login"), {"username": "alice", "password": PASSWORD})
    for number in range(guessing.PER_ADDRESS):
        sign_in("wrong", username=f"name{number}")
    assert sign_in(PASSWORD).status_code == 429
    assert client.post(reverse("confirm"), {"password": PASSWORD, "next": "/history"})["Location"] == "/history"


@pytest.mark.django_db
def test_wrong_proofs_of_a_session_lock_no_sign_in(alice, client):
    client.post(reverse("login"), {"username": "alice", "password": PASSWORD})
    for _ in range(guessing.PER_ACCOUNT + 1):
        answer = client.post(reverse("confirm"), {"password": "wrong", "next": "/"})
    assert answer.status_code == 429
    assert sign_in(PASSWORD).status_code == 302


def entries(type="login."):
    found = Entry.objects.filter(type__startswith=type).exclude(type="login.succeeded").order_by("pk")
    return [(entry.type, entry.object_id, json.loads(bytes(entry.body))["data"]) for entry in found]


@pytest.mark.django_db
def test_locked_tries_are_one_entry_with_their_number(alice):
    for _ in range(guessing.PER_ACCOUNT + 40):
        sign_in("wrong", REMOTE_ADDR="203.0.113.9")
    assert len(entries()) == guessing.PER_ACCOUNT
    assert guessing.sum_up(timezone.now()) == 0, "not before the window is over"
    later = timezone.now() + guessing.WINDOW
    assert (guessing.sum_up(later), guessing.sum_up(later)) == (1, 0)
    type, about, data = entries()[-1]
    assert (type, about) == ("login.locked", f"user:{alice.pk}")
    assert (data["kind"], data["counted_by"], data["tries"]) == ("sign-in", "at", 40)
    assert data["first_at"] < data["last_at"]
    assert len(entries()) == guessing.PER_ACCOUNT + 1
    written = Entry.objects.select_related("context").get(type="login.locked")
    assert written.context.ip_address == "203.0.113.9"
    assert summary("login.locked", data) == "40 tries of one name from one address, sign-in"


@pytest.mark.django_db
def test_locked_proofs_are_one_entry_of_their_person(alice, client):
    client.post(reverse("login"), {"username": "alice", "password": PASSWORD})
    for _ in range(guessing.PER_ACCOUNT + 5):
        client.post(reverse("confirm"), {"password": "wrong", "next": "/"})
    guessing.sum_up(timezone.now() + guessing.WINDOW)
    _, about, data = entries("login.locked")[0]
    assert (about, data["kind"], data["counted_by"], data["tries"]) == (f"user:{alice.pk}", "proof", "proof", 5)
    assert Entry.objects.get(type="login.locked").actor_id == f"user:{alice.pk}"


@pytest.mark.django_db
def test_a_visitor_who_returns_from_the_provider_with_nothing_fills_no_log(single_sign_on):
    callback = reverse("openid_connect_callback", args=["sso"])
    for _ in range(guessing.PER_ADDRESS + 20):
        Client().get(callback, {"error": "access_denied_by_nobody", "state": "none"})
    assert len(entries("login.failed")) == guessing.PER_ADDRESS
    guessing.sum_up(timezone.now() + guessing.WINDOW)
    assert entries("login.locked")[0][2]["tries"] == 20


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_addresses_of_one_customer_count_as_one(address, counted):
    assert guessing.network(address) == counted


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
        guessing.sign_in(None, f"name{number}", "192.0.2.1", now=NOW)
    with pytest.raises(TooMany):
        guessing.sign_in(alice, "alice", "192.0.2.1", now=NOW)
    guessing.sign_in(alice, "alice", "192.0.2.2", now=NOW)


@pytest.mark.django_db
def test_what_was_typed_is_not_kept():
    guessing.sign_in(None, "hunter2", None, now=NOW)
    assert "hunter2" not in str(list(Attempt.objects.values_list("key", flat=True)))


@pytest.mark.django_db
def test_old_tries_are_removed():
    guessing.from_provider("192.0.2.1", now=NOW - guessing.WINDOW - timedelta(seconds=1))
    guessing.from_provider("192.0.2.1", now=NOW)
    assert guessing.forget_old(NOW) == 1


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_do_not_slip_through():
    def attempt():
        try:
            guessing.sign_in(None, "same", None, now=NOW)
            return True
        except TooMany:
            return False

    assert sum(at_once(*[attempt] * 12)) == guessing.PER_ACCOUNT
