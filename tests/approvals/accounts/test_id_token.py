"""Single sign-on against a provider that is not what it should be: who it is, what it signed, for whom, and when."""

import time
from urllib.parse import urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from approvals.accounts.openid import fetching
from approvals.models import User
from audit.models import Entry
from tests.approvals.accounts.conftest import GROUPS
from tests.approvals.accounts.fake_provider import (
    EC,
    RSA,
    FakeProvider,
    by_hand,
    come_back,
    pem,
    public,
    signed,
)

pytestmark = pytest.mark.django_db
NOT_BELIEVED = "What your provider says of you was not believed: it"


@pytest.fixture
def fake(settings):
    fake = FakeProvider()
    app = {"provider_id": "sso", "client_id": "hitl", "secret": "s", "settings": {"server_url": fake.issuer}}
    shipped = django_settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {**shipped, "APPS": [app]}}
    settings.OIDC_ISSUER, settings.OIDC_GROUPS = fake.issuer, GROUPS
    fetching.forget()
    yield fake
    fake.close()
    fetching.forget()


def is_in(answer):
    return answer.browser.get(reverse("queue")).status_code == 200


def refused(answer, sentence, status=403):
    """Hold an answer against what every refusal is: a plain page with its sentence, an entry, nobody signed in."""
    text = answer.content.decode()
    assert answer.status_code == status, text
    assert sentence in text.replace("&#x27;", "'")
    assert "You were not signed in" in text
    assert not any(secret in text for secret in ("secret-of-the-provider", "Traceback", "eyJ"))
    assert not is_in(answer)
    assert not User.objects.filter(username="dana").exists()
    assert Entry.objects.filter(type="login.failed").count() == 1


def test_the_right_one_signs_in(fake):
    answer = come_back(fake, next="/history")
    assert answer["Location"] == "/history"
    assert is_in(answer)
    assert fake.authorisation["code_challenge_method"] == "S256"
    assert fake.authorisation["response_type"] == "code"
    assert len(fake.authorisation["nonce"]) > 40
    assert len(fake.authorisation["state"]) > 40


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA[0], "RS256"), (RSA[0], "PS384"), (EC, "ES256")], ids=["RS256", "PS384", "ES256"]
)
def test_every_asymmetric_algorithm_signs_in(fake, key, algorithm):
    fake.keys = [public(RSA[1], "other"), public(key, "one")]
    fake.sign = lambda claims: signed(claims, key, algorithm)
    assert is_in(come_back(fake))


def test_the_only_key_needs_no_name(fake):
    fake.keys = [public(RSA[0], None)]
    fake.sign = lambda claims: signed(claims, kid=None)
    assert is_in(come_back(fake))


def test_a_provider_without_user_info_says_all_in_the_token(fake):
    fake.info = None
    assert is_in(come_back(fake))
    assert "/userinfo" not in fake.asked


@pytest.mark.parametrize("said", ["https://id.example.org", "{issuer}/", "{issuer}/realms/staff", None, 5])
def test_metadata_of_another_issuer_ends_it_before_anybody_is_sent_there(fake, said):
    fake.metadata = {"issuer": said.format(issuer=fake.issuer) if isinstance(said, str) else said}
    refused(come_back(fake), "Single sign-on is set up for another provider than the one that answered.")
    assert fake.asked == ["/.well-known/openid-configuration"]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://id.example.org"}, "comes from another provider"),
        ({"iss": None}, "lacks something it must say"),
        ({"aud": "another"}, "is meant for another application"),
        ({"aud": ["another"]}, "is meant for another application"),
        ({"aud": ["hitl", "another"]}, "is meant for another application"),
        ({"aud": ["hitl", "another"], "azp": "another"}, "is meant for another application"),
        ({"azp": "another"}, "is meant for another application"),
        ({"nonce": None}, "lacks something it must say"),
        ({"nonce": "another"}, "answers another sign-in than yours"),
        ({"nonce": 5}, "answers another sign-in than yours"),
        ({"nonce": "\ud800"}, "answers another sign-in than yours"),
        ({"exp": int(time.time()) - 120}, "is out of date"),
        ({"exp": None}, "lacks something it must say"),
        ({"exp": "soon"}, "is no ID token"),
        ({"iat": int(time.time()) + 3600}, "is dated in the future"),
        ({"iat": None}, "lacks something it must say"),
        ({"sub": None}, "lacks something it must say"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "a\x00b"}, "names nobody"),
        ({"sub": "a" * 500}, "names nobody"),
    ],
)
def test_a_claim_that_is_not_right_ends_it(fake, claims, why):
    fake.claims = claims
    refused(come_back(fake), f"{NOT_BELIEVED} {why}")


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -5), ("iat", 5)])
def test_clocks_may_differ_a_little(fake, claim, seconds):
    fake.claims = {claim: int(time.time()) + seconds}
    assert is_in(come_back(fake))


