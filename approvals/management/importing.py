"""What `import_s1` and `import_s3` share: reading the other database, importing, and the report of what was left."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from approvals.actors import command
from approvals.services.imported import ForeignDecision, compare, import_decisions
from audit.log import Actor
from postgresql.other_database import Snapshot, snapshot

from .other_systems import History, NotCarried, System, decision_of

IS_THERE_SQL = "select to_regclass(%s) is not null"


@dataclass(slots=True)
class Report:
    """What came of an import. A line is a table, the id of a row in it, and a sentence."""

    read: int = 0
    new: int = 0
    known: int = 0
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[tuple[str, str, str]] = field(default_factory=list)

    def as_json(self, **more: Any) -> str:
        lines = {
            name: [dict(zip(("table", "id", "why"), line, strict=True)) for line in getattr(self, name)]
            for name in ("left_out", "notes")
        }
        counts = {"read": self.read, "new": self.new, "already_imported": self.known}
        return json.dumps(more | counts | lines, indent=2, ensure_ascii=False) + "\n"


class ImportCommand(BaseCommand):
    """Import the decided rows of one system; never writes to its database."""

    name: ClassVar[str]
    system: ClassVar[System]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dsn", help="the other database: postgresql://… or words of libpq such as service=old")
        parser.add_argument("--dry-run", action="store_true", help="say what would be imported, and import nothing")
        parser.add_argument("--report", type=Path, metavar="FILE", help="write the report as JSON, too")
        parser.add_argument("--time-zone", default="UTC", help="of times that are stored without one (UTC)")

    def handle(self, *args: Any, **options: Any) -> None:
        report, now = Report(), timezone.now()
        try:
            zone = ZoneInfo(options["time_zone"])
        except (KeyError, OSError, ValueError) as error:
            raise CommandError(f"No time zone is called {options['time_zone']}.") from error
        actor = command(self.name)
        try:
            with snapshot(options["dsn"]) as source:
                for decisions in _read(self.system, source, zone, report):
                    self._take(decisions, report, None if options["dry_run"] else actor, now)
        except psycopg.Error as error:
            raise CommandError(f"The other database: {str(error).strip()}") from error
        self._tell(report, options)

    def _take(self, decisions: list[ForeignDecision], report: Report, actor: Actor | None, now: datetime) -> None:
        compared = import_decisions(decisions, actor=actor, now=now) if actor else compare(decisions)
        report.new += len(compared.new)
        report.known += len(compared.known) + len(compared.changed)
        why = "It has changed there since it was imported; here it stays as it was."
        report.notes += [(self.system.table, decision.source_id, why) for decision in compared.changed]

    def _tell(self, report: Report, options: dict[str, Any]) -> None:
        for title, lines in (("Not carried over", report.left_out), ("Carried over, but", report.notes)):
            for table, row, why in lines:
                self.stdout.write(f"{title}: {table} {row}: {why}")
        would = "would be new" if options["dry_run"] else "new"
        self.stdout.write(
            f"{report.read} rows read: {report.new} {would}, {report.known} already imported, "
            f"{len(report.left_out)} not carried over."
        )
        if not report.new:
            self.stdout.write("Nothing was changed here.")
        if options["report"]:
            text = report.as_json(system=self.system.source.label, dry_run=options["dry_run"])
            try:
                options["report"].write_text(text, "utf-8")
            except OSError as error:
                self.stderr.write(f"{options['report']}: {error.strerror}. The rest is done.")
                sys.exit(1)


def _read(system: System, source: Snapshot, zone: ZoneInfo, report: Report) -> Iterator[list[ForeignDecision]]:
    """Yield the decisions that can be imported, some at a time, and note in the report why others cannot."""
    if not _is_there(source, system.table):
        raise CommandError(f"The other database has no table {system.table}.")
    histories = [history for history in system.histories if _is_there(source, history.table)]
    seen: set[str] = set()
    for rows in source.sets(system.rows_sql):
        report.read += len(rows)
        past = _past(source, histories, [key for key, _ in rows if key])
        found = {}
        for key, raw in rows:
            try:
                decision, notes = decision_of(system, key, raw, past[key], zone)
                if decision.source_id in seen:
                    raise NotCarried("Another row has this id and is carried over.")
            except NotCarried as error:
                report.left_out.append((system.table, key or "(no id)", str(error)))
                continue
            seen.add(decision.source_id)
            found[decision.source_id] = decision
            report.notes += [(system.table, decision.source_id, note) for note in notes]
        yield list(found.values())
    for history in histories:
        lost = [str(key) for (key,) in source.rows(history.lost_sql)]
        report.left_out += [(history.table, key, "Its decision is not there.") for key in lost]
    if system.uncarried_table and _is_there(source, system.uncarried_table):
        messages = [str(key) for (key,) in source.rows(system.uncarried_sql)]
        report.left_out += [(system.uncarried_table, key, system.uncarried_why) for key in messages]


def _past(source: Snapshot, histories: list[History], keys: list[str]) -> dict[str | None, list[str]]:
    """Return the rows of history (JSON) of each of these decisions, oldest first in each table."""
    past: dict[str | None, list[str]] = defaultdict(list)
    for history in histories:
        for key, raw in source.rows(history.rows_sql, [keys]):
            past[key].append(raw)
    return past


def _is_there(source: Snapshot, table: str) -> bool:
    return bool(source.rows(IS_THERE_SQL, [table])[0][0])
