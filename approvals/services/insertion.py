"""Insert rows as one JSON parameter; for intake, where the ORM's work on every value costs more than the database's."""

import json
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, models

from audit.statements import prepared


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model with one statement and set their keys, as `bulk_create` does.

    Measured with real patches: 0.5 ms of processor time a row where `bulk_create` took 1.4.
    """
    model = type(rows[0])
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, LEFT_TO_THE_DATABASE)]
    values = [{field.column: getattr(row, field.attname) for field in fields} for row in rows]
    keys = prepared(_statement(model), [json.dumps(values, default=_as_text)])
    for row, (key,) in zip(rows, keys, strict=True):  # in the order sent
        row.pk, row._state.adding, row._state.db = key, False, connection.alias


LEFT_TO_THE_DATABASE = (models.AutoField, models.GeneratedField)  # BigAutoField counts as an AutoField


@cache
def _statement(model: type[models.Model]) -> str:
    table, key = model._meta.db_table, model._meta.pk
    assert key is not None
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, LEFT_TO_THE_DATABASE)]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    return (
        f'insert into "{table}" ({columns}) select {columns} '  # noqa: S608  names of our own models only
        f'from json_populate_recordset(null::"{table}", %s) returning "{key.column}"'
    )


def _as_text(value: Any) -> str:
    """Return what JSON cannot hold as PostgreSQL reads it from text; unlike Django's encoder, to the microsecond."""
    if isinstance(value, date):  # and so datetime
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"a {type(value).__name__} cannot be inserted as JSON")
