"""Second factors: an app by plain forms, recovery codes, what is stored, what is written, and guessing."""

import re
import time
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.accounts.services import guessing, identity, sign_ins
from approvals.errors import TooMany
from audit.models import Entry
from tests.cast import PASSWORD, actor_for
from tests.html import one_line

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def code_of(secret, steps=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def password(username="alice"):
    client = Client()
    return client, client.post(reverse("login"), {"username": username, "password": PASSWORD})


@pytest.fixture
def enrolled(alice, django_capture_on_commit_callbacks):
    """Alice's secret, enrolled by the forms that she would use."""
    client, _ = password()
    page = reverse("mfa_activate_totp")
    asked = client.get(page)
    assert asked["Location"] == f"{reverse('confirm')}?{urlencode({'next': page})}"  # a sign-in alone changes no factor
    client.post(reverse("confirm"), {"password": PASSWORD, "next": page})
    text = one_line(client.get(page))
    secret = re.search(r'id="authenticator_secret" type="text" value="([A-Z2-7]+)"', text)[1]
    assert "<svg" in text
    assert "data:image" not in text
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(page, {"code": code_of(secret)}).status_code == 302
    cache.clear()  # a code is good once; the tests need more of them than half a minute has
    return secret


def entries(type):
    return Entry.objects.filter(type=type).count()


def test_a_password_alone_no_longer_signs_in(enrolled):
    before = entries("login.succeeded")
    client, answer = password()
    assert answer["Location"] == reverse("mfa_authenticate")
    assert client.get(reverse("queue")).status_code == 302
    assert entries("login.succeeded") == before
    form = one_line(client.get(answer["Location"]))
    assert 'name="code"' in form
    signed_in = client.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)})
    assert signed_in["Location"] == reverse("queue")
    assert client.get(reverse("queue")).status_code == 200
    assert entries("login.succeeded") == before + 1


def test_the_way_to_the_page_asked_for_survives_the_second_factor(enrolled):
    client = Client()
    client.post(reverse("login"), {"username": "alice", "password": PASSWORD, "next": "/history"})
    assert client.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)})["Location"] == "/history"


def test_a_code_is_good_once(enrolled):
    code = code_of(enrolled)
    for expected in (302, 200):
        client, _ = password()
        assert client.post(reverse("mfa_authenticate"), {"code": code}).status_code == expected


def test_wrong_codes_are_entries_and_end_after_ten_tries(enrolled, alice):
    client, _ = password()
    for _ in range(guessing.PER_ACCOUNT):
        assert "Incorrect code" in one_line(client.post(reverse("mfa_authenticate"), {"code": "000000"}))
    locked = client.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)})
    assert "Too many attempts" in one_line(locked)
    assert client.get(reverse("queue")).status_code == 302
    assert Entry.objects.filter(type="login.failed", object_id=f"user:{alice.pk}").count() == guessing.PER_ACCOUNT


def test_a_right_password_gives_no_new_tries_at_codes(enrolled, alice):
    """Or whoever has her session and her password would guess the six digits without limit."""
    client = Client()
    client.force_login(alice)
    for _ in range(guessing.PER_ACCOUNT):
        assert "Incorrect code" in one_line(client.post(reverse("mfa_reauthenticate"), {"code": "000000"}))
    assert client.post(reverse("confirm"), {"password": PASSWORD, "next": "/history"})["Location"] == "/history"
    assert "Too many attempts" in one_line(client.post(reverse("mfa_reauthenticate"), {"code": code_of(enrolled)}))


def test_a_right_code_gives_no_new_tries_at_passwords(enrolled, alice):
    client = Client()
    client.force_login(alice)
    for _ in range(guessing.PER_ACCOUNT):
        assert client.post(reverse("confirm"), {"password": "wrong"}).status_code == 422
    right = client.post(reverse("mfa_reauthenticate"), {"code": code_of(enrolled), "next": "/history"})
    assert right["Location"] == "/history"
    assert client.post(reverse("confirm"), {"password": PASSWORD}).status_code == 429


