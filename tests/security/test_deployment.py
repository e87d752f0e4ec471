"""What `manage.py check --deploy` warns of, and the keys that may be renewed."""

import re
from ipaddress import ip_network

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.conf import global_settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.checks.registry import registry
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hitl import checks
from notifications import secrets
from notifications.models import Endpoint
from notifications.secrets import WEBHOOKS
from tests.cast import PASSWORD
from tests.hitl.test_settings import start


@pytest.fixture
def good(settings, monkeypatch, tmp_path):
    """Settings that nothing is to be said about."""
    settings.BASE_URL, settings.HOST, settings.HTTPS = "https://hitl.example.org", "hitl.example.org", True
    settings.ALLOWED_HOSTS, settings.TRUSTED_PROXIES = ["hitl.example.org"], [ip_network("10.0.0.0/8")]
    settings.SMTP_HOST, settings.SMTP_SECURITY, settings.SECOND_FACTOR_REQUIRED = "mail.example.org", "tls", True
    settings.SECOND_PERSON_REQUIRED, settings.EMBEDDED = True, False
    settings.HITL_DATA_DIR = tmp_path  # without the sign-ins of the demo, which other tests load
    settings.DATABASE_URL = settings.DATABASE_MIGRATE_URL = "postgresql://hitl_app@db.example.org/hitl"
    settings.DATABASE_OWNER = database()
    monkeypatch.setitem(settings.DATABASES, "default", database())
    return settings


def database(host="db.example.org", **options):
    return {"HOST": host, "OPTIONS": {"sslmode": "verify-full", **options}}


def warned():
    return {warning.id for warning in checks.deployment()}


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
        ("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"], "hitl.W009"),
        ("ALLOWED_HOSTS", ["other.example.org"], "hitl.W009"),
        ("ALLOWED_HOSTS", ["*"], "hitl.W010"),
        ("METRICS_ALLOWED_IPS", [ip_network("0.0.0.0/0")], "hitl.W013"),
        ("METRICS_ALLOWED_IPS", [ip_network("::/0")], "hitl.W013"),
        ("TRUSTED_PROXIES", [ip_network("0.0.0.0/0")], "hitl.W014"),
        ("DATABASE_MIGRATE_URL", "postgresql://hitl_owner@db.example.org/hitl", "hitl.W015"),
        ("RATE_LIMIT_REQUESTS_PER_MINUTE", 0, "hitl.W016"),
        ("RATE_LIMIT_PAGES_PER_MINUTE", 0, "hitl.W016"),
        ("RATE_LIMIT_ANONYMOUS_PER_MINUTE", 0, "hitl.W016"),
        ("CORS_ORIGINS", ["https://a.example.org", "http://b.example.org"], "hitl.W018"),
        ("CSRF_TRUSTED_ORIGINS", ["http://b.example.org"], "hitl.W018"),
        ("SLACK_CHANNEL", "C1", "hitl.W025"),
        ("SLACK_SIGNING_SECRET", "x", "hitl.W025"),
        ("SLACK_BOT_TOKEN", "xoxb-1", "hitl.W025"),
        ("SLACK_WEBHOOK_URL", "http://hooks.slack.example/1", "hitl.W026"),
        ("TEAMS_WEBHOOK_URL", "http://flow.example.org/1", "hitl.W026"),
    ],
)
def test_each_weak_setting_is_warned_of(good, name, value, id):
    setattr(good, name, value)
    assert warned() == {id}


@pytest.mark.parametrize("allowed", ["hitl.example.org", ".example.org", ".hitl.example.org"])
def test_a_host_is_allowed_as_django_allows_it(good, allowed):
    good.ALLOWED_HOSTS = [allowed]
    assert warned() == set()


def test_each_warning_names_where_it_is_and_how_to_mend_it(good):
    good.RATE_LIMIT_PAGES_PER_MINUTE = 0
    [warning] = checks.deployment()
    assert warning.msg == "A limit of requests is off, so one caller can take everything: RATE_LIMIT_PAGES_PER_MINUTE."
    assert all(danger.fix and danger.says for danger in checks.DANGERS)
    assert len({danger.id for danger in checks.DANGERS}) == len(checks.DANGERS)


