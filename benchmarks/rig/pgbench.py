"""The yardstick: PostgreSQL's own pgbench, writing the very rows that the product writes, with nothing around them.

The statements are the product's: they are recorded while its service runs in a transaction that is rolled back,
then ids are replaced by pgbench variables. Reads, locks and NOTIFY are left out; they leave no row. Audit entries and
the rows of `plainly` are plain INSERTs, whatever way the product has found to send them.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, models, transaction
from django.db.backends.postgresql.psycopg_any import mogrify

from audit import log
from hitl import embedded_postgres

from . import DATA

WRITES = re.compile(r"\s*(insert|update|delete)", re.IGNORECASE)
ENTRY = """
with entry as (
    insert into audit_entry (uuid, type, actor_id, actor_kind, object_type, object_id, object_n, body, at)
    values (%(uuid)s, %(type)s, %(actor_id)s, %(actor_kind)s, %(object_type)s, %(object_id)s, %(object_n)s, %(body)s,
            %(at)s)
    returning id
)
insert into audit_context (entry_id, actor_label, object_label, ip_address, user_agent)
select id, %(actor_label)s, %(object_label)s, %(ip_address)s, %(user_agent)s from entry
"""
MOST_SCRIPTS = 128  # pgbench takes no more


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Collect the writing statements of the block as PostgreSQL gets them; nothing of it stays in the database."""
    statements: list[str] = []

    def keep(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql == log.INSERT_ENTRIES_SQL:
            for of_entry in json.loads(params[0]):
                values = of_entry | {"at": params[1], "body": of_entry["body"].encode()}
                statements.append(mogrify(ENTRY, values, connection))
        elif WRITES.match(sql):
            statements.append(mogrify(sql, params, connection))
        return execute(sql, params, many, context)

    with transaction.atomic():
        with connection.execute_wrapper(keep):
            yield statements
        transaction.set_rollback(True)


def plainly(rows: list[models.Model]) -> None:
    """Insert as the ORM does, in the place of `postgresql.insertion.insert`."""
    type(rows[0])._default_manager.bulk_create(rows)


def run(scripts: Sequence[str], clients: int, transactions: int, first: int = 0) -> float:
    """Run the scripts in random order, each client `transactions` of them; return the seconds it took.

    `first` is where each client's counter starts: a second run must not repeat the ids of the first.
    """
    assert len(scripts) <= MOST_SCRIPTS
    with tempfile.TemporaryDirectory() as directory:
        files = []
        for number, script in enumerate(scripts):
            path = Path(directory, f"{number}.sql")
            path.write_text(script)
            files.append(f"--file={path}")
        command = [
            embedded_postgres.binary("pgbench"),
            "--no-vacuum",
            f"--client={clients}",
            "--jobs=2",
            f"--transactions={transactions}",
            f"--host={embedded_postgres.socket_dir(DATA)}",
            "--username=postgres",
            f"--define=counter={first}",
            *files,
            embedded_postgres.DATABASE,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    rate = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
    if done.returncode or not rate or "number of failed transactions: 0 " not in done.stdout:
        raise RuntimeError(f"pgbench failed: {done.stdout}\n{done.stderr[-2000:]}")
    return clients * transactions / float(rate[1])
