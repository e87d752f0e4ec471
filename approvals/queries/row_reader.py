"""Read rows of a model with prepared statements, for every request, verdict or patch page: for one row by its key the
ORM takes several times as long as the database."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connection, models

from audit.statements import query_prepared

M = TypeVar("M", bound=models.Model)


class RowReader(Generic[M]):
    """Reads instances of one model. `names` are the fields to read (all if none is named); others load on use."""

    def __init__(self, model: type[M], *names: str) -> None:
        self.model, self.names = model, names

    @cached_property
    def fields(self) -> list["models.Field[Any, Any]"]:
        all_fields = self.model._meta.concrete_fields  # in this order `from_db` wants them
        return [field for field in all_fields if not self.names or field.name in self.names]

    @cached_property
    def columns(self) -> str:
        """The columns for a SELECT, in the order that `instance` expects."""
        return self.columns_of(self.model._meta.db_table)

    def columns_of(self, table: str) -> str:
        """Return the columns of the table under this alias."""
        return ", ".join(f'"{table}"."{field.column}"' for field in self.fields)

    @cached_property
    def attributes(self) -> frozenset[str]:
        return frozenset(field.attname for field in self.fields)

    def where(self, condition: str, parameters: Sequence[Any]) -> list[M]:
        """Return the rows for which the SQL condition holds; `for update` and the like may follow it."""
        sql = f'select {self.columns} from "{self.model._meta.db_table}" where {condition}'  # noqa: S608  our own words
        return [self.instance(row) for row in query_prepared(sql, parameters)]

    def one(self, condition: str, parameters: Sequence[Any]) -> M | None:
        """Return the first row for which the condition holds, or None."""
        return next(iter(self.where(condition, parameters)), None)

    def instance(self, row: Sequence[Any]) -> M:
        """Return the instance of one row of `columns`."""
        values = [
            self._converters[index](value) if index in self._converters else value for index, value in enumerate(row)
        ]
        return self.model.from_db(connection.alias, self.attributes, values)

    def found(self, row: Sequence[Any]) -> M | None:
        """Return the instance of one row of an outer join; None if it found no row (the key is NULL)."""
        return None if row[self._key] is None else self.instance(row)

    @cached_property
    def _key(self) -> int:
        return next(index for index, field in enumerate(self.fields) if field.primary_key)

    @cached_property
    def _converters(self) -> dict[int, Any]:
        """By index, how to read columns whose field converts the database's value (JSON)."""
        return {
            index: lambda value, convert=field.from_db_value: convert(value, None, connection)
            for index, field in enumerate(self.fields)
            if hasattr(field, "from_db_value")
        }


def split_row(row: Sequence[Any], *tables: RowReader[Any]) -> Iterator[Any]:
    """Yield the instances of a joined row, which has the columns of these tables one after the other; None if an outer
    join found no row."""
    start = 0
    for table in tables:
        end = start + len(table.fields)
        yield table.found(row[start:end])
        start = end
