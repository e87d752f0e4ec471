"""Read rows of models by plain SQL, for every request, verdict or patch page: for one row by its key the ORM takes
several times as long as the database."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connection, models

from .statements import Parameters, query, query_prepared

M = TypeVar("M", bound=models.Model)


class RowReader(Generic[M]):
    """Reads instances of one model. `names` are the fields to read (all if none is named); others load on use."""

    def __init__(self, model: type[M], *names: str) -> None:
        self.model, self.names = model, names

    @cached_property
    def fields(self) -> list["models.Field[Any, Any]"]:
        all_fields = self.model._meta.concrete_fields  # in this order `from_db` wants them
        return [field for field in all_fields if not self.names or field.name in self.names]

    def columns_of(self, table: str) -> str:
        """Return the columns for a SELECT, in the order that `instance` expects, of the table under this name."""
        return ", ".join(f'"{table}"."{field.column}"' for field in self.fields)

    @cached_property
    def attributes(self) -> frozenset[str]:
        return frozenset(field.attname for field in self.fields)

    def instance(self, row: Sequence[Any]) -> M:
        """Return the instance of one row of these columns."""
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


class Joined:
    """A statement that reads joined rows of models. `{columns}` in its text stands for the columns of these readers,
    each under the name that its table has in the statement; further columns may follow."""

    def __init__(self, text: str, /, **readers: RowReader[Any]) -> None:
        self.readers = tuple(readers.values())
        self.sql = text.format(columns=", ".join(reader.columns_of(table) for table, reader in readers.items()))

    def read(self, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Return, for each row, one instance for each reader (None where an outer join found no row), then the further
        columns; by `query_prepared`."""
        return [self._split(row) for row in query_prepared(self.sql, parameters)]

    def read_planned(self, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Return what `read` does; by `query`."""
        return [self._split(row) for row in query(self.sql, parameters)]

    def _split(self, row: Sequence[Any]) -> tuple[Any, ...]:
        found, start = [], 0
        for reader in self.readers:
            end = start + len(reader.fields)
            found.append(reader.found(row[start:end]))
            start = end
        return (*found, *row[start:])