def test_each_kind_of_proof_forgets_its_own_tries(enrolled, alice):
    client = Client()
    client.force_login(alice)
    for _ in range(2):
        cache.clear()
        for _ in range(guessing.PER_ACCOUNT - 1):
            client.post(reverse("mfa_reauthenticate"), {"code": "000000"})
            client.post(reverse("confirm"), {"password": "wrong"})
        assert client.post(reverse("mfa_reauthenticate"), {"code": code_of(enrolled)}).status_code == 302
        assert client.post(reverse("confirm"), {"password": PASSWORD}).status_code == 302


def test_signing_in_without_it_gives_no_new_tries_at_a_password_or_a_code(alice):
    """A provider's session that is still open proves neither."""
    here = replace(actor_for(alice), ip_address="192.0.2.1")
    for _ in range(guessing.PER_ACCOUNT):
        guessing.sign_in(alice, "alice", here.ip_address, now=NOW)
        guessing.code(alice, here.ip_address, now=NOW)
    sign_ins.record_sign_in(alice, ["socialaccount"], actor=here, now=NOW)
    with pytest.raises(TooMany):
        guessing.sign_in(alice, "alice", here.ip_address, now=NOW)
    with pytest.raises(TooMany):
        guessing.code(alice, here.ip_address, now=NOW)
    sign_ins.record_sign_in(alice, ["password", "mfa"], actor=here, now=NOW)
    guessing.sign_in(alice, "alice", here.ip_address, now=NOW)
    guessing.code(alice, here.ip_address, now=NOW)


@pytest.mark.parametrize("end", ["password", "everywhere"])
def test_a_sign_in_that_waits_for_its_code_ends_with_its_persons_sessions(enrolled, alice, end):
    client, _ = password()
    if end == "password":
        identity.change_password(alice, "quite another staple", session_key=None, actor=actor_for(alice), now=NOW)
    else:
        identity.sign_out_everywhere(alice, actor=actor_for(alice), now=NOW)
    answer = client.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)})
    assert answer.status_code == 403
    assert "Sign in again" in one_line(answer)
    assert client.get(reverse("queue")).status_code == 302
    cache.clear()
    again = client.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)})
    assert client.get(reverse("queue")).status_code == 302, again["Location"]
    assert entries("login.failed") == 1


def test_a_recovery_code_signs_in_once(enrolled, alice):
    codes = Authenticator.objects.get(user=alice, type="recovery_codes").wrap().get_unused_codes()
    for expected in (302, 200):
        client, _ = password()
        assert client.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == expected


def test_what_is_stored_gives_nobody_a_code(enrolled, alice, settings):
    stored = {one.type: one.data for one in Authenticator.objects.filter(user=alice)}
    assert enrolled not in str(stored)
    assert get_adapter().decrypt(stored["totp"]["secret"]) == enrolled
    settings.SECRET_KEY = "another"
    assert get_adapter().decrypt(stored["totp"]["secret"]) not in {"", enrolled}
    client, _ = password()
    assert client.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)}).status_code == 200


