"""Where a policy or the install asks for a second factor: a code or key at step-up, and nobody in without one."""

import time

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import ApiToken, Decision, Policy, Status
from approvals.policy.loosening import loosens
from approvals.services import access
from audit.models import Entry
from tests.cast import PASSWORD, Api, actor_for, opened, proved, republish
from tests.html import one_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def asking(make_patch):
    """A medium patch whose policy asks for a second factor."""
    republish(Policy.objects.get(name="medium"), second_factor=True)
    return make_patch(severity="medium")


@pytest.fixture
def app(alice):
    """Alice's authenticator app: a function that gives the code of this moment."""
    secret = generate_totp_secret()
    TOTP.activate(alice, secret)
    cache.clear()
    return lambda: format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def page(decision):
    return reverse("patch-detail", args=[decision.decision_id])


def decide(client, decision, **more):
    body = {"verdict": "approve", "patch_sha256": decision.patch.sha256, "displayed": "page", "text": "Read.", **more}
    return opened(client, decision).post(reverse("patch-decide", args=[decision.decision_id]), body)


def status_of(decision):
    return Decision.objects.get(pk=decision.pk).status


def give_code(client, app, back="/"):
    return client.post(reverse("mfa_reauthenticate"), {"code": app(), "next": back})


def test_a_password_is_not_enough_and_a_code_is(sign_in, alice, app, asking):
    client = proved(sign_in(alice))
    shown = one_line(client.get(page(asking)))
    assert "It takes a code of your app or your security key" in shown
    assert 'name="password"' not in shown
    assert "Use an app or recovery code" in shown
    asked = decide(client, asking, password=PASSWORD)
    assert asked["Location"].startswith(reverse("confirm"))
    form = one_line(client.get(asked["Location"]))
    assert 'name="password"' not in form
    assert "Your password alone is not enough here." in form
    assert status_of(asking) == Status.PENDING
    back = f"{page(asking)}#decision"
    assert give_code(client, app, back)["Location"] == back
    shown = one_line(client.get(page(asking)))
    assert ">Read.</textarea>" in shown, "what was typed is kept"
    decide(client, asking)
    assert status_of(asking) == Status.APPROVED


def test_an_old_code_is_asked_again(sign_in, alice, app, asking):
    client = sign_in(alice)
    give_code(client, app)
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 301
    session.save()
    decide(client, asking)
    assert status_of(asking) == Status.PENDING


def test_who_has_no_factor_is_led_to_adding_one(sign_in, bob, asking):
    client = proved(sign_in(bob))
    shown = one_line(client.get(page(asking)))
    assert f'href="{reverse("mfa_index")}">add one first</a>' in shown
    form = one_line(client.get(decide(client, asking)["Location"]))
    assert f'href="{reverse("mfa_index")}"' in form
    assert "You have no second factor yet" in form
    assert status_of(asking) == Status.PENDING


def test_every_other_channel_is_led_to_the_page(sign_in, alice, app, asking, api_of):
    body = {"decision_id": str(asking.decision_id), "patch_sha256": asking.patch.sha256}
    answer = api_of(alice).post(f"/hitl/patches/{asking.patch.patch_id}/approve", body)
    assert (answer.status_code, answer.json()["type"]) == (403, "step_up_required")


def test_rejecting_asks_for_no_factor(sign_in, alice, asking):
    decide(sign_in(alice), asking, verdict="reject", category="incomplete", text="No.")
    assert status_of(asking) == Status.REJECTED


def test_the_setting_asks_for_it_wherever_a_policy_asks_for_step_up(sign_in, alice, app, make_patch, settings):
    settings.SECOND_FACTOR_REQUIRED = True
    republish(Policy.objects.get(name="medium"), step_up=True)
    stepping, free = make_patch(severity="medium"), make_patch(severity="low")
    client = proved(sign_in(alice))
    decide(client, stepping, password=PASSWORD)
    decide(client, free)
    assert (status_of(stepping), status_of(free)) == (Status.PENDING, Status.APPROVED)
    give_code(client, app)
    decide(client, stepping)
    assert status_of(stepping) == Status.APPROVED


