"""The plumbing of a test run: data directory, database, order, what a test leaves, the browser; no domain fixtures."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import django
import hypothesis
import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from whitenoise.middleware import WhiteNoiseMiddleware

from hitl import embedded_postgres
from postgresql.limits import Limits
from tests import database

# No test is timed: a machine that pauses for a moment would fail it.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
ROOT = Path(__file__).resolve().parent.parent
# Beside `make run`, not in its data. Django reads its settings at their first use, which is below.
os.environ["HITL_DATA_DIR"] = os.environ.get("HITL_TEST_DATA_DIR") or str(ROOT / "var" / "test")
os.environ["DJANGO_SETTINGS_MODULE"] = "hitl.settings"
os.environ.setdefault("SECRET_KEY", "only-for-tests")
# Playwright's sync API keeps an event loop in the test's thread, which Django would take for an async view.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING_BROWSER = "no Chromium found; install one (Debian: apt-get install chromium) or name it in HITL_CHROMIUM"
_slot: list[int] = []  # keeps the lock's file descriptor for the life of this process


def pytest_configure(config: pytest.Config) -> None:
    """Give this run its own database, on the embedded server unless DATABASE_URL names another."""
    if config.getoption("version", 0) or config.getoption("help", False):
        return
    if settings.EMBEDDED:
        try:
            database.trust_the_machine(embedded_postgres.ensure_running(settings.HITL_DATA_DIR))
        except embedded_postgres.EmbeddedPostgresError as error:
            raise pytest.UsageError(str(error)) from error
    entry = settings.DATABASES["default"]
    entry["USER"] = settings.DATABASE_OWNER["USER"]  # makes and drops databases; test_least_privilege.py takes the role
    entry.setdefault("TEST", {})["NAME"] = _database_name()
    # A test database need not survive a power cut; everything else about it stays as in production.
    options = f"{entry['OPTIONS'].get('options', '')} -c synchronous_commit=off"
    # On a busy machine a statement may take longer, and of seventeen callers in a race the last waits for all others.
    entry["OPTIONS"]["options"] = f"{options} -c statement_timeout=120s -c lock_timeout=60s".strip()
    entry["LIMITS"] = Limits(120, 60)
    # Seventeen callers share eight connections in a race; on a busy machine a turn may take longer than a page should.
    entry["OPTIONS"]["pool"]["timeout"] = 60
    # A slow hash a person would be most of a run.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    django.setup()
    _read_static_files_once()
    for fixtures in ("tests.cast", "tests.visits"):  # they import models, so they cannot come before this
        config.pluginmanager.import_plugin(fixtures)


def _read_static_files_once() -> None:
    """Let all clients of a worker share the list of static files: making it took longer than most requests."""
    read, lists = WhiteNoiseMiddleware.add_files_from_finders, {}

    def share(whitenoise: WhiteNoiseMiddleware) -> None:
        key = (whitenoise.static_root, whitenoise.static_prefix, whitenoise.max_age)
        if key not in lists:
            read(whitenoise)
            lists[key] = whitenoise.files
        whitenoise.files = lists[key]

    WhiteNoiseMiddleware.add_files_from_finders = share


def _database_name() -> str:
    """Return the first name no other run holds: two runs on one server would drop each other's database."""
    if "HITL_TEST_DATABASE" not in os.environ:  # the workers of pytest-xdist inherit the answer
        directory = Path(os.environ["HITL_DATA_DIR"])
        directory.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100):
            descriptor = os.open(directory / f"run-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            _slot.append(descriptor)
            os.environ["HITL_TEST_DATABASE"] = f"test_hitl_{number}" if number > 1 else "test_hitl"
            break
    return os.environ["HITL_TEST_DATABASE"]


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """Copy this worker's database from a migrated one, and let transactional tests leave what was in that."""
    with database.migrated(django_db_blocker.unblock) if settings.EMBEDDED else nullcontext() as template:
        settings.DATABASES["default"]["TEST"]["TEMPLATE"] = template  # a server of one's own keeps no such thing
        request.getfixturevalue("django_db_setup")  # pytest-django's
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        baseline = database.Baseline()
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: baseline.restore())
        yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # A listening thread or a server a test left behind would keep the database from being dropped.
        cursor.execute(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
        connection.close()  # it need not be the one that drops: beside Playwright's event loop Django keeps another


def chromium() -> str | None:
    """Return the path of the browser the tests drive."""
    named = os.environ.get("HITL_CHROMIUM")
    return named or next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Drive the system's Chromium: Playwright's own download is not needed."""
    # Chromium's sandbox refuses root; /dev/shm is 64 MB in a container.
    return {
        **browser_type_launch_args,
        "executable_path": chromium(),
        "args": ["--no-sandbox", "--disable-dev-shm-usage"],
    }


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what finds faults soonest first, and skip browser tests where no browser is, or refuse to (see `_skip`)."""
    tests = [item for item in items if is_browser_test(item)]
    for item in tests:
        item.add_marker("slow")
    items.sort(key=_rank)  # keeps the order of pytest-randomly among equals
    if tests and not chromium():
        _skip(tests, "HITL_REQUIRE_BROWSER", MISSING_BROWSER)
    for item in items:
        for mark in item.iter_markers("ops"):
            item.add_marker("slow")
            if missing := [program for program in mark.args if not shutil.which(program)]:
                _skip([item], "HITL_REQUIRE_OPS", f"{', '.join(missing)} not found; .ci/run installs what deploys")


def is_browser_test(item: pytest.Item) -> bool:
    return ROOT / "tests" / "browser" in item.path.parents


def _rank(item: pytest.Item) -> int:
    """Tests of plain functions, of the database, of several connections to it, of processes, of the browser."""
    fixtures = set(getattr(item, "fixturenames", ()))
    asked = item.get_closest_marker("django_db")
    several = "transactional_db" in fixtures or bool(asked and asked.kwargs.get("transaction"))
    if item.get_closest_marker("slow"):
        return 3 + is_browser_test(item)
    return 2 if several else 1 if asked or "db" in fixtures else 0


def _skip(tests: list[pytest.Item], insists: str, missing: str) -> None:
    """Skip the tests whose program this machine lacks, or refuse to where the setting `insists` is 1."""
    if os.environ.get(insists) == "1":
        raise pytest.UsageError(f"{insists}=1, but {missing}")
    for item in tests:
        item.add_marker(pytest.mark.skip(reason=missing))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Hide the event loop that Playwright leaves in this thread between its calls from tests without a browser: they
    run loops of their own, and Django keeps other connections where one runs."""
    loop = None if is_browser_test(item) else asyncio._get_running_loop()
    if loop is None:
        return (yield)
    asyncio._set_running_loop(None)
    try:
        return (yield)
    finally:
        if not loop.is_closed():
            asyncio._set_running_loop(loop)


@pytest.fixture(scope="session")
def browser(browser: Any) -> Iterator[Any]:
    """Let Playwright find its event loop where it left it, also when the last test was one without a browser."""
    loop = asyncio._get_running_loop()
    yield browser
    asyncio._set_running_loop(loop)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> Generator[None, None, None]:
    """Name the browser tests that did not run, below pytest's own summary."""
    yield
    skipped = [
        report.nodeid for report in terminalreporter.stats.get("skipped", []) if MISSING_BROWSER in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_sep("=", "browser tests skipped", yellow=True)
        for nodeid in skipped:
            terminalreporter.write_line(f"SKIPPED {nodeid}")
        terminalreporter.write_line(f"{len(skipped)} browser tests did not run: {MISSING_BROWSER}.")
