"""Mend the tallies by counting everything again."""

from typing import Any

from postgresql.statements import query

REFILL_SQL = "select series, at::text, name, number, kept, counted from approvals_tally_refill()"


def refill() -> list[tuple[Any, ...]]:
    """Count all decisions and patches, set right what the tallies have otherwise, and return that: series, time, name,
    number, what was kept and what was counted. Decisions go on meanwhile; the sequencer waits."""
    return query(REFILL_SQL)