def test_each_change_of_a_factor_is_an_entry(enrolled, alice):
    assert entries("factor.changed") == 1
    client, _ = password()
    client.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)})
    client.post(reverse("confirm"), {"password": PASSWORD})
    answer = client.post(reverse("mfa_deactivate_totp"), follow=True)
    assert not Authenticator.objects.filter(user=alice).exists()
    assert entries("factor.changed") == 2
    assert "Your other sessions go on" in answer.content.decode(), "who changes a factor may end what went before"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("mfa_activate_totp", set()),
        ("mfa_deactivate_totp", {"totp", "recovery_codes"}),
        ("mfa_generate_recovery_codes", {"totp", "recovery_codes"}),
        ("mfa_remove_webauthn", {"webauthn"}),
    ],
)
def test_no_factor_changes_without_its_entry(alice, monkeypatch, name, kinds):
    def broken(*_, **__):
        raise RuntimeError("the log is full")

    for kind in sorted(kinds):
        secret = {"secret": get_adapter().encrypt(generate_totp_secret())} if kind == "totp" else {"seed": "x"}
        Authenticator.objects.create(user=alice, type=kind, data=secret)
    before = list(Authenticator.objects.values_list("pk", "type"))
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    client.post(reverse("confirm"), {"password": PASSWORD})
    if kinds:  # who has a factor proves it first
        session = client.session
        session["account_authentication_methods"] += [{"method": "mfa", "at": time.time()}]
        session.save()
    body = {}
    if name == "mfa_activate_totp":
        text = one_line(client.get(reverse(name)))
        body = {"code": code_of(re.search(r'id="authenticator_secret" type="text" value="([A-Z2-7]+)"', text)[1])}
    address = reverse(name, args=[before[0][0]] if name == "mfa_remove_webauthn" else [])
    with monkeypatch.context() as patched:
        patched.setattr(identity, "record_second_factor", broken)
        assert client.post(address, body).status_code == 500
    assert list(Authenticator.objects.values_list("pk", "type")) == before
    assert not Entry.objects.filter(type="factor.changed").exists()
    cache.clear()
    assert client.post(address, body).status_code == 302
    assert list(Authenticator.objects.values_list("pk", "type")) != before
    assert entries("factor.changed") == 1


def test_a_code_is_enough_to_confirm_who_one_is(enrolled, alice):
    client = Client()
    client.force_login(alice)
    text = one_line(client.get(f"{reverse('confirm')}?next=/history"))
    assert f'href="{reverse("mfa_reauthenticate")}?next=%2Fhistory"' in text
    back = client.post(reverse("mfa_reauthenticate"), {"code": code_of(enrolled), "next": "/history"})
    assert back["Location"] == "/history"
    assert client.session["account_authentication_methods"][-1]["method"] == "mfa"
    assert entries("login.confirmed") == 2  # at enrolment by the password


def test_nobody_signs_up(client):
    answer = client.get(reverse("account_signup"))
    assert "login__card" in one_line(answer)
    assert "password1" not in one_line(answer)
    client.post(reverse("account_signup"), {"email": "e@example.org", "username": "eve", "password1": PASSWORD})
    assert client.post(reverse("login"), {"username": "eve", "password": PASSWORD}).status_code == 422


@pytest.mark.parametrize("name", ["mfa_index", "mfa_list_webauthn", "mfa_add_webauthn", "mfa_reauthenticate"])
def test_the_pages_about_factors_are_ours_in_looks(enrolled, name):
    client, _ = password()
    client.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)})
    client.post(reverse("confirm"), {"password": PASSWORD})
    text = one_line(client.get(reverse(name)))
    assert "css/hitl.css" in text
    assert 'id="main"' in text
    assert 'class="btn' in text


def test_the_admin_has_no_second_door_to_factors_and_sessions(client, django_user_model):
    root = django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD)
    client.force_login(root)
    assert "/admin/mfa/" not in one_line(client.get("/admin/"))
    assert client.get("/admin/mfa/authenticator/").status_code == 404
    assert client.get("/admin/socialaccount/socialapp/").status_code == 404


def test_the_audit_log_says_by_what_somebody_signed_in(enrolled, sign_in, audrey):
    client, _ = password()
    client.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)})
    text = one_line(sign_in(audrey).get(reverse("audit:entries")))
    assert "password, second factor" in text
    assert "authenticator app added" in text


def test_an_administrator_removes_the_factors_of_somebody_who_lost_them(enrolled, alice, client, django_user_model):
    root = django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD)
    alices, _ = password()
    alices.post(reverse("mfa_authenticate"), {"code": code_of(enrolled)})
    Authenticator.objects.create(user=root, type="totp", data={"secret": get_adapter().encrypt(enrolled)})
    client.force_login(root)
    client.post("/admin/approvals/user/", {"action": "remove_factors", "_selected_action": [alice.pk, root.pk]})
    assert [one.user for one in Authenticator.objects.all()] == [root]  # not one's own
    assert alices.get(reverse("queue")).status_code == 302
    assert Entry.objects.filter(type="factor.changed", actor_id=f"user:{root.pk}").count() == 1
    assert password()[1]["Location"] == reverse("queue")
