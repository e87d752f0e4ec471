"""`manage.py backup` and `restore`: what comes back is what there was, and what is not whole is refused."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from approvals.live import connection_parameters
from approvals.models import Decision, Heartbeat
from approvals.services.dispatch import dispatch
from audit.models import Entry, Leaf
from hitl import backups, restoring
from notifications.models import Endpoint
from notifications.secrets import WEBHOOKS, encrypt
from tests.hitl.outside_server import DEBIAN_15, PASSWORD, make_database, outside_server, url
from tests.hitl.test_serve import ROOT, environment, wait_until
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
TABLES = "select tablename from pg_tables where schemaname = 'public' and tablename <> all(%s)"
LEFT_OUT = ["django_session", "usersessions_usersession", "approvals_heartbeat"]  # the last says when it was backed up
DIGEST = "select count(*), md5(string_agg(md5(each::text), '' order by md5(each::text))) from public.{} each {}"
NOTE = "(select id from public.audit_entry where type in ('backup.restored', 'automation.stopped'))"
BEFORE_THE_NOTE = {
    "audit_entry": f"where id not in {NOTE}",
    "approvals_killswitch": "where false",
    "approvals_text": "where id not in (select reason_id from public.approvals_killswitch where reason_id is not null)",
} | dict.fromkeys(("audit_context", "audit_pending"), f"where entry_id not in {NOTE}")
NOTED = """
select object_id, convert_from(body, 'UTF8')::jsonb #>> '{data,log_root}' from audit_entry
where type = 'backup.restored'
"""


@pytest.fixture
def decided(make_patch, approve, alice) -> Decision:
    """Decide one of two patches, sign in and take a second factor."""
    approve(make_patch(), alice)
    make_patch(cve_id="CVE-2026-0002")
    dispatch()
    secret = {"secret": get_adapter().encrypt("JBSWY3DPEHPK3PXP")}
    Authenticator.objects.create(user=alice, type=Authenticator.Type.TOTP, data=secret)
    Endpoint.objects.create(
        name="a", url="https://example.org/", created_at=timezone.now(), secrets=[encrypt("whsec_a", WEBHOOKS)]
    )
    Session.objects.create(session_key="of alice", session_data="", expire_date=timezone.now() + timedelta(days=1))
    return Decision.objects.get(status="approved")


@pytest.fixture
def dump(decided: Decision, tmp_path: Path) -> Path:
    return back_up(tmp_path / "backups")


def back_up(directory: Path, **options: Any) -> Path:
    """Back the test's database up and return the newest dump."""
    call_command("backup", directory, stdout=io.StringIO(), **options)
    return max(directory.glob("*.dump"))


def drill(dump: Path, **options: Any) -> str:
    said = io.StringIO()
    try:
        call_command("restore", dump, drill=True, stdout=said, **options)
    except CommandError as error:
        return f"{said.getvalue()}{error}"
    return said.getvalue()


def manifest_of(dump: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dump.with_suffix(".json").read_text())
    return found


def rewrite(dump: Path, **changes: Any) -> None:
    """Change a manifest as somebody would who also knows of the checksums."""
    file, sums = dump.with_suffix(".json"), dump.with_suffix(".sha256")
    file.write_text(json.dumps(manifest_of(dump) | changes))
    first, _ = sums.read_text().splitlines()
    sums.write_text(f"{first}\n{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")


def scratch_databases() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("select datname from pg_database where datname like %s", [f"hitl_drill%_{os.getpid()}"])
        return [name for (name,) in cursor.fetchall()]


def plain_sql(statement: str) -> None:
    """Change what triggers protect, as an administrator of the server can."""
    with connection.cursor() as cursor:
        for table in ("audit_entry", "audit_leaf"):
            cursor.execute(f"alter table {table} disable trigger {table}_no_change")
        cursor.execute(statement)
        for table in ("audit_entry", "audit_leaf"):
            cursor.execute(f"alter table {table} enable always trigger {table}_no_change")


# --- A backup ---------------------------------------------------------------------------------------------------------


