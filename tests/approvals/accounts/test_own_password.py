"""A person's new password: the present one is asked, other sessions end, this one goes on, guesses are counted."""

import json

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse

from approvals.accounts.services import guessing
from approvals.models import User
from audit.models import Entry
from tests.cast import PASSWORD
from tests.html import one_line

pytestmark = pytest.mark.django_db

NEW = "quite another battery staple"


def sign_in_by_form(password=PASSWORD):
    client = Client()
    client.post(reverse("login"), {"username": "alice", "password": password})
    return client


def change(client, **fields):
    sent = {"password": PASSWORD, "new_password1": NEW, "new_password2": NEW, **fields}
    return client.post(reverse("password"), sent)


def signed_in(client):
    return client.get(reverse("queue")).status_code == 200


def has(alice, password):
    return User.objects.get(pk=alice.pk).check_password(password)


def test_the_new_password_holds_other_sessions_end_and_this_one_goes_on(alice):
    here, there = sign_in_by_form(), sign_in_by_form()
    key = here.session.session_key
    assert f'href="{reverse("password")}"' in one_line(here.get(reverse("account")))
    assert 'autocomplete="current-password"' in one_line(here.get(reverse("password")))
    assert change(here)["Location"] == reverse("account")
    page = one_line(here.get(reverse("account")))
    assert "Your password is changed." in page
    assert "this one" in page
    assert not signed_in(there)
    assert here.session.session_key != key
    assert UserSession.objects.get(user=alice).session_key == here.session.session_key
    assert has(alice, NEW)
    assert signed_in(sign_in_by_form(NEW))
    assert not signed_in(sign_in_by_form())
    entry = Entry.objects.get(type="user.changed")
    data = json.loads(bytes(entry.body))["data"]
    assert (entry.actor_id, entry.object_id, data["fields"]) == (f"user:{alice.pk}", f"user:{alice.pk}", ["password"])
    assert NEW.encode() not in bytes(entry.body)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"password": "wrong"}, "The password is wrong."),
        ({"password": ""}, "Enter your password."),
        ({"new_password1": "short", "new_password2": "short"}, "too short"),
        ({"new_password1": "alice@example.org", "new_password2": "alice@example.org"}, "too similar"),
        ({"new_password2": "another one altogether"}, "The two new passwords are not the same."),
        ({"new_password1": ""}, "required"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(alice, fields, sentence):
    client, other = sign_in_by_form(), sign_in_by_form()
    answer = change(client, **fields)
    assert answer.status_code == 422
    assert sentence in one_line(answer)
    assert has(alice, PASSWORD)
    assert signed_in(other)
    assert not Entry.objects.filter(type="user.changed").exists()


def test_a_slip_in_the_new_password_is_no_guess_and_ten_wrong_ones_are_the_last(alice):
    client = sign_in_by_form()
    for _ in range(guessing.PER_ACCOUNT + 1):
        assert change(client, new_password2="different").status_code == 422
    for _ in range(guessing.PER_ACCOUNT):
        assert change(client, password="wrong").status_code == 422
    locked = change(client)
    assert locked.status_code == 429
    assert "Too many attempts" in one_line(locked)
    assert int(locked["Retry-After"]) > 0
    assert has(alice, PASSWORD)
    assert Entry.objects.filter(type="login.failed", object_id=f"user:{alice.pk}").count() == guessing.PER_ACCOUNT


def test_who_has_no_password_here_changes_none(alice, sign_in):
    alice.set_unusable_password()
    alice.save()
    client = sign_in(alice)
    assert reverse("password") not in one_line(client.get(reverse("account")))
    for answer in (client.get(reverse("password"), follow=True), client.post(reverse("password"), follow=True)):
        assert "you sign in at your provider" in one_line(answer)
    assert not User.objects.get(pk=alice.pk).has_usable_password()


def test_it_needs_a_sign_in(client, db):
    for answer in (client.get(reverse("password")), change(client)):
        assert answer["Location"].startswith(reverse("login"))
