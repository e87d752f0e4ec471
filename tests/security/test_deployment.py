"""What `manage.py check --deploy` warns of, and the keys that may be renewed."""

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.conf import global_settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.checks.registry import registry
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from hitl import checks
from tests.cast import PASSWORD
from tests.hitl.test_settings import start


@pytest.fixture
def good(settings, monkeypatch):
    """Settings that nothing is to be said about."""
    settings.BASE_URL, settings.HTTPS, settings.TRUSTED_PROXIES = "https://hitl.example.org", True, ["10.0.0.0/8"]
    settings.SMTP_HOST, settings.SMTP_SECURITY, settings.SECOND_FACTOR_REQUIRED = "mail.example.org", "tls", True
    settings.SECOND_PERSON_REQUIRED = True
    return settings


def database(**options):
    return {"HOST": "db.example.org", "OPTIONS": {"sslmode": "verify-full", **options}}


def warned(**of):
    return {warning.id for warning in checks.deployment(database=of or database())}


def test_a_good_deployment_is_warned_of_nothing(good):
    assert checks.deployment in registry.get_checks(include_deployment_checks=True)
    assert checks.deployment not in registry.get_checks()
    assert warned() == set()


@pytest.mark.parametrize(
    ("name", "value", "id"),
    [
        ("HTTPS", False, "hitl.W003"),
        ("TRUSTED_PROXIES", [], "hitl.W004"),
        ("SMTP_SECURITY", "none", "hitl.W006"),
        ("SECOND_FACTOR_REQUIRED", False, "hitl.W007"),
        ("SECOND_PERSON_REQUIRED", False, "hitl.W008"),
    ],
)
def test_each_weak_setting_is_warned_of(good, name, value, id):
    setattr(good, name, value)
    assert warned() == {id}


@pytest.mark.parametrize("sslmode", ["disable", "prefer", "require", "verify-ca"])
def test_a_database_elsewhere_that_is_not_verified_is_warned_of(good, sslmode):
    assert warned(**database(sslmode=sslmode)) == {"hitl.W005"}
    assert warned(HOST="db.example.org", OPTIONS={}) == {"hitl.W005"}
    assert warned(HOST="/var/run/postgresql", OPTIONS={}) == set()
    assert warned(HOST="127.0.0.1", OPTIONS={}) == set()


@pytest.mark.django_db
def test_a_new_secret_key_signs_nobody_out_and_loses_no_factor(alice, settings):
    kept, link = get_adapter().encrypt("JBSWY3DPEHPK3PXP"), default_token_generator.make_token(alice)
    client = Client()
    client.post(reverse("login"), {"username": "alice", "password": PASSWORD})
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new one"
    assert get_adapter().decrypt(kept) == "JBSWY3DPEHPK3PXP"
    assert default_token_generator.check_token(alice, link)
    assert client.get(reverse("queue")).status_code == 200
    renewed = get_adapter().encrypt("JBSWY3DPEHPK3PXP")
    settings.SECRET_KEY_FALLBACKS = []
    assert get_adapter().decrypt(renewed) == "JBSWY3DPEHPK3PXP"
    assert get_adapter().decrypt(kept) != "JBSWY3DPEHPK3PXP"


@pytest.mark.django_db
def test_all_factors_are_written_anew_before_an_old_key_goes(alice, settings, capsys):
    seed = {"seed": get_adapter().encrypt("ab" * 40), "used_mask": 3}
    Authenticator.objects.create(user=alice, type="totp", data={"secret": get_adapter().encrypt("JBSWY3DPEHPK3PXP")})
    Authenticator.objects.create(user=alice, type="recovery_codes", data=seed)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new one"
    call_command("renew_secrets")
    assert "2 second factors" in capsys.readouterr().out
    settings.SECRET_KEY_FALLBACKS = []
    now = {one.type: one.data for one in Authenticator.objects.filter(user=alice)}
    assert get_adapter().decrypt(now["totp"]["secret"]) == "JBSWY3DPEHPK3PXP"
    assert get_adapter().decrypt(now["recovery_codes"]["seed"]) == "ab" * 40
    assert now["recovery_codes"]["used_mask"] == 3


def test_old_keys_come_from_the_environment(tmp_path):
    shown = start(tmp_path, "diffsettings", SECRET_KEY_FALLBACKS="one, two").stdout
    assert "SECRET_KEY_FALLBACKS = ['one', 'two']" in shown or "SECRET_KEY_FALLBACKS = ['****" in shown


def test_passwords_are_hashed_slowly(tmp_path):
    assert "PASSWORD_HASHERS" not in start(tmp_path, "diffsettings").stdout  # only these tests take a quick one
    assert global_settings.PASSWORD_HASHERS[0].endswith(".PBKDF2PasswordHasher")
    assert PBKDF2PasswordHasher.iterations >= 600_000  # OWASP's cheat sheet on storing passwords


def test_words_of_this_install_make_no_password(settings):
    validate_password("wolkenstein-harborline")
    settings.PASSWORD_WORDS = ["wolkenstein", "harborline"]
    with pytest.raises(ValidationError):
        validate_password("wolkenstein-harborline")


def test_the_host_people_use_is_one_of_these_words(tmp_path):
    shown = start(tmp_path, "diffsettings", BASE_URL="https://gate.northwind.example", PASSWORD_WORDS="zephyr").stdout
    assert "PASSWORD_WORDS = ['zephyr', 'gate', 'northwind', 'example']" in shown