def test_a_backup_is_three_files_for_one_person_and_says_what_is_in_it(dump: Path) -> None:
    files = sorted(dump.parent.iterdir())
    assert [path.suffix for path in files] == [".dump", ".json", ".sha256"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    subprocess.run(["sha256sum", "--check", "--quiet", files[2].name], cwd=dump.parent, check=True)
    manifest = manifest_of(dump)
    assert manifest["rows"]["audit_entry"] == Entry.objects.count()
    assert manifest["rows"]["audit_leaf"] == Leaf.objects.count() > 0
    assert (manifest["rows"]["approvals_decision"], manifest["decided"], manifest["feed_position"]) == (2, 1, 1)
    assert manifest["version"] == settings.VERSION
    assert manifest["server"].split(".")[0] == "18"
    assert "approvals.0001_initial" in manifest["migrations"]
    assert Heartbeat.objects.get(name="backup").seen_at - timezone.now() < timedelta(minutes=1)


def test_it_holds_no_session_and_no_key(dump: Path) -> None:
    contents = subprocess.run(
        [backups.program("pg_restore", 18), "--file=-", dump], capture_output=True, text=True, check=True
    ).stdout
    assert "of alice" not in contents
    assert settings.SECRET_KEY not in contents
    assert "COPY public.approvals_decision" in contents


def test_no_password_is_on_a_command_line() -> None:
    shown, hidden = backups.connecting({"dbname": "hitl", "host": "db", "password": PASSWORD, "sslmode": "verify-full"})
    assert shown == "--dbname=dbname=hitl host=db sslmode=verify-full"
    assert hidden["PGPASSWORD"] == PASSWORD
    with pytest.raises(CommandError, match="sslpassword would stand on a command line"):
        backups.connecting({"dbname": "hitl", "sslpassword": PASSWORD})


@pytest.mark.parametrize("program", ["/bin/false", "/bin/sleep"])
def test_a_failed_backup_leaves_nothing(decided, tmp_path, monkeypatch, program) -> None:
    monkeypatch.setattr(backups, "program", lambda *_: program)
    with pytest.raises(CommandError, match="no backup was made"):
        back_up(tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []
    assert not Heartbeat.objects.filter(name="backup").exists()


def test_two_backups_of_one_second_are_not_mixed(dump: Path) -> None:
    before = {path: path.read_bytes() for path in dump.parent.iterdir()}
    with pytest.raises(CommandError, match="is there already, or being written"):
        backups.Backup(dump).claim()
    assert {path: path.read_bytes() for path in dump.parent.iterdir()} == before
    later = backups.Backup.named(dump.parent, timezone.now() + timedelta(hours=1))
    later.claim()
    with pytest.raises(CommandError, match="is there already, or being written"):
        later.claim()


def test_an_older_pg_dump_says_what_to_install() -> None:
    with pytest.raises(CommandError, match=r"pg_dump 99 or newer, and the newest here is 18.*postgresql-client-99"):
        backups.program("pg_dump", 99)


def test_the_program_of_the_servers_own_version_is_taken_first(tmp_path, monkeypatch) -> None:
    older = tmp_path / "pg_dump"
    older.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 16.9'\n")
    older.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert backups.program("pg_dump", 16) == str(older)
    assert backups.program("pg_dump", 15) == str(older), "the next above"
    assert "pixeltable" in backups.program("pg_dump", 17)


def test_old_backups_of_this_database_go_and_the_newest_and_everything_else_stay(dump: Path) -> None:
    directory, now = dump.parent, timezone.now()

    def old(days: int, **manifest: str) -> str:
        backup = backups.Backup.named(directory, now - timedelta(days=days))
        backup.partial.write_text("")
        backup.finish(manifest)
        return backup.dump.name

    mine = manifest_of(dump)["database"]
    old(15, database=mine)
    stays = {old(13, database=mine), old(40, database="another"), old(50, made_by="somebody else")}
    strange = [directory / name for name in ("hitl-2025.dump", "notes.txt", "hitl-20200101T000000Z.dump.bak")]
    for path in strange:
        path.write_text("")
    killed = directory / ".hitl-20200101T000000Z.dump.partial"
    killed.mkdir()
    assert wait_until(lambda: backups.Backup.named(directory, timezone.now()).dump != dump)
    call_command("backup", directory, keep=14, stdout=io.StringIO())
    newest = max(path.name for path in directory.glob("hitl-*Z.dump"))
    assert {path.name for path in directory.glob("hitl-*Z.dump")} == stays | {dump.name, newest}
    assert all(path.exists() for path in strange)
    assert not killed.exists()
    assert backups.delete_old(directory, 1, mine, now + timedelta(days=1000))
    assert (directory / newest).exists(), "the newest stays however old it is"


# --- A restore --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_drill_restores_checks_and_leaves_nothing(decided, tmp_path, jobs) -> None:
    said = drill(back_up(tmp_path / "backups", jobs=jobs), jobs=jobs)
    assert "FAILED" not in said
    assert "ok: Every decided decision has its entry." in said
    assert "1 decided decisions" in said
    assert "SECRET_KEY reads all 1 secrets" in said
    assert "The drill is over" in said
    assert scratch_databases() == []


def test_a_damaged_file_is_refused_before_anything_is_touched(dump: Path) -> None:
    with dump.open("r+b") as file:
        file.seek(2000)
        file.write(b"\0")
    assert f"{dump.name} is not what {dump.stem}.sha256 says" in drill(dump)
    dump.with_suffix(".json").unlink()
    assert "is no whole backup" in drill(dump)


def test_a_backup_of_a_newer_release_is_refused(dump: Path) -> None:
    rewrite(dump, version="9.0", migrations=[*manifest_of(dump)["migrations"], "approvals.9999_later"])
    assert "Release 9.0 made this backup, with the migration approvals.9999_later" in drill(dump)


def test_a_database_in_use_is_refused_and_left_alone(dump: Path) -> None:
    with pytest.raises(CommandError, match="is not empty, and nothing was touched"):
        call_command("restore", dump, stdout=io.StringIO())
    with pytest.raises(CommandError, match="--replace takes the name of the database"):
        call_command("restore", dump, replace="another", stdout=io.StringIO())
    assert Decision.objects.count() == 2


def test_a_server_without_the_role_of_web_and_worker_is_refused(dump: Path, settings: Any) -> None:
    settings.DATABASE_ROLE = "unheard"
    with pytest.raises(CommandError, match="has no role unheard .* Nothing was touched"):
        call_command("restore", dump, stdout=io.StringIO())


def test_another_secret_key_is_noticed(dump: Path, settings: Any) -> None:
    settings.SECRET_KEY = "another one"
    said = drill(dump)
    assert "FAILED: SECRET_KEY does not read 1 of 1 secrets of second factors" in said
    assert "FAILED: SECRET_KEY does not read 1 of 1 secrets of webhooks" in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("update audit_entry set type = 'decision.lost' where type = 'decision.approved'", "FAILED: Every decided"),
        ("delete from audit_leaf where seq = 1", "FAILED: Every entry has one place"),
        ("update audit_entry set body = body || ' ' where object_n = 1", "FAILED: Every entry names the hash"),
    ],
)
def test_what_is_wrong_in_a_backup_is_said(decided, tmp_path, change, sentence) -> None:
    plain_sql(change)
    said = drill(back_up(tmp_path / "backups"))
    assert sentence in said
    assert "Web and worker were given no rights" in said
    assert scratch_databases() == []