@pytest.mark.parametrize("claims", [{"aud": ["hitl"]}, {"aud": ["hitl", "another"], "azp": "hitl"}])
def test_a_token_for_several_names_us(fake, claims):
    fake.claims = claims
    assert is_in(come_back(fake))


@pytest.mark.parametrize(
    ("sign", "why"),
    [
        (lambda claims: by_hand(claims, {"alg": "none"}, None), "is signed in a way that is not accepted here"),
        (lambda claims: by_hand(claims, {"alg": "nOnE", "kid": "one"}, None), "is signed in a way that is not"),
        (lambda claims: by_hand(claims, {"alg": "HS256", "kid": "one"}, pem(RSA[0])), "is signed in a way that is not"),
        (lambda claims: by_hand(claims, {"alg": "HS256", "kid": "one"}, b"s"), "is signed in a way that is not"),
        (lambda claims: by_hand(claims, {"alg": "RS256", "kid": "one"}, None), "has a wrong signature"),
        (lambda claims: by_hand(claims, {"alg": ["RS256"], "kid": "one"}, None), "is signed in a way that is not"),
        (lambda claims: signed(claims, RSA[1]), "has a wrong signature"),
        (lambda claims: signed(claims, EC, "ES256"), "is signed by a key that the provider does not list"),
        (lambda claims: signed(claims, kid="unknown"), "is signed by a key that the provider does not list"),
        (lambda claims: signed({**claims, "sub": "x"}).rsplit(".", 1)[0] + ".", "has a wrong signature"),
        (lambda claims: "no.token.at-all", "is no ID token"),
        (lambda claims: "", "is no ID token"),
    ],
)
def test_what_the_provider_has_not_signed_ends_it(fake, sign, why):
    fake.sign = sign
    refused(come_back(fake), f"{NOT_BELIEVED} {why}")


@pytest.mark.parametrize(
    "keys",
    [
        [],
        "none",
        [5],
        [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}],
        [public(RSA[0], "one", use="enc")],
        [public(RSA[0], "one", alg="RS512")],
        [public(RSA[0], "one"), public(RSA[1], "one")],
    ],
    ids=["none", "text", "number", "secret", "encryption", "another algorithm", "twice"],
)
def test_a_key_that_is_not_for_this_ends_it(fake, keys):
    fake.keys = keys
    refused(come_back(fake), f"{NOT_BELIEVED} is signed by a key that the provider does not list")


def test_keys_are_asked_for_once_and_again_when_the_provider_has_a_new_one(fake):
    assert is_in(come_back(fake))
    assert is_in(come_back(fake))
    assert fake.asked.count("/keys") == fake.asked.count("/.well-known/openid-configuration") == 1
    fake.keys = [public(RSA[1], "two")]
    fake.sign = lambda claims: signed(claims, RSA[1], kid="two")
    assert is_in(come_back(fake))
    assert fake.asked.count("/keys") == 2
    fake.sign = signed  # the old key is not listed any more
    assert come_back(fake).status_code == 403


def test_user_info_of_another_person_ends_it(fake):
    fake.info = {"sub": "subject-2"}
    refused(come_back(fake), "The provider's answers are about two different people.")


def test_a_sign_in_without_an_id_token_ends(fake):
    fake.sign = lambda claims: None
    refused(come_back(fake), "Your provider gave an answer that cannot be used.", 502)


@pytest.mark.parametrize(
    "info",
    [
        {"email": ["dana@example.org"], "preferred_username": 5},
        {"email": "d" * 300 + "@example.org"},
        {"email": "dana\x00@example.org"},
    ],
)
def test_claims_of_the_wrong_kind_are_as_good_as_none(fake, info):
    fake.info = info
    fake.claims = {"email": None}
    refused(come_back(fake), "Your sign-in came without a verified e-mail address.")


