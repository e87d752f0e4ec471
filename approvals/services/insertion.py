"""Insert rows in one go; for intake, where the ORM's work on every value costs more than the database's."""

import json
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, models

from audit.statements import query_prepared

Fields = tuple["models.Field[Any, Any]", ...]


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model with one statement and set their keys, as `bulk_create` does.

    Measured with real patches: 0.5 ms of processor time a row where `bulk_create` took 1.4.
    """
    model = type(rows[0])
    fields, in_columns, statement = _statement(model)
    if in_columns:
        parameters: list[Any] = [[getattr(row, field.attname) for row in rows] for field in fields]
    else:
        values = [{field.column: getattr(row, field.attname) for field in fields} for row in rows]
        parameters = [json.dumps(values, default=_as_text)]
    for row, (key,) in zip(rows, query_prepared(statement, parameters), strict=True):  # in the order sent
        row.pk, row._state.adding, row._state.db = key, False, connection.alias


LEFT_TO_THE_DATABASE = (models.AutoField, models.GeneratedField)  # BigAutoField counts as an AutoField


@cache
def _statement(model: type[models.Model]) -> tuple[Fields, bool, str]:
    """Return the fields to be sent, whether each is sent as one array of its values, and the statement.

    What has bytes goes in binary arrays; else all rows are one JSON document, which takes every type.
    """
    table, key = model._meta.db_table, model._meta.pk
    assert key is not None
    fields = tuple(field for field in model._meta.concrete_fields if not isinstance(field, LEFT_TO_THE_DATABASE))
    columns = ", ".join(f'"{field.column}"' for field in fields)
    in_columns = any(isinstance(field, models.BinaryField) for field in fields)
    rows = f'json_populate_recordset(null::"{table}", %s)'
    if in_columns:
        rows = f"unnest({', '.join(['%b'] * len(fields))}) as row({columns})"  # a cast would cut what is too long
    returning = f'returning "{key.column}"'
    return fields, in_columns, f'insert into "{table}" ({columns}) select {columns} from {rows} {returning}'  # noqa: S608  names of our own models only


def _as_text(value: Any) -> str:
    """Return what JSON cannot hold as PostgreSQL reads it from text; unlike Django's encoder, to the microsecond."""
    if isinstance(value, date):  # and so datetime
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be inserted as JSON")
