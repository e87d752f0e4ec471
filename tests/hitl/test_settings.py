"""A wrong setting stops the start with one sentence that names it, and shows no secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from hitl.database_settings import SHORT_QUERIES
from hitl.database_settings import database_entry as database
from postgresql.limits import Limits, kind_of_work

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    ours = ("HITL_", "DATABASE_", "DJANGO_", "SECRET_KEY", "PORT", "BASE_URL", "PROMETHEUS_", "PYTEST_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *(command or ("check",))],
        env={**inherited, "HITL_DATA_DIR": str(tmp_path / "data"), **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        ("PORT", "99999"),
        ("WEB_WORKERS", "0"),
        ("WEB_THREADS", "x"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("DEBUG", "perhaps"),
        ("AUTO_APPROVE_THRESHOLD", "0.2"),
        ("RATE_LIMIT_REQUESTS_PER_MINUTE", "-1"),
        ("TRUSTED_PROXIES", "my-proxy"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://a.example/"),
        ("CSRF_TRUSTED_ORIGINS", "a.example"),
        ("BASE_URL", "https://"),
        ("BASE_URL", "ftp://a.example"),
        ("DB_WEB_STATEMENT_SECONDS", "0"),
        ("DB_WORKER_LOCK_SECONDS", "soon"),
        ("DATABASE_URL", "mysql://u:geheim@h/db"),
        ("DATABASE_URL", "postgresql://u:geheim@h:abc/db"),
        ("DATABASE_URL", "postgresql://u:geheim@h:99999/db"),
        ("HITL_DATA_DIR", "/proc/nothing/here"),
        ("NOTIFICATION_TEMPLATES_DIR", "/nowhere"),
        ("SECRET_KEY_FILE", "/nowhere"),
        ("SESSION_IDLE_MINUTES", "0"),
        ("SESSION_ABSOLUTE_HOURS", "forever"),
        ("OUTBOUND_ALLOW", "10.0.0.1/8"),
        ("OUTBOUND_ALLOW", "https://receiver.example.org"),
        ("OIDC_ISSUER", "id.example.org"),
        ("OIDC_ISSUER", "http://id.example.org"),
        ("OIDC_ISSUER", "https://id.example.org/#staff"),
        ("OIDC_GROUPS", "sec-leads"),
        ("OIDC_GROUPS", "=reviewer"),
        ("OIDC_ORIGINS", "https://id.example.org/path"),
        ("GITHUB_WEBHOOK_SECRET", "geheim"),
        ("GITHUB_API_URL", "api.github.com"),
    ],
)
def test_a_wrong_value_stops_the_start_with_a_sentence(tmp_path: Path, name: str, value: str) -> None:
    done = start(tmp_path, **{"SECRET_KEY": "x"} if name == "DATABASE_URL" else {}, **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(name)
    assert done.stderr.count("\n") == 1, done.stderr
    assert "geheim" not in done.stderr


def test_the_secret_key_is_asked_for_with_a_database_of_ones_own(tmp_path: Path) -> None:
    done = start(tmp_path, DATABASE_URL="postgresql://u:p@h/db")
    assert (done.returncode, done.stderr) == (1, "SECRET_KEY must be set when DATABASE_URL is.\n")


def test_a_value_may_come_from_a_file_but_not_from_both(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("from-a-file\n")
    shown = start(tmp_path, "diffsettings", SECRET_KEY_FILE=str(secret))
    assert "SECRET_KEY = 'from-a-file'" in shown.stdout
    both = start(tmp_path, SECRET_KEY_FILE=str(secret), SECRET_KEY="x")
    assert both.stderr == "Set SECRET_KEY or SECRET_KEY_FILE, not both.\n"


@pytest.mark.parametrize(
    ("name", "value"), [("OIDC_ISSUER", "https://id.example.org"), ("OIDC_CLIENT_SECRET", "geheim")]
)
def test_half_a_provider_is_none(tmp_path: Path, name: str, value: str) -> None:
    done = start(tmp_path, **{name: value})
    sentence = "OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET are set together or not at all.\n"
    assert (done.returncode, done.stderr) == (1, sentence)


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ("geheim", "GITHUB_WEBHOOK_SECRET must have at least 20 characters.\n"),
        ("geheim" * 5, "GITHUB_APP_KEY must be a private key in PEM.\n"),
    ],
)
def test_an_app_of_github_has_a_long_secret_and_a_key(tmp_path: Path, secret: str, sentence: str) -> None:
    done = start(tmp_path, GITHUB_WEBHOOK_SECRET=secret, GITHUB_APP_ID="1", GITHUB_APP_KEY="geheim")
    assert (done.returncode, done.stderr) == (1, sentence)


def test_a_provider_by_plain_http_is_for_trying_it_out(tmp_path: Path) -> None:
    provider = {"OIDC_ISSUER": "http://localhost:9400", "OIDC_CLIENT_ID": "hitl", "OIDC_CLIENT_SECRET": "s"}
    done = start(tmp_path, BASE_URL="https://hitl.example.org", **provider)
    sentence = "OIDC_ISSUER must be https where BASE_URL is; plain http is for trying it out.\n"
    assert (done.returncode, done.stderr) == (1, sentence)


def test_the_provider_is_in_the_policy_that_browsers_hold_forms_against(tmp_path: Path) -> None:
    shown = start(
        tmp_path,
        "diffsettings",
        OIDC_ISSUER="https://id.example.org/realms/staff/",
        OIDC_CLIENT_ID="hitl",
        OIDC_CLIENT_SECRET="s",
        OIDC_GROUPS="cn=leads=security-leads, sec-reviewers = reviewer",
    )
    assert "'form-action': [\"'self'\", 'https://id.example.org']" in shown.stdout
    assert "OIDC_ISSUER = 'https://id.example.org/realms/staff/'" in shown.stdout  # compared as it is
    assert "OIDC_GROUPS = {'cn=leads': 'security-leads', 'sec-reviewers': 'reviewer'}" in shown.stdout


def test_debug_is_refused_in_public(tmp_path: Path) -> None:
    done = start(tmp_path, DEBUG="true", ALLOWED_HOSTS="hitl.example.org")
    assert done.returncode == 1
    assert done.stderr.startswith("DEBUG shows internals")


def test_a_short_metrics_token_is_refused_without_being_shown(tmp_path: Path) -> None:
    done = start(tmp_path, METRICS_TOKEN="guess me")
    assert done.returncode != 0
    assert "METRICS_TOKEN must have at least 20 characters" in done.stderr
    assert "guess me" not in done.stderr


def test_serve_stops_at_once_too(tmp_path: Path) -> None:
    done = start(tmp_path, "serve", WEB_WORKERS="0")
    assert (done.returncode, done.stderr) == (1, "WEB_WORKERS must be a whole number from 1 to 64, not '0'.\n")


def test_the_database_neither_compiles_nor_parallelises_a_pages_questions(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('jit'), current_setting('max_parallel_workers_per_gather')")
        assert cursor.fetchone() == ("off", "0")


def test_options_in_the_url_are_added_to_ours() -> None:
    """At the end: of two values for one setting PostgreSQL takes the last."""
    entry = database("postgresql://u@h/db?options=-c%20statement_timeout%3D5s&connect_timeout=9&sslmode=verify-full")
    assert entry["OPTIONS"]["options"] == f"{SHORT_QUERIES} {entry['LIMITS'].options} -c statement_timeout=5s"
    assert entry["OPTIONS"]["connect_timeout"] == "9"
    assert entry["OPTIONS"]["sslmode"] == "verify-full"


@pytest.mark.parametrize(
    ("command", "statement", "lock"),
    [
        ("gunicorn/__main__.py -c hitl/gunicorn.conf.py hitl.wsgi", 15, 5),
        ("manage.py worker", 120, 30),
        ("manage.py migrate", 0, 0),
        ("manage.py import_patches rows.ndjson", 0, 0),
    ],
)
def test_each_kind_of_work_has_its_own_time(command: str, statement: int, lock: int) -> None:
    limits = settings.DATABASE_LIMITS[kind_of_work(command.split())]
    assert limits == Limits(statement, lock)
    assert (f"statement_timeout={statement}s" in limits.options) == bool(statement)


@pytest.mark.parametrize(("kind", "statement", "lock"), [("search", 5, 5), ("export", 120, 5), ("migration", 0, 10)])
def test_so_has_what_is_only_a_part_of_a_process(kind: str, statement: int, lock: int) -> None:
    assert settings.DATABASE_LIMITS[kind] == Limits(statement, lock)


def test_a_dead_server_is_noticed_in_seconds() -> None:
    options = database("postgresql://u@h/db")["OPTIONS"]
    assert int(options["tcp_user_timeout"]) <= 20_000
    assert int(options["connect_timeout"]) <= 10


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "This database has not been migrated: run manage.py migrate, then this again.\n"),
        (
            {"DATABASE_URL": "postgresql://nobody:x@127.0.0.1:1/none", "SECRET_KEY": "k" * 50},
            "The database did not answer: couldn't get a connection after 5.00 sec\n",
        ),
    ],
)
def test_a_command_says_in_a_sentence_that_the_database_is_not_there_yet(tmp_path, settings, told):
    ended = start(tmp_path, "create_token", "patchgen", "--kind", "producer", **settings)
    assert ended.returncode == 1
    assert ended.stderr.endswith(told)
    assert "Traceback" not in ended.stderr