def test_that_an_address_is_verified_counts_for_the_one_beside_it(fake):
    fake.info = {"email": None, "email_verified": True}
    fake.claims = {"email_verified": False}
    refused(come_back(fake), "Your sign-in came without a verified e-mail address.")


def test_claims_that_cannot_be_kept_are_left_out_at_each_sign_in(fake):
    assert is_in(come_back(fake))
    fake.claims = {"auth_time": float("nan"), "nickname": "a\x00b", "amr": ["a\x00b", "\ud800", 5]}
    fake.info = {"name": "\ud800", "picture": {"a": "\x00"}}
    assert is_in(come_back(fake))
    kept = SocialAccount.objects.get(uid="subject-1").extra_data
    assert "nickname" not in kept["id_token"]
    assert "picture" not in kept["userinfo"]


@pytest.mark.parametrize("groups", [5, {"sec-reviewers": True}, None, [["sec-reviewers"]]])
def test_groups_of_the_wrong_kind_let_nobody_in(fake, groups):
    fake.info, fake.claims = {"groups": groups}, {"groups": None}
    refused(come_back(fake), "none of your groups is let in")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((500, {}, b"secret-of-the-provider"), 502),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), 502),
        ((200, {}, b"<html>secret-of-the-provider"), 502),
        ((200, {}, b"[]"), 502),
        ((200, {}, b'{"issuer": "' + b"x" * fetching.MAX_BYTES + b'"}'), 502),
        ((200, {}, b"[" * 1000), 502),
        ((200, {"Content-Length": "9"}, b"{}"), 503),
    ],
)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"])
def test_an_answer_that_is_none_ends_it_with_a_page(fake, path, answer, status):
    fake.answers[path] = answer
    back = come_back(fake)
    if path == "/token" and answer[0] != 200:
        refused(back, "Your provider did not confirm this sign-in.")
    else:
        refused(back, "Your provider does not answer" if status == 503 else "Your provider gave an answer", status)


def test_a_provider_that_is_gone_ends_it_with_a_page(fake):
    fake.close()
    refused(come_back(fake), "Your provider does not answer. Try again in a few minutes.", 503)