def test_a_whole_slack_is_warned_of_nothing(good):
    good.SLACK_BOT_TOKEN, good.SLACK_CHANNEL, good.SLACK_SIGNING_SECRET = "xoxb-1", "C1", "x"
    assert warned() == set()
    good.SLACK_WEBHOOK_URL = "https://hooks.slack.example/1"
    [warning] = checks.deployment()
    assert warning.msg == "Slack is set up by halves: SLACK_WEBHOOK_URL beside SLACK_CHANNEL, which is used instead."
    good.SLACK_CHANNEL = ""
    assert warned() == set()
    good.SLACK_BOT_TOKEN = good.SLACK_SIGNING_SECRET = ""
    assert warned() == set()


@pytest.mark.parametrize("sslmode", ["disable", "prefer", "require", "verify-ca", None])
def test_a_database_elsewhere_that_is_not_verified_is_warned_of(good, monkeypatch, sslmode):
    for name in ("default", "replica"):
        with monkeypatch.context() as patched:
            patched.setitem(good.DATABASES, name, database(sslmode=sslmode))
            assert warned() == {"hitl.W005"}
    good.DATABASE_OWNER = database(sslmode=sslmode)
    [warning] = checks.deployment()
    assert warning.msg.endswith("DATABASE_MIGRATE_URL.")


@pytest.mark.parametrize("host", ["/var/run/postgresql", "127.0.0.1", "localhost", ""])
def test_a_database_here_need_not_be_verified(good, monkeypatch, host):
    monkeypatch.setitem(good.DATABASES, "default", database(host, sslmode="disable"))
    assert warned() == set()


def test_the_embedded_database_in_a_container_is_warned_of(good, monkeypatch, tmp_path):
    good.EMBEDDED = True
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(checks, "CONTAINER_MARKS", [tmp_path / "containerenv"])
    assert warned() == set()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert warned() == {"hitl.W011"}
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    (tmp_path / "containerenv").touch()
    assert warned() == {"hitl.W011"}
    good.EMBEDDED = False
    assert warned() == set()


def test_a_secret_that_everybody_may_read_is_warned_of(good, monkeypatch, tmp_path):
    for name in ("SMTP_PASSWORD", "SECRET_KEY_FALLBACKS", "SMTP_USER"):
        (tmp_path / name).touch(mode=0o644)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    [warning] = checks.deployment()
    assert warning.id == "hitl.W012"
    assert warning.msg.endswith("SECRET_KEY_FALLBACKS_FILE, SMTP_PASSWORD_FILE.")
    for name in ("SMTP_PASSWORD", "SECRET_KEY_FALLBACKS"):
        (tmp_path / name).chmod(0o440)
    assert warned() == set()


def test_the_demos_people_are_warned_of(good, tmp_path):
    good.HITL_DATA_DIR = tmp_path
    assert warned() == set()
    (tmp_path / "demo-accounts").touch()
    assert warned() == {"hitl.W017"}


def test_the_command_says_so_too_with_what_django_finds(tmp_path):
    """With no database to ask: a socket's directory that is empty."""
    given = {"DATABASE_URL": f"postgresql://hitl_app@/hitl?host={tmp_path}", "SECRET_KEY": "guess", "DEBUG": "true"}
    done = start(tmp_path, "check", "--deploy", "--fail-level", "WARNING", BASE_URL="https://hitl.example.org", **given)
    assert done.returncode == 1
    ids = re.findall(r"\(((?:hitl|security)\.W\d+)\)", done.stderr)
    unanswered, ours = ["hitl.W002"] * 2, ["hitl.W004", "hitl.W007", "hitl.W009"]
    assert sorted(ids) == [*unanswered, *ours, "security.W009", "security.W018"]
    assert done.stderr.count("HINT: ") == len(unanswered + ours)


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
    hook = Endpoint.objects.create(
        name="a", url="https://example.org/", created_at=timezone.now(), secrets=[secrets.encrypt("whsec_a", WEBHOOKS)]
    )
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new one"
    call_command("renew_secrets")
    assert "2 second factors and 1 secrets of webhooks" in capsys.readouterr().out
    settings.SECRET_KEY_FALLBACKS = []
    now = {one.type: one.data for one in Authenticator.objects.filter(user=alice)}
    assert get_adapter().decrypt(now["totp"]["secret"]) == "JBSWY3DPEHPK3PXP"
    assert get_adapter().decrypt(now["recovery_codes"]["seed"]) == "ab" * 40
    assert now["recovery_codes"]["used_mask"] == 3
    hook.refresh_from_db()
    assert secrets.decrypt(hook.secrets[0], WEBHOOKS) == "whsec_a"
    settings.SECRET_KEY = "another one"
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("renew_secrets")


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
