"""Kill -9 and restarts under load: afterwards the books are whole, and nobody was told what is not so."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .callers import Callers
from .product import Product, running, seconds_until

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

ROUNDS = 3  # `serve` doubles its pause before each start of what keeps dying: more would measure that pause
WORK_SECONDS = 5.0  # between two blows
RECOVERY_SECONDS = 15.0  # from the moment the database is back, on a busy machine; mostly that pause of `serve`

BLOWS: dict[str, Callable[[Product], None]] = {
    "a web worker": Product.kill_a_web_worker,
    "the whole web": Product.kill_web,
    "the worker with its sequencer": Product.kill_worker,
    "the database": Product.kill_database,
    "a restart of the database": Product.stop_database,
}


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with running(tmp_path) as served:
        yield served


@pytest.mark.parametrize("blow", BLOWS)
def test_the_books_are_whole_and_nobody_was_told_a_lie(blow: str, product: Product) -> None:
    with Callers(product) as callers:
        slowest = 0.0
        for _ in range(ROUNDS):
            before = len(callers.told)
            time.sleep(WORK_SECONDS)
            assert len(callers.told) > before, f"nothing is decided: {callers.codes}"
            BLOWS[blow](product)
            seconds_until(product.database_is_back)
            slowest = max(slowest, seconds_until(callers.answers))
    print(f"{blow}: {dict(callers.codes)}, answers again after at most {slowest:.1f} s")
    product.assert_settled()
    callers.assert_told_the_truth()
    assert slowest < RECOVERY_SECONDS


def test_a_restart_while_nobody_asks_costs_no_answer(product: Product) -> None:
    """The pools are full of connections that died unnoticed."""
    with Callers(product) as callers:
        time.sleep(WORK_SECONDS)
    product.stop_database()
    seconds_until(product.database_is_back)
    codes = [callers.read("/hitl/patches/pending?limit=1")[0] for _ in range(40)]
    assert codes == [200] * 40


def test_everything_at_once(product: Product) -> None:
    with Callers(product) as callers:
        for blow in BLOWS.values():
            blow(product)
            time.sleep(0.5)
            seconds_until(product.database_is_back)
        seconds_until(callers.answers)
        time.sleep(WORK_SECONDS)
    product.assert_settled()
    callers.assert_told_the_truth()