def test_rows_and_log_are_those_that_were_backed_up(dump: Path) -> None:
    rows = manifest_of(dump)["rows"]
    rewrite(dump, rows=rows | {"audit_entry": rows["audit_entry"] + 1}, log_root="00" * 32)
    said = drill(dump)
    assert f"FAILED: Rows are not those of the manifest: audit_entry {rows['audit_entry']} instead of" in said
    assert "FAILED: The log's root is" in said


def test_a_restore_that_breaks_off_leaves_what_there_was(dump: Path, tmp_path: Path, monkeypatch: Any) -> None:
    real, broken = backups.program("pg_restore", 18), tmp_path / "pg_restore"
    broken.write_text(
        f'#!/bin/sh\ncase "$*" in *--list*) exec {real} "$@" ;; esac\n{real} "$@" | head -c 200000; exit 1\n'
    )
    broken.chmod(0o755)
    programs = {"pg_restore": str(broken), "psql": backups.program("psql", 18)}
    monkeypatch.setattr(backups, "program", lambda name, _: programs[name])
    parameters = connection_parameters()
    before = digests(**parameters)
    connection.close()  # a lock of ours would end it before it begins
    with pytest.raises(CommandError, match="Nothing was changed"):
        restoring.restore(dump, parameters, least=18, replace=True)
    assert digests(**parameters) == before


