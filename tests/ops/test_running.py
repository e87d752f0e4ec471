"""What Kubernetes and deploy.sh ask, asked of the running product: the worker's probe and the test after a release."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.hitl.test_serve import ROOT, Served, copy_prepared, environment, serving, wait_until
from tests.ops.standins import Standins, stand_in, tree

__all__ = ["tree"]
pytestmark = pytest.mark.slow
DEPLOYMENT = next(yaml.safe_load_all((ROOT / "deploy/kubernetes/base/worker.yaml").read_text()))
[CONTAINER] = DEPLOYMENT["spec"]["template"]["spec"]["containers"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("running")
    copy_prepared(tmp_path_factory, directory / "data")
    with serving(directory) as running:
        assert wait_until(lambda: running.probe("/readyz")[0] == 200)
        yield running


@pytest.fixture
def cluster(served: Served, tmp_path: Path, tree: Path) -> Standins:
    """Return a cluster of which the product is real: curl is, and asks it."""
    if not shutil.which("curl"):
        pytest.skip("curl not found")
    standins = stand_in(tmp_path / "standins", tree, "kubectl", "git", "sleep")
    standins.environment |= {"HITL_SMOKE_URL": f"http://127.0.0.1:{served.port}", "HITL_SMOKE_SECONDS": "0"}
    return standins


def token_of(served: Served, kind: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "create_token", f"a {kind}", "--kind", kind],
        env=environment(served.data_dir, served.port),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_release_is_tested_on_the_product_with_the_token_of_a_monitor(served, cluster, tmp_path):
    cluster.environment["HITL_MONITOR_TOKEN_FILE"] = str(tmp_path / "token")
    (tmp_path / "token").write_text(f"{token_of(served, 'monitor')}\n")
    ended = cluster.run("production", "0.2.0")
    assert ended.code == 0, ended.said
    (tmp_path / "token").write_text("not-a-token")
    ended = cluster.run("production", "0.2.0")
    assert "/hitl/analytics/summary answers 401 to the monitor token" in ended.said


def test_the_probes_tell_a_worker_that_works_from_one_that_stands_still(served):
    assert wait_until(lambda: probe("liveness", served.data_dir) and probe("readiness", served.data_dir))
    worker = served.pid_of("manage.py worker")
    assert worker
    os.kill(worker, signal.SIGSTOP)
    for name in ("worker-alive", "worker-ready"):
        os.utime(served.data_dir / name, (time.time() - 61, time.time() - 61))
    assert not probe("liveness", served.data_dir)
    assert not probe("readiness", served.data_dir)
    os.kill(worker, signal.SIGCONT)
    assert wait_until(lambda: probe("liveness", served.data_dir) and probe("readiness", served.data_dir))


def probe(name: str, data_dir: Path) -> bool:
    """Run a probe of the worker as the kubelet does; the one at the start is that of its life."""
    assert CONTAINER["startupProbe"]["exec"] == CONTAINER["livenessProbe"]["exec"]
    command = CONTAINER[f"{name}Probe"]["exec"]["command"]
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], "HITL_DATA_DIR": str(data_dir)}, check=False)
    return done.returncode == 0
