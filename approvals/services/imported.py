"""Import what was decided in another system. The only writer of imported decisions, and no writer of any other."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from approvals.models import ImportedDecision, Source, Status, Text
from approvals.queries.imported import records_of
from audit.log import Actor, NewEntry, Subject, record_all
from postgresql.insertion import insert
from postgresql.statements import query_prepared

from .ending import commitment


@dataclass(frozen=True, slots=True)
class ForeignDecision:
    """A decided row of another system. `names` are its ids and names there, `record` the whole row as JSON."""

    source: Source
    source_id: str
    outcome: Status
    decided_at: datetime | None
    decided_by: str
    heading: str
    names: list[str]
    record: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What of a set of foreign decisions is new, what is imported already, and what has changed there since."""

    new: list[ForeignDecision]
    known: list[ForeignDecision]
    changed: list[ForeignDecision]


LOCK_IMPORTS_SQL = "select pg_advisory_xact_lock(hashtextextended('imported decisions', %s))"


@transaction.atomic
def import_decisions(decisions: Sequence[ForeignDecision], *, actor: Actor, now: datetime) -> Comparison:
    """Add the decisions of one system that are new, with an entry each. Those that are here already stay as they are,
    whatever became of them there."""
    query_prepared(LOCK_IMPORTS_SQL, [0])  # two imports at once would both find a row new
    compared = compare(decisions)
    if not compared.new:
        return compared
    texts = [Text(body=decision.record) for decision in compared.new]
    insert(texts)
    rows = [
        ImportedDecision(
            source=decision.source,
            source_id=decision.source_id,
            outcome=decision.outcome,
            decided_at=decision.decided_at,
            imported_at=now,
            heading=decision.heading,
            names=decision.names,
            record=text,
        )
        for decision, text in zip(compared.new, texts, strict=True)
    ]
    ImportedDecision.objects.bulk_create(rows)
    record_all(
        [_entry(row, decision, actor) for row, decision in zip(rows, compared.new, strict=True)], at=now, wake=True
    )
    return compared


def compare(decisions: Collection[ForeignDecision]) -> Comparison:
    """Return which of these are new, known and changed, and write nothing."""
    compared = Comparison([], [], [])
    records = {}
    for source in {decision.source for decision in decisions}:
        records[source] = records_of(source, [one.source_id for one in decisions if one.source == source])
    for decision in decisions:
        here = records[decision.source]
        if decision.source_id not in here:
            compared.new.append(decision)
        elif here[decision.source_id] in {decision.record, None}:
            compared.known.append(decision)
        else:
            compared.changed.append(decision)
    return compared


def _entry(row: ImportedDecision, decision: ForeignDecision, actor: Actor) -> NewEntry:
    return NewEntry(
        "history.imported",
        actor,
        Subject("imported", str(row.pk), row.heading),
        {
            "system": Source(row.source).label,
            "source_id": row.source_id,
            "outcome": row.outcome,
            "decided_at": row.decided_at,
            "record": commitment(row.record),
        },
        aside={"decided_by": decision.decided_by} if decision.decided_by else {},
    )
