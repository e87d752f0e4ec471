"""A backup beside everybody's work: nobody waits or is refused, and what was counted is what was dumped."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hitl.test_serve import ROOT

from .callers import Callers
from .product import running, settings_of

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

ROUNDS = 4


def test_a_backup_disturbs_nobody_and_is_of_one_moment(tmp_path: Path) -> None:
    with running(tmp_path) as product:

        def manage(*arguments: str | Path) -> str:
            done = subprocess.run(
                [sys.executable, ROOT / "manage.py", *arguments],
                env=settings_of(product.data_dir, product.port),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        with Callers(product) as callers:
            for round in range(ROUNDS):
                before = len(callers.told)
                time.sleep(2)
                manage("backup", tmp_path / "backups", "--jobs", str(1 + round % 2))
                assert len(callers.told) > before
            said = [manage("restore", dump, "--drill") for dump in sorted((tmp_path / "backups").glob("*.dump"))]
        assert len(said) == ROUNDS
        assert all("ok: Every decided decision" in text and "FAILED" not in text for text in said)
        assert callers.codes.keys() <= {200, 201, 409}, callers.codes
        product.assert_settled()
        callers.assert_told_the_truth()