# --- From one server into another -------------------------------------------------------------------------------------


@pytest.fixture
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with outside_server(tmp_path_factory.mktemp("outside")) as address:
        yield address


def digests(address: str = "", **parameters: Any) -> dict[str, Any]:
    """Return the number of rows and a digest over all of them, of each table, but for what a restore notes itself."""
    with psycopg.connect(address, **parameters) as server:
        tables = [table for (table,) in server.execute(TABLES, [LEFT_OUT])]
        of = {table: DIGEST.format(table, BEFORE_THE_NOTE.get(table, "")) for table in tables}
        return {table: server.execute(digest).fetchall() for table, digest in of.items()}


def manage(address: str, database: str, *arguments: str | Path, owner: str = "hitl_owner") -> str:
    urls = {
        "DATABASE_URL": url(address, "hitl_app", database),
        "DATABASE_MIGRATE_URL": url(address, owner, database),
        "SECRET_KEY": settings.SECRET_KEY,
    }
    command = [sys.executable, ROOT / "manage.py", *arguments]
    done = subprocess.run(
        command, env=environment(Path("/nowhere"), free_port()) | urls, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def moves_to_a_server_of_ones_own_and_between_its_databases(dump: Path, address: str, directory: Path) -> None:
    before = digests(**connection_parameters())
    for name in ("hitl", "second"):
        make_database(address, name)
    said = manage(address, "hitl", "restore", dump)
    assert "FAILED" not in said
    assert "web and worker have their rights" in said
    assert digests(url(address, "hitl_owner", "hitl")) == before
    with psycopg.connect(url(address, "hitl_app", "hitl"), autocommit=True) as application:
        assert application.execute("select count(*) from approvals_decision").fetchall() == [(2,)]
        assert application.execute(NOTED).fetchall() == [(dump.stem, manifest_of(dump)["log_root"])]
        # What people refused since waits again: nothing may approve it before they have said so.
        assert application.execute("select stopped, changed_by from approvals_killswitch").fetchall() == [
            (True, "manage.py restore")
        ]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("delete from audit_entry")
    manage(address, "hitl", "backup", directory, owner="hitl_backup")
    again = max(directory.glob("*.dump"))
    assert manifest_of(again)["log_root"] == manifest_of(dump)["log_root"]
    with psycopg.connect(url(address, "hitl_owner", "second")) as owner:
        owner.execute("create table in_the_way (id int)")
    assert "FAILED" not in manage(address, "second", "restore", again, "--replace", "second")
    assert digests(url(address, "hitl_owner", "second")) == before


def test_what_comes_back_on_another_server_is_the_same_table_by_table(dump, address, tmp_path) -> None:
    moves_to_a_server_of_ones_own_and_between_its_databases(dump, address, tmp_path / "there")


@pytest.mark.skipif(not DEBIAN_15.exists(), reason="needs Debian 12's PostgreSQL, the oldest that is supported")
def test_so_it_does_on_the_oldest_server_that_is_supported(dump, tmp_path) -> None:
    (tmp_path / "server").mkdir()
    with outside_server(tmp_path / "server", DEBIAN_15) as address:
        moves_to_a_server_of_ones_own_and_between_its_databases(dump, address, tmp_path / "there")
