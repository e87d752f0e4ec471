"""The probe of the worker's pods, run as the kubelet does, against a worker that works, stands still and waits."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.hitl.test_serve import ROOT, Served, served, wait_until

__all__ = ["served"]
pytestmark = pytest.mark.slow
DEPLOYMENT = next(yaml.safe_load_all((ROOT / "deploy/kubernetes/base/worker.yaml").read_text()))
[CONTAINER] = DEPLOYMENT["spec"]["template"]["spec"]["containers"]


def test_the_probe_tells_a_worker_that_works_from_one_that_stands_still(served: Served) -> None:
    file = served.data_dir / "worker-alive"
    assert wait_until(lambda: probe(served.data_dir))
    worker = served.pid_of("manage.py worker")
    assert worker
    os.kill(worker, signal.SIGSTOP)
    a_minute_ago(file)
    assert not probe(served.data_dir)
    os.kill(worker, signal.SIGCONT)
    assert wait_until(lambda: probe(served.data_dir))


def a_minute_ago(file: Path) -> None:
    os.utime(file, (time.time() - 61, time.time() - 61))


def probe(data_dir: Path) -> bool:
    """Run the command of all three probes, which is one."""
    commands = {tuple(CONTAINER[name]["exec"]["command"]) for name in CONTAINER if name.endswith("Probe")}
    [command] = commands
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], "HITL_DATA_DIR": str(data_dir)}, check=False)
    return done.returncode == 0