def test_the_setting_lets_nobody_work_without_a_factor(sign_in, alice, bob, app, settings, make_patch, token_for):
    settings.SECOND_FACTOR_REQUIRED = True
    make_patch()
    lacking, having = sign_in(bob), sign_in(alice)
    for address in (reverse("queue"), reverse("history"), "/admin/"):
        assert lacking.get(address)["Location"] == reverse("mfa_index"), address
    assert lacking.get("/hitl/patches/pending").status_code == 403
    assert lacking.get(reverse("account")).status_code == 200
    assert lacking.get(reverse("mfa_index")).status_code == 200
    assert having.get(reverse("queue")).status_code == 200
    assert Api(token_for("deployer", "argo")).get("/hitl/decisions").status_code == 200


def test_a_token_is_made_with_a_code_where_the_setting_says_so(sign_in, alice, app, settings):
    settings.SECOND_FACTOR_REQUIRED = True
    client = proved(sign_in(alice))
    asked = client.post(reverse("token-issue"), {"name": "laptop", "days": 30})
    assert asked["Location"].startswith(reverse("confirm"))
    assert not ApiToken.objects.filter(user=alice).exists()
    assert 'name="password"' not in one_line(client.get(asked["Location"]))
    give_code(client, app)
    assert client.post(reverse("token-issue"), {"name": "laptop", "days": 30}).status_code == 200
    assert ApiToken.objects.filter(user=alice).count() == 1


def test_dropping_the_term_loosens_and_setting_it_does_not():
    place = {"name": "medium", "position": 1, "enabled": True}
    old = {
        "match": "true", "auto_approval": "off", "required_approvals": 1, "required_groups": [], "decider_groups": [],
        "deny_threshold": 1, "step_up": True, "auto_approve_threshold": "0.95", "spot_check_percent": 0,
        "location_slack": 25, "allowed_marks": [], "gate_conditions": False, "expire_action": "expire",
    }  # fmt: skip
    new = old | {"second_factor": True}
    assert loosens(old, new, place, place) == []
    assert loosens(new, old, place, place) == ["Approving no longer asks for a second factor."]
    assert loosens(old, new | {"step_up": False}, place, place) == []


# A new key after each proof


@pytest.mark.parametrize("by", ["password", "code"])
def test_a_session_has_a_new_key_after_step_up_and_the_old_one_is_over(alice, app, by):
    client = Client()
    client.force_login(alice)
    before = client.session.session_key
    if by == "password":
        client.post(reverse("confirm"), {"password": PASSWORD, "next": "/"})
    else:
        give_code(client, app)
    assert client.session.session_key != before
    assert client.get(reverse("queue")).status_code == 200
    assert Entry.objects.filter(type="login.confirmed", object_id=f"user:{alice.pk}").count() == 1
    stolen = Client()
    stolen.cookies["sessionid"] = before
    answer = stolen.get(reverse("queue"))
    assert answer["Location"].startswith(reverse("login"))
    assert "sessionid" not in answer.cookies, "a late answer under the old key takes no cookie away"


def test_a_wrong_proof_changes_no_key(alice, app, sign_in):
    client = sign_in(alice)
    before = client.session.session_key
    client.post(reverse("confirm"), {"password": "wrong", "next": "/"})
    client.post(reverse("mfa_reauthenticate"), {"code": "000000"})
    assert client.session.session_key == before


def test_signing_out_still_takes_the_cookie_away(alice, sign_in):
    answer = sign_in(alice).post(reverse("logout"))
    assert answer.cookies["sessionid"].value == ""


# Signing out everywhere


@pytest.mark.parametrize("ticked", [True, False])
def test_signing_out_everywhere_offers_the_tokens(alice, sign_in, ticked):
    secret = access.issue_token("laptop", "personal", actor=actor_for(alice), now=timezone.now(), user=alice)[1]
    client = proved(sign_in(alice))
    assert "Revoke my 1 personal token too" in one_line(client.get(reverse("account")))
    client.post(reverse("sign-out-everywhere"), {"tokens": "on"} if ticked else {})
    assert client.get(reverse("queue")).status_code == 302
    assert Api(secret).get("/hitl/patches/pending").status_code == (401 if ticked else 200)
    assert Entry.objects.filter(type="token.revoked").count() == ticked


def test_without_tokens_there_is_nothing_to_tick(alice, sign_in):
    assert 'name="tokens"' not in sign_in(alice).get(reverse("account")).content.decode()
