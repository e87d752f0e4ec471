"""What a signed-in person, an administrator or a machine could try so that a rule about who they are does not hold."""

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.accounts.services import owners
from approvals.errors import NotAllowed
from approvals.models import Comment, Review, User, Verdict
from approvals.services import reviews
from audit.models import Entry
from tests.cast import PASSWORD, Api, actor_for, proved

pytestmark = pytest.mark.django_db

FACTOR_PAGES = [
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_add_webauthn",
]


@pytest.fixture
def app(alice):
    """Alice's authenticator app and recovery codes: a function that gives the code of this moment."""
    secret = generate_totp_secret()
    TOTP.activate(alice, secret)
    Authenticator.objects.create(user=alice, type="recovery_codes", data={"migrated_codes": []})
    cache.clear()
    return lambda: format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def kinds_of(user):
    return set(Authenticator.objects.filter(user=user).values_list("type", flat=True))


# Second factors


@pytest.mark.parametrize("name", FACTOR_PAGES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_fresh_password_opens_no_page_about_ones_factors(alice, app, sign_in, name, method):
    client = sign_in(alice)
    client.post(reverse("confirm"), {"password": PASSWORD})
    before = list(Authenticator.objects.values_list("pk", "type"))
    answer = getattr(client, method)(reverse(name))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("confirm"))
    assert "by=factor" in answer["Location"]
    assert list(Authenticator.objects.values_list("pk", "type")) == before


def test_a_code_opens_them(alice, app, sign_in):
    client = sign_in(alice)
    client.post(reverse("mfa_reauthenticate"), {"code": app()})
    assert "recovery" in client.get(reverse("mfa_generate_recovery_codes")).content.decode().lower()
    client.post(reverse("mfa_deactivate_totp"))
    assert kinds_of(alice) == set()


def test_a_key_is_not_taken_away_with_a_password(alice, app, sign_in):
    key = Authenticator.objects.create(user=alice, type="webauthn", data={"name": "k", "credential": {}})
    client = sign_in(alice)
    client.post(reverse("confirm"), {"password": PASSWORD})
    client.post(reverse("mfa_remove_webauthn", args=[key.pk]))
    assert "webauthn" in kinds_of(alice)


def test_whoever_adds_the_first_factor_goes_on_to_the_recovery_codes(alice, django_capture_on_commit_callbacks):
    client = Client()
    client.post(reverse("login"), {"username": "alice", "password": PASSWORD})
    client.post(reverse("confirm"), {"password": PASSWORD})
    page = client.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    with django_capture_on_commit_callbacks(execute=True):
        code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
        answer = client.post(reverse("mfa_activate_totp"), {"code": code}, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("mfa_view_recovery_codes")
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("name", ["mfa_deactivate_totp", "mfa_generate_recovery_codes", "login", "queue"])
def test_pages_take_no_other_methods_so_that_nothing_changes_without_its_entry(alice, app, sign_in, name, method):
    client = sign_in(alice)
    client.post(reverse("mfa_reauthenticate"), {"code": app()})
    before = list(Authenticator.objects.values_list("pk", "type"))
    answer = getattr(client, method)(reverse(name))
    assert answer.status_code == 405
    assert "POST" in answer["Allow"]
    assert list(Authenticator.objects.values_list("pk", "type")) == before
    assert not Entry.objects.filter(type="factor.changed").exists()


def test_a_header_lets_nobody_work_on_pages_without_a_factor(alice, sign_in, settings, make_patch, token_for):
    settings.SECOND_FACTOR_REQUIRED = True
    client, headers = sign_in(alice), {"Authorization": "Bearer anything"}
    for address in (reverse("queue"), reverse("patch-detail", args=[make_patch().decision_id]), "/audit/", "/admin/"):
        assert client.get(address, headers=headers)["Location"] == reverse("mfa_index"), address
    token = {"Authorization": f"Bearer {token_for('deployer', 'argo')}"}
    assert client.get("/hitl/decisions", headers=token).status_code == 200, "where a token counts, it counts alone"


# Whose account it is


def test_an_administrator_does_not_take_another_name_themself(django_user_model, make_gate):
    root = django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD, first_name="Root")
    client = Client()
    client.force_login(root)
    page = f"/admin/approvals/user/{root.pk}/change/"
    shown = client.get(page).content.decode()
    assert "another administrator" in shown
    sent = {"username": "dan", "email": "dan@example.org", "first_name": "Ruth", "time_zone": "UTC", "theme": "system"}
    assert client.post(page, sent).status_code == 302
    kept = User.objects.get(pk=root.pk)
    assert (kept.username, kept.email, kept.first_name) == ("root", "root@example.org", "Ruth")


def test_an_account_that_decides_nothing_takes_no_review_back(alice, make_patch, approve):
    decision = approve(make_patch(severity="critical"), alice)
    now = timezone.now()
    owners.hold(alice, ["one-time link"], needs_lead=True, actor=actor_for(alice), now=now)
    with pytest.raises(NotAllowed, match="decides nothing"):
        reviews.withdraw(decision.decision_id, "No.", user=alice, actor=actor_for(alice), now=now)
    [given] = Review.objects.filter(decision=decision, verdict=Verdict.APPROVE)
    assert given.withdrawn_at is None


# Words on other people's patches


def test_a_producer_comments_on_its_own_patches_only(token_for, make_patch):
    decision = make_patch()
    path = f"/hitl/patches/{decision.patch.patch_id}/comment"
    body = {"decision_id": str(decision.decision_id), "comment": "Please approve."}
    scopes = ["decisions:read", "comments:write"]
    answer = Api(token_for("producer", "rival", scopes=scopes)).post(path, body)
    assert (answer.status_code, answer.json()["detail"]) == (403, "A producer comments on its own patches only.")
    assert not Comment.objects.exists()
    assert Api(token_for("producer", "patchgen", scopes=scopes)).post(path, body).status_code == 201


@pytest.mark.parametrize("place", [{"file": "app.py"}, {"file": "nothing.py"}, {"file": "app.py", "line": 900}])
def test_who_may_not_read_the_diff_learns_nothing_of_it_by_a_place(token_for, make_patch, place):
    decision = make_patch()
    api = Api(token_for("deployer", "bot", scopes=["decisions:read", "comments:write"]))
    body = {"decision_id": str(decision.decision_id), "comment": "Here.", **place}
    answer = api.post(f"/hitl/patches/{decision.patch.patch_id}/comment", body)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "Only who may read the diff comments at a place in it."


def test_a_superuser_in_no_group_comments_at_no_line(django_user_model, make_patch, sign_in):
    root = django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD)
    decision = make_patch()
    sent = {"text": "Here.", "file": "app.py", "line": 900, "side": "new"}
    answer = proved(sign_in(root)).post(reverse("patch-comment", args=[decision.decision_id]), sent)
    assert answer.status_code == 403
    assert not Comment.objects.exists()