def test_a_provider_that_does_not_go_on_is_not_waited_for(fake, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUT", (0.2, 0.2))
    fake.pause = 1.0
    refused(come_back(fake), "Your provider does not answer. Try again in a few minutes.", 503)


def test_a_body_that_trickles_is_not_read_for_ever(fake, monkeypatch):
    monkeypatch.setattr(fetching, "WHOLE_SECONDS", -1)
    refused(come_back(fake), "Your provider gave an answer that cannot be used.", 502)


@pytest.mark.parametrize("end", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.parametrize(
    "address", ["http://id.example.org/x", "ftp://127.0.0.1/x", "//127.0.0.1/x", "https://u:p@id.example.org/", 5]
)
def test_metadata_names_https_addresses_only(fake, end, address):
    fake.metadata = {end: address}
    refused(come_back(fake), "Your provider gave an answer that cannot be used.", 502)


@pytest.mark.parametrize("end", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_metadata_without_what_is_needed_ends_it(fake, end):
    fake.metadata = {end: None}
    refused(come_back(fake), "Your provider gave an answer that cannot be used.", 502)


def test_a_provider_elsewhere_sends_us_to_nothing_on_this_machine(settings):
    settings.OIDC_ISSUER = "https://id.example.org"
    assert not fetching.is_allowed("http://127.0.0.1:8027/keys")
    assert fetching.is_allowed("https://keys.example.org/keys")
    settings.OIDC_ISSUER = "http://localhost:9400"
    assert fetching.is_allowed("http://127.0.0.1:8027/keys")
    assert not fetching.is_allowed("http://keys.example.org/keys")


def test_an_answer_without_the_state_of_this_browser_ends_it(fake):
    client = Client()
    for state in ("", "another"):
        answer = client.get(reverse("openid_connect_callback", args=["sso"]), {"code": "c", "state": state})
        assert answer.status_code == 403
        assert "not begun in this browser, or too long ago" in answer.content.decode()
    answer.browser = client
    assert not is_in(answer)
    assert fake.asked == []


def test_a_state_is_good_once_and_in_its_own_browser(fake):
    answer = come_back(fake)
    back = {"code": "c", "state": fake.authorisation["state"]}
    for browser in (answer.browser, Client()):
        again = browser.get(reverse("openid_connect_callback", args=["sso"]), back)
        assert again.status_code == 403


def test_the_address_cannot_change_what_the_provider_is_asked(fake):
    start = reverse("openid_connect_login", args=["sso"])
    sent = "auth_params=nonce%3Dmine%26redirect_uri%3Dhttps://evil.example%26response_type%3Dtoken&scope=offline_access"
    assert is_in(come_back(fake, start=f"{start}?{sent}"))
    assert fake.authorisation["nonce"] != "mine"
    assert urlsplit(fake.authorisation["redirect_uri"]).path == reverse("openid_connect_callback", args=["sso"])
    assert fake.authorisation["response_type"] == "code"
    assert set(fake.authorisation["scope"].split()) == {"openid", "profile", "email"}


def test_what_went_wrong_is_a_line_of_the_log_without_secrets(fake, caplog):
    fake.claims = {"aud": "another"}
    come_back(fake)
    fake.answers["/token"] = (400, {}, b'{"error": "secret-of-the-provider"}')
    come_back(fake)
    lines = [record.getMessage() for record in caplog.records if record.name == "approvals.accounts.adapters"]
    assert lines == [
        "Single sign-on was refused: the ID token is meant for another application: InvalidAudienceError",
        "Single sign-on was refused: the token endpoint gave no access token",
    ]
    assert "secret-of-the-provider" not in caplog.text
    assert "eyJ" not in caplog.text


# How the provider asked


@pytest.mark.parametrize("age", [300, 40, None])
def test_a_step_up_is_not_answered_by_an_old_session_at_the_provider(fake, age):
    browser = come_back(fake).browser
    again = browser.get(reverse("confirm")).content.decode()
    start = again.split('<form method="post" action="')[-1].split('"')[0].replace("&amp;", "&")
    fake.claims = {} if age is None else {"auth_time": int(time.time()) - age}
    answer = come_back(fake, browser, start=start)
    assert (fake.authorisation["prompt"], fake.authorisation["max_age"]) == ("login", "0")
    assert answer.status_code == 403
    assert "let you through without asking again who you are" in answer.content.decode()
    assert Entry.objects.filter(type="login.failed").count() == 1
    assert is_in(answer)  # as before: the session that was there goes on
    assert browser.get(reverse("mfa_add_webauthn"))["Location"].startswith(reverse("confirm"))
    fake.claims = {"auth_time": int(time.time())}
    come_back(fake, browser, start=start)
    assert browser.get(reverse("mfa_add_webauthn")).status_code == 200


@pytest.mark.parametrize("at", [float("nan"), float("inf"), True, "now", 10**400, -(10**11)])
def test_a_time_that_is_none_makes_nothing_fresh(fake, at):
    fake.claims = {"auth_time": at}
    answer = come_back(fake)
    assert answer.browser.get(reverse("mfa_add_webauthn"))["Location"].startswith(reverse("confirm"))


@pytest.mark.parametrize(("amr", "enough"), [(["pwd", "mfa"], True), (["pwd"], False), (None, False), ("mfa", False)])
def test_where_everybody_needs_two_factors_the_provider_says_that_it_asked_for_two(fake, settings, amr, enough):
    settings.SECOND_FACTOR_REQUIRED = True
    fake.claims = {"amr": amr}
    queue = come_back(fake).browser.get(reverse("queue"))
    assert (queue.status_code, queue.get("Location")) == ((200, None) if enough else (302, reverse("mfa_index")))


@pytest.mark.parametrize(("acr", "enough"), [("gold", True), ("silver", True), ("bronze", False), (None, False)])
def test_the_context_that_an_install_demands_is_asked_for_and_compared(fake, settings, acr, enough):
    settings.OIDC_ACR_VALUES, settings.SECOND_FACTOR_REQUIRED = ["gold", "silver"], True
    fake.claims = {"acr": acr}
    answer = come_back(fake)
    assert fake.authorisation["acr_values"] == "gold silver"
    if enough:
        assert is_in(answer)
    else:
        refused(answer, "Your provider signed you in with less than this install asks of it.")


def test_the_fake_is_asked_as_a_provider_is(fake):
    assert requests.get(f"{fake.issuer}/keys", timeout=5).json()["keys"][0]["kid"] == "one"
