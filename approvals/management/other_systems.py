"""The two systems whose history can be imported, and what a row of theirs becomes here. Reads no database."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from approvals.models import MAX_NAME, Source, Status
from approvals.services.imported import ForeignDecision

Row = dict[str, Any]
MAX_TEXT = 10_000  # characters of one text that are carried over
MAX_LEVELS = 100  # of nested JSON
MAX_RECORD = 65_536  # characters of a row with its history


@dataclass(frozen=True, slots=True)
class History:
    """A table whose rows belong to decisions: its name, its own key, the column that names the decision, and statements
    for the rows of some decisions and for those of none."""

    table: str
    key: str
    belongs_to: str
    rows_sql: str
    lost_sql: str


@dataclass(frozen=True, slots=True)
class System:
    """One system: its table of decisions and what its words mean here. `open_states` are not decided there, each with
    the sentence that says what to do."""

    source: Source
    table: str
    key: str
    rows_sql: str
    histories: tuple[History, ...]
    outcomes: dict[str, Status]
    open_states: dict[str, str]
    status: str
    names: tuple[str, ...]
    heading: Callable[[Row], str]
    uncarried_table: str = ""
    uncarried_sql: str = ""
    uncarried_why: str = ""


class NotCarried(ValueError):
    """Why a row is not carried over, as a sentence."""


Notes = list[str]


def decision_of(
    system: System, source_id: str | None, raw: str, histories: Sequence[str], zone: tzinfo
) -> tuple[ForeignDecision, Notes]:
    """Return a row (JSON) with the rows of its history as a decision, and what is odd about it; raise NotCarried.

    `zone` is that of times without one.
    """
    notes: Notes = []
    row = read_json(raw)
    status = row.get(system.status)
    if not source_id or not source_id.strip():
        raise NotCarried(f"It has no {system.key}.")
    if len(source_id) > MAX_NAME:
        raise NotCarried(f"Its {system.key} has more than {MAX_NAME} characters.")
    if isinstance(status, str) and status in system.open_states:
        raise NotCarried(system.open_states[status])
    if not isinstance(status, str) or status not in system.outcomes:
        raise NotCarried(f"No {system.status} is called “{str(status)[:50]}”.")
    outcome = system.outcomes[status]
    decided_at = _time(row, "decided_at", zone, notes)
    decided_by = _text(row, "decided_by")
    _doubt(row, outcome, decided_at, decided_by, zone, notes)
    return (
        ForeignDecision(
            source=system.source,
            source_id=source_id,
            outcome=outcome,
            decided_at=decided_at,
            decided_by=decided_by[:MAX_NAME],
            heading=system.heading(row)[:500].strip() or source_id,
            names=_names(row | {system.key: source_id}, (system.key, *system.names)),
            record=_record(row, [read_json(one) for one in histories], notes),
        ),
        notes,
    )


def read_json(raw: str) -> Row:
    """Return a row of the other database; raise NotCarried for one that Python cannot hold."""
    try:
        row: Row = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise NotCarried("It holds a number of more than 4,300 digits, or JSON that is nested too deeply.") from error
    return row


def _doubt(row: Row, outcome: Status, decided_at: datetime | None, decided_by: str, zone: tzinfo, notes: Notes) -> None:
    if not decided_by:
        notes.append("It names nobody who decided.")
    if not decided_at:
        notes.append("It has no time of the decision.")
        return
    created_at = _time(row, "created_at", zone, [])
    if created_at and decided_at < created_at:
        notes.append("It was decided before it was created.")
    if decided_at > datetime.now(UTC):
        notes.append("It was decided in the future.")
    if outcome == Status.REJECTED and not _text(row, "reason").strip():
        notes.append("It was rejected without a reason.")


def _time(row: Row, name: str, zone: tzinfo, notes: Notes) -> datetime | None:
    value = row.get(name)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        notes.append(f"Its {name} “{str(value)[:50]}” is no time.")
        return None


def _names(row: Row, columns: Sequence[str]) -> list[str]:
    named = [_text(row, column).strip().lower() for column in columns]
    return list(dict.fromkeys(name for name in named if name and len(name) <= MAX_NAME))


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _record(row: Row, history: list[Row], notes: Notes) -> str:
    """Return the row and its history as JSON; long texts are cut, and the end of a long history is left out."""
    whole = len(history)
    row, history = _cut(row, notes), [_cut(one, notes) for one in history]
    while len(record := _dumped(row, history)) > MAX_RECORD and history:
        history = history[: len(history) // 2]
    if len(record) > MAX_RECORD:
        raise NotCarried(f"It has {len(record):,} characters; {MAX_RECORD:,} are carried over.")
    if len(history) < whole:
        notes.append(f"Of its {whole:,} rows of history the first {len(history):,} are carried over.")
    return record


def _dumped(row: Row, history: list[Row]) -> str:
    return json.dumps({"row": row, "history": history}, sort_keys=True, ensure_ascii=False)


def _cut(value: Any, notes: Notes, name: str = "", level: int = 1) -> Any:
    if level > MAX_LEVELS:
        raise NotCarried(f"Its {name} is nested more than {MAX_LEVELS} levels deep.")
    if isinstance(value, dict):
        return {key: _cut(item, notes, name or key, level + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item, notes, name, level + 1) for item in value]
    if isinstance(value, str) and len(value) > MAX_TEXT:
        notes.append(f"Of the {len(value):,} characters in its {name} the first {MAX_TEXT:,} are carried over.")
        return value[:MAX_TEXT]
    return value


RESUBMIT = "It waits there, with no diff that anybody could look at: its producer submits it again, with one."
REFERENCE_API = System(
    source=Source.REFERENCE_API,
    table="hitl_decisions",
    key="decision_id",
    rows_sql="select decision_id::text, to_jsonb(d)::text from hitl_decisions d"
    " order by decided_at nulls first, decision_id",
    histories=(
        History(
            "hitl_audit_logs",
            "log_id",
            "decision_id",
            "select decision_id::text, to_jsonb(h)::text from hitl_audit_logs h where decision_id::text = any(%s)"
            " order by timestamp, log_id",
            "select log_id from hitl_audit_logs h where not exists"
            " (select from hitl_decisions d where d.decision_id = h.decision_id) order by log_id",
        ),
        History(
            "hitl_comments",
            "comment_id",
            "decision_id",
            "select decision_id::text, to_jsonb(h)::text from hitl_comments h where decision_id::text = any(%s)"
            " order by created_at, comment_id",
            "select comment_id from hitl_comments h where not exists"
            " (select from hitl_decisions d where d.decision_id = h.decision_id) order by comment_id",
        ),
    ),
    outcomes={
        "approved": Status.APPROVED,
        "auto_approved": Status.AUTO_APPROVED,
        "rejected": Status.REJECTED,
        "cancelled": Status.CANCELLED,
    },
    open_states={"pending": RESUBMIT, "escalated": f"It was escalated and never decided. {RESUBMIT}"},
    status="decision",
    names=("patch_id", "apv_id", "cve_id", "package_name"),
    heading=lambda row: (
        f"{_text(row, 'package_name')} {_text(row, 'current_version')} to {_text(row, 'target_version')}"
        if _text(row, "package_name")
        else ""
    ),
)
ASK_AGAIN = "It waits there, and so does the job that asked: let it end there, and have the job ask here from now on."
WORKFLOW_GATES = System(
    source=Source.WORKFLOW_GATES,
    table="approval_requests",
    key="id",
    rows_sql="select id::text, to_jsonb(d)::text from approval_requests d order by decided_at nulls first, id",
    histories=(
        History(
            "approval_audit_log",
            "id",
            "approval_request_id",
            "select approval_request_id::text, to_jsonb(h)::text from approval_audit_log h"
            " where approval_request_id::text = any(%s) order by created_at, id",
            "select id::text from approval_audit_log h where not exists"
            " (select from approval_requests d where d.id = h.approval_request_id) order by id",
        ),
    ),
    outcomes={
        "approved": Status.APPROVED,
        "rejected": Status.REJECTED,
        "cancelled": Status.CANCELLED,
        "timeout": Status.EXPIRED,
    },
    open_states={
        "pending": ASK_AGAIN,
        "escalated": "It was escalated and never decided; nobody could decide it there.",
    },
    status="status",
    names=("workflow_id", "job_id", "execution_id"),
    heading=lambda row: _text(row, "title"),
    uncarried_table="approval_notifications",
    uncarried_sql="select id::text from approval_notifications order by id",
    uncarried_why="Messages that were sent are not carried over; nothing here sends them again.",
)
