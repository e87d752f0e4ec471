"""Intake's rows as pgbench scripts: what `submit()` writes for a real patch, under ids that pgbench counts up."""

from typing import Any
from unittest.mock import patch

from django.db import connection
from django.utils import timezone

from approvals.actors import command
from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.models import Producer
from approvals.services.intake import submit
from approvals.services.producers import ensure_producer

from . import documents, pgbench

# Marks that appear nowhere in a real patch; pgbench puts its own values in their place, inside quotes too.
PATCH_ID = "freshpatchid"
CVE = "912345670"
KEY = 900_000_000_000_001

COUNT = r"""
\set counter :counter + 1
\set fresh 100000000000 + :client_id * 10000000000 + :counter
\set cve :fresh / 4
begin;
"""
UUID_HEAD = "01a1fa8d-ba0b-7666-a722-"  # with twelve digits of a counter: in order, as our UUIDv7 are
ENTRY_HEAD = "01a1fa8d-ba0b-7666-b722-"


def scripts(real: list[dict[str, Any]]) -> list[str]:
    """Return one script a document: count, then the product's own INSERTs in one transaction."""
    actor = command("bench")
    producer = ensure_producer("pgbench", actor=actor, now=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("select last_value from approvals_patch_id_seq")
        [last] = cursor.fetchone()
        made = [_script(document, producer, actor) for document in real]
        cursor.execute("select setval('approvals_patch_id_seq', %s)", [last])
    connection.close()
    return made


def _script(document: dict[str, Any], producer: Producer, actor: Any) -> str:
    marked = documents.named(document, PATCH_ID, f"CVE-2099-{CVE}")
    submission = submission_of(IntakeDocument.model_validate(marked))
    with pgbench.recorded() as statements:
        with connection.cursor() as cursor:  # a key that no other number in the statements looks like
            cursor.execute("select setval('approvals_patch_id_seq', %s, false)", [KEY])
        with patch("approvals.services.intake.insert", pgbench.plainly):
            decision = submit(submission, producer=producer, actor=actor, now=timezone.now()).decision
        with connection.cursor() as cursor:
            cursor.execute("select uuid from audit_entry where object_id = %s", [str(decision.decision_id)])
            [entry] = cursor.fetchone()
    marks = {
        PATCH_ID: "bench:fresh",
        CVE: ":cve",
        str(KEY): ":id",
        str(decision.decision_id): f"{UUID_HEAD}:fresh",
        decision.decision_id.hex: f"{UUID_HEAD}:fresh",
        str(entry): f"{ENTRY_HEAD}:fresh",
        entry.hex: f"{ENTRY_HEAD}:fresh",
    }
    lines = [COUNT]
    for statement in statements:
        for mark, variable in marks.items():
            statement = statement.replace(mark, variable)
        returns_the_key = 'returning "approvals_patch"."id"' in statement.lower()
        lines.append(statement + (r" \gset" if returns_the_key else ";"))
    return "\n".join([*lines, "commit;\n"])
