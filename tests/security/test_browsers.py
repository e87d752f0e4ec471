"""What every answer tells browsers, and which methods are answered at all."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.cast import proved
from tests.hitl.test_settings import start

pytestmark = pytest.mark.django_db
ANSWERS = ["/", "/accounts/login", "/nothing-here", "/hitl/patches/pending", "/healthz", "/static/js/live.js"]


@pytest.mark.parametrize("address", ANSWERS)
def test_under_https_every_answer_asks_for_https(address, settings):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    for subdomains, said in ((False, "max-age=31536000"), (True, "max-age=31536000; includeSubDomains")):
        settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = subdomains
        answer = Client().get(address)
        answer.close()
        assert answer["Strict-Transport-Security"] == said


def test_without_https_nobody_is_asked_for_it(client):
    assert "Strict-Transport-Security" not in client.get("/healthz")


@pytest.mark.parametrize("address", ANSWERS)
def test_no_plugin_and_no_other_site_gets_an_answer(client, address):
    answer = client.get(address)
    answer.close()
    assert "object-src 'none'" in answer["Content-Security-Policy"]
    assert "base-uri 'none'" in answer["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("address", [*ANSWERS, "/hitl/docs", "/hitl/openapi.json", "/admin/"])
@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_nobody_gets_their_request_back(client, address, method):
    assert client.generic(method, address).status_code == 405


@pytest.mark.parametrize("address", ["/", "/accounts/login", "/hitl/patches/pending", "/hitl/openapi.json", "/healthz"])
def test_a_text_says_in_which_letters_it_is(client, address):
    kind = client.get(address, follow=True)["Content-Type"]
    assert "charset=utf-8" in kind or kind.startswith("application/"), kind


@pytest.mark.parametrize("address", ["/static/", "/static/js/", "/static/js", "/static/../hitl/settings.py"])
def test_no_folder_is_listed(client, address):
    assert client.get(address).status_code == 404


def test_signing_out_clears_what_the_browser_keeps(alice, sign_in, django_user_model):
    root = django_user_model.objects.create_superuser("root", "root@example.com", "x")
    assert sign_in(alice).post(reverse("logout"))["Clear-Site-Data"] == '"storage"'
    assert sign_in(root).post(reverse("admin:logout"))["Clear-Site-Data"] == '"storage"'
    everywhere = proved(sign_in(alice)).post(reverse("sign-out-everywhere"))
    assert everywhere["Clear-Site-Data"] == '"storage"'


def test_under_https_every_cookie_belongs_to_this_host_alone(tmp_path, client):
    shown = start(tmp_path, "diffsettings", BASE_URL="https://hitl.example.org").stdout
    assert "THEME_COOKIE_NAME = '__Host-theme'" in shown
    assert "MESSAGES_COOKIE_NAME = '__Host-messages'" in shown
    assert "CSRF_COOKIE_HTTPONLY = True" in shown


def test_cookies_have_the_names_of_the_settings(alice, sign_in, settings):
    settings.THEME_COOKIE_NAME, settings.MESSAGES_COOKIE_NAME = "__Host-theme", "__Host-messages"
    settings.SESSION_COOKIE_SECURE = True
    client = sign_in(alice)
    theme = client.post(reverse("theme"), {"theme": "dark"}).cookies["__Host-theme"]
    assert (theme["secure"], theme["httponly"], theme["path"], theme["domain"]) == (True, True, "/", "")
    assert 'data-theme="dark"' in Client(headers={"Cookie": "__Host-theme=dark"}).get(reverse("login")).content.decode()
    answer = client.post(reverse("policy-switch"), {"to": "off"})
    assert set(answer.cookies) <= {"__Host-messages", settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}


def test_a_message_is_kept_in_its_own_cookie(alice, settings):
    settings.MESSAGES_COOKIE_NAME, settings.SESSION_COOKIE_SECURE = "__Host-messages", True
    alice.set_unusable_password()
    alice.save()
    client = Client()
    client.force_login(alice)
    answer = client.get(reverse("password"))
    kept = answer.cookies["__Host-messages"]
    assert (kept["secure"], kept["httponly"], kept["samesite"], kept["domain"]) == (True, True, "Lax", "")
    assert "You have no password here" in client.get(reverse("account"), secure=True).content.decode()


def test_a_patch_is_saved_under_a_name_of_ours(alice, sign_in, make_patch):
    decision = make_patch()
    for address in (reverse("patch-raw", args=[decision.decision_id]), f"/hitl/patches/{decision.patch.patch_id}/diff"):
        answer = sign_in(alice).get(address)
        assert answer["Content-Disposition"] == f'attachment; filename="{decision.patch.sha256}.diff"'
        assert answer["Content-Type"] == "text/x-diff; charset=utf-8"
