"""Guessing is limited by name and address, and for the signed-in apart; every process counts in the database."""

import ipaddress
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.errors import TooMany
from approvals.models import Attempt
from approvals.services import access, guessing
from audit.log import Actor
from audit.models import ActorKind, Entry
from audit.types import summary
from tests.cast import PASSWORD
from tests.html import one_line
from tests.races.together import at_once

NOW = timezone.now()


def nobody_at(address):
    return Actor("anonymous", ActorKind.HUMAN, "", ip_address=address)


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
    assert Entry.objects.filter(type="login.failed", object_id=f"user:{alice.pk}").count() == 1
    Attempt.objects.update(at=NOW - guessing.WINDOW)
    assert sign_in(PASSWORD, username="alice@example.org").status_code == 302


@pytest.mark.django_db
def test_another_spelling_of_the_same_name_gives_no_new_tries(alice):
    assert sign_in(PASSWORD, username="al\u0131ce").status_code == 302, "the database takes a dotless i for an i"
    for _ in range(guessing.PER_ACCOUNT):
        assert sign_in("wrong", username="al\u0131ce").status_code == 422
    assert sign_in(PASSWORD).status_code == 429


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
    assert len(entries()) == 1, "the first is told at once"
    assert guessing.sum_up(timezone.now()) == 0, "not before the window is over"
    later = timezone.now() + guessing.WINDOW
    assert (guessing.sum_up(later), guessing.sum_up(later)) == (2, 0)
    [_, (_, whose, below), (type, about, data)] = entries()
    assert (whose, below["counted_by"], below["tries"]) == (f"user:{alice.pk}", "account", guessing.PER_ACCOUNT - 1)
    assert summary("login.failed", below) == "9 further tries at this account"
    assert (type, about) == ("login.locked", f"user:{alice.pk}")
    assert (data["kind"], data["counted_by"], data["tries"]) == ("sign-in", "at", 40)
    assert data["first_at"] < data["last_at"]
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
    assert len(entries("login.failed")) == 1
    guessing.sum_up(timezone.now() + guessing.WINDOW)
    assert entries("login.failed")[1][2]["tries"] == guessing.PER_ADDRESS - 1
    assert entries("login.locked")[0][2]["tries"] == 20


def tries_of(found):
    return sum(data.get("tries", 1) for _, _, data in found)


@pytest.mark.django_db
def test_strangers_with_many_names_and_addresses_leave_few_entries(alice):
    """What nobody with an account does costs the log a fixed number of entries a window, and none of the numbers."""
    for number in range(2000):
        address = str(ipaddress.ip_address("2001:db8::") + (number % 700 << 64))
        access.record_failed_sign_in(None, actor=nobody_at(address), now=NOW)
    sign_in("wrong", REMOTE_ADDR="203.0.113.9")
    assert len(entries()) == guessing.STRANGERS + 1
    assert entries()[-1][1] == f"user:{alice.pk}", "the first of an account is never lost among them"
    guessing.sum_up(timezone.now() + guessing.WINDOW)
    assert len(entries()) <= 2 * guessing.STRANGERS + 2
    assert tries_of(entries()) == 2001
    rest = [data for _, _, data in entries() if data.get("counted_by") == "rest"]
    assert summary("login.failed", rest[0]).startswith("1,940 further tries from many addresses")


@pytest.mark.django_db
def test_locked_strangers_leave_few_entries(db):
    for number in range(40):
        for _ in range(guessing.PER_ACCOUNT):
            guessing.sign_in(None, f"name{number}", f"203.0.113.{number}", now=NOW)
        for _ in range(3):
            with pytest.raises(TooMany):
                guessing.sign_in(None, f"name{number}", f"203.0.113.{number}", now=NOW)
    guessing.sum_up(NOW + guessing.WINDOW)
    assert len(entries()) == guessing.STRANGERS + 1
    assert tries_of(entries()) == 120
    assert [data["counted_by"] for _, _, data in entries("login.locked")].count("rest") == 1


@pytest.mark.django_db
def test_tries_at_one_account_from_many_addresses_are_two_entries(alice):
    for number in range(30):
        sign_in("wrong", REMOTE_ADDR=f"203.0.113.{number}")
    guessing.sum_up(timezone.now() + guessing.WINDOW)
    assert [(about, data.get("tries")) for _, about, data in entries()] == [
        (f"user:{alice.pk}", None),
        (f"user:{alice.pk}", 29),
    ]
    addresses = Entry.objects.filter(type="login.failed").order_by("pk").values_list("context__ip_address", flat=True)
    assert list(addresses) == ["203.0.113.0", None], "no address is named for the others"


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_are_all_counted(alice):
    def attempt():
        access.record_failed_sign_in(alice, actor=nobody_at("203.0.113.9"), now=NOW)
        access.record_failed_sign_in(None, actor=nobody_at("203.0.113.9"), now=NOW)

    at_once(*[attempt] * 8)
    guessing.sum_up(NOW + guessing.WINDOW)
    assert (len(entries()), tries_of(entries())) == (4, 16)


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
