"""A person's account page: sessions and their limits, signing out everywhere, personal tokens."""

import re
import time

import pytest
from django.test import Client
from django.urls import reverse

from approvals.accounts.sessions import BEGAN, SEEN
from approvals.models import ApiToken
from audit.models import Entry
from tests.cast import PASSWORD, Api, proved
from tests.html import one_line

pytestmark = pytest.mark.django_db


def sign_in_by_form(username="alice", agent="Firefox on a desk"):
    client = Client(headers={"User-Agent": agent})
    assert client.post(reverse("login"), {"username": username, "password": PASSWORD}).status_code == 302
    return client


def set_back(client, name, seconds):
    session = client.session
    session[BEGAN] = session.get(BEGAN, int(time.time()))
    session[SEEN] = session.get(SEEN, int(time.time()))
    session[name] -= seconds
    session.save()


def signed_in(client):
    return client.get(reverse("queue")).status_code == 200


def ended(alice):
    entries = Entry.objects.filter(type="login.ended", object_id=f"user:{alice.pk}")
    return [re.search(rb'"why":"([^"]+)"', bytes(entry.body))[1].decode() for entry in entries.order_by("pk")]


def account(client):
    return one_line(client.get(reverse("account")))


def test_a_session_nobody_used_is_over(alice, settings):
    client = sign_in_by_form()
    set_back(client, SEEN, settings.SESSION_IDLE_MINUTES * 60 - 30)
    assert signed_in(client)
    set_back(client, SEEN, settings.SESSION_IDLE_MINUTES * 60)
    answer = client.get(reverse("history"))
    assert answer["Location"] == f"{reverse('login')}?next={reverse('history')}"
    assert ended(alice) == ["nobody used it"]


def test_no_session_outlives_its_longest_time_however_busy(alice, settings):
    client = sign_in_by_form()
    set_back(client, BEGAN, settings.SESSION_ABSOLUTE_HOURS * 3600)
    assert not signed_in(client)
    assert ended(alice) == ["the longest time of a session was over"]
    api = Api(user=alice)
    set_back(api.client, BEGAN, settings.SESSION_ABSOLUTE_HOURS * 3600)
    assert api.get("/hitl/patches/pending").status_code == 401


def test_what_an_open_page_asks_by_itself_keeps_no_session_alive(alice, make_patch):
    client = sign_in_by_form()
    signed_in(client)
    set_back(client, SEEN, 3600)
    before = client.session[SEEN]
    client.get(reverse("queue-counts"))
    client.get(reverse("patch-panel", args=[make_patch().decision_id]))
    assert client.session[SEEN] == before
    signed_in(client)
    assert client.session[SEEN] > before


def test_the_page_lists_sessions_and_ends_one(alice):
    here, there = sign_in_by_form(agent="Firefox on a desk"), sign_in_by_form(agent="Safari on a phone")
    text = account(here)
    assert "Firefox on a desk" in text
    assert "Safari on a phone" in text
    address = re.search(r'action="(/accounts/sessions/\d+/end)"', text)[1]
    assert here.post(address).status_code == 302
    assert not signed_in(there)
    assert signed_in(here)
    assert "Safari on a phone" not in account(here)
    assert ended(alice) == ["ended from the account page"]


def test_a_session_left_open_ends_no_other(alice):
    here, there = proved(sign_in_by_form(), 6), sign_in_by_form(agent="Safari on a phone")
    address = re.search(r'action="(/accounts/sessions/\d+/end)"', account(here))[1]
    for asked in (address, reverse("sign-out-everywhere")):
        assert here.post(asked)["Location"] == f"{reverse('confirm')}?next=%2Faccounts%2F"
    assert signed_in(there)
    assert signed_in(here)
    assert ended(alice) == []
    proved(here)
    assert here.post(reverse("sign-out-everywhere"))["Location"] == reverse("login")
    assert not signed_in(there)


def test_nobody_ends_the_session_of_another(alice, bob):
    mine, theirs = sign_in_by_form(), sign_in_by_form("bob")
    sign_in_by_form("bob")
    address = re.search(r'action="(/accounts/sessions/\d+/end)"', account(theirs))[1]
    assert mine.post(address).status_code == 404
    assert signed_in(theirs)


def test_signing_out_everywhere_ends_also_what_no_list_knows(alice, bob, sign_in):
    here, there, unlisted, other = sign_in_by_form(), sign_in_by_form(), sign_in(alice), sign_in(bob)
    assert here.get(reverse("sign-out-everywhere")).status_code == 405
    assert here.post(reverse("sign-out-everywhere"))["Location"] == reverse("login")
    assert [signed_in(client) for client in (here, there, unlisted, other)] == [False, False, False, True]
    assert ended(alice) == ["signed out everywhere"]
    assert signed_in(sign_in_by_form())


def test_a_personal_token_is_made_shown_once_and_revoked(alice):
    client = sign_in_by_form()
    made = one_line(client.post(reverse("token-issue"), {"name": "my laptop", "days": "30"}))
    secret = re.search(r'<code id="secret">(hitl_\w+_[\w-]+)</code>', made)[1]
    api = Api(secret)
    assert api.get("/hitl/patches/pending").status_code == 200
    text = account(client)
    assert "my laptop" in text
    assert secret not in text
    token = ApiToken.objects.get(user=alice)
    assert 29 < (token.expires_at - token.created_at).days <= 30
    client.post(reverse("token-revoke", args=[token.pk]))
    assert api.get("/hitl/patches/pending").status_code == 401
    account(client)  # with the notice that it is revoked
    assert "my laptop" not in account(client)
    assert Entry.objects.filter(type="token.issued").count() == Entry.objects.filter(type="token.revoked").count() == 1


def test_a_session_alone_makes_no_token(alice, sign_in):
    answer = sign_in(alice).post(reverse("token-issue"), {"name": "stolen", "days": "30"})
    assert answer["Location"].startswith(reverse("confirm"))
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("wrong", [{"name": ""}, {"days": "9999"}, {"name": "a\u200bb"}])
def test_a_wrong_token_form_makes_none(alice, wrong):
    answer = sign_in_by_form().post(reverse("token-issue"), {"name": "x", "days": "30", **wrong})
    assert answer.status_code == 422
    assert not ApiToken.objects.exists()


def test_nobody_revokes_the_token_of_another(alice, bob, token_for, sign_in):
    token_for("personal", "mine", alice)
    token = ApiToken.objects.get()
    assert sign_in(bob).post(reverse("token-revoke", args=[token.pk])).status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_the_account_page_needs_a_sign_in(client):
    assert client.get(reverse("account"))["Location"].startswith(reverse("login"))
