"""A short crash of each kind in every `make test`; `tests/soak` does it for minutes."""

import time
from pathlib import Path

import pytest

from tests.hitl.test_serve import copy_prepared
from tests.soak.callers import Callers
from tests.soak.product import running, seconds_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

WORK_SECONDS = 1.0


def test_a_killed_web_and_a_killed_database_leave_the_books_whole(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy_prepared(tmp_path_factory, tmp_path / "data")
    with running(tmp_path) as product:
        with Callers(product) as callers:
            for blow in (product.kill_web, product.kill_worker, product.stop_database):
                time.sleep(WORK_SECONDS)
                blow()
                seconds_until(callers.answers)
            time.sleep(WORK_SECONDS)
        assert callers.codes[0] + callers.codes[503] > 0, "nobody noticed: there was no load while it was hurt"
        product.assert_settled()
        callers.assert_told_the_truth()
