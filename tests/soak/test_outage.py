"""The database stays away for ten minutes while the time of what waits runs out: late, once, and nothing passed."""

import time
from pathlib import Path

import pytest

from tests.hitl.test_serve import wait_until

from .callers import Callers
from .product import Product, running, seconds_until

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

AWAY_SECONDS = 600.0
TIMEOUT_MS = 60_000  # each waiting item runs out in the middle of the outage
MOST_RECOVERY = 60.0  # `serve` pauses longer before each try to start what did not come back
WAITING = 12
UNKNOWN = {0, 503}  # nobody answered, or somebody without a database: neither says what became of an approval
LATE = """
select object_id, (convert_from(body, 'UTF8')::jsonb #>> '{data,delay_seconds}')::int
from audit_entry where type = 'decision.expired'
"""


def test_what_ran_out_while_the_database_was_away_ends_once_and_shows_its_delay(tmp_path: Path) -> None:
    with running(tmp_path) as product:
        callers = Callers(product)
        gates = [callers.ask_gate(TIMEOUT_MS) for _ in range(WAITING)]
        product.take_the_database_away()
        codes, until = set(), time.monotonic() + AWAY_SECONDS
        while time.monotonic() < until:
            codes.add(callers.approve_gate(gates[0]))
            time.sleep(5)
        assert codes <= UNKNOWN, f"somebody was told {codes} while there was no database"
        product.give_the_database_back()
        back = seconds_until(callers.answers, MOST_RECOVERY)
        assert {definite_answer(callers, gate) for gate in gates} == {409}, "approved after its time"
        assert wait_until(lambda: len(late(product)) == WAITING), "the worker did not do what was late"
        print(f"answers {back:.1f} s after the database may start; delays: {sorted(dict(late(product)).values())}")
        assert {gate for gate, _ in late(product)} == set(gates)
        assert all(delay > AWAY_SECONDS / 2 for _, delay in late(product)), "the delay is not shown"
        product.assert_settled()


def definite_answer(callers: Callers, gate: str) -> int:
    """Approve until the answer says something: each web process may have one more connection that died unnoticed."""
    codes = (callers.approve_gate(gate) for _ in range(20))
    return next(code for code in codes if code not in UNKNOWN)


def late(product: Product) -> list[tuple[str, int]]:
    with product.connect() as connection:
        return connection.execute(LATE).fetchall()
