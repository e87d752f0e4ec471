"""Web, worker, PostgreSQL and nginx are killed in random order under everybody's work: nothing lost, nothing twice."""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hitl.test_serve import wait_until
from tests.ops import proxied

from .callers import Callers
from .product import Product, running, seconds_until

pytestmark = [
    pytest.mark.soak,
    pytest.mark.ops("nginx", "envsubst"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

SECONDS = 120.0
BETWEEN = (2.0, 8.0)  # seconds from one kill to the next: sometimes before all is back from the last one
RECOVERY_SECONDS = 10.0  # from the last kill until a patch is taken in, decided and in the feed, through nginx


def kill_nginx(directory: Path) -> None:
    """kill -9 nginx with its workers."""
    master = (directory / "nginx.pid").read_text().strip()
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    for pid in (master, *children):
        os.kill(int(pid), signal.SIGKILL)


@contextmanager
def kept_alive(directory: Path) -> Iterator[None]:
    """Start nginx again whenever it has ended, as an init system or a container's `restart: always` does."""
    command = ["nginx", "-e", str(directory / "main-error.log"), "-c", str(directory / "nginx.conf")]
    leave, started = threading.Event(), []

    def keep() -> None:
        while not leave.wait(0.5):
            pid = (directory / "nginx.pid").read_text().strip()
            if not Path(f"/proc/{pid}/fd").exists() or not os.listdir(f"/proc/{pid}/fd"):
                (directory / "nginx.pid").unlink()
                started.append(subprocess.Popen([*command, "-g", "daemon off;"], start_new_session=True))
                assert wait_until((directory / "nginx.pid").exists)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        leave.set()
        thread.join()
        for process in started:
            process.terminate()
            process.wait(60)


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with running(tmp_path, TRUSTED_PROXIES="127.0.0.1") as served:
        yield served


def test_two_minutes_of_kills_in_random_order(product: Product, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    chance, killed, last, of = random.Random(seed), Counter[str](), 0.0, ""
    blows: dict[str, Callable[[], None]] = {
        "web": product.kill_web,
        "a web worker": product.kill_a_web_worker,
        "worker": product.kill_worker,
        "PostgreSQL": product.kill_database,
        "nginx": lambda: kill_nginx(tmp_path / "nginx"),
    }
    with proxied.nginx(tmp_path / "nginx", product.port) as nginx, kept_alive(tmp_path / "nginx"):
        with Callers(product, nginx.port) as callers:
            seconds_until(callers.work_goes_through)
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                for name in chance.sample(list(blows), len(blows)):
                    time.sleep(chance.uniform(*BETWEEN))
                    try:
                        blows[name]()
                    except (OSError, ValueError, IndexError):
                        continue  # not back from the blow before
                    killed[name] += 1
                    last, of = time.monotonic(), name
            seconds_until(callers.work_goes_through)
            recovered = time.monotonic() - last
        print(
            f"seed {seed}: killed {dict(killed)}; told {dict(callers.codes)}; {len(callers.told)} answers to verdicts"
        )
        busy = f"{os.getloadavg()[0]:.0f} at once on {os.cpu_count()} processors"
        print(f"all works again {recovered:.1f} s after the last kill, which was of {of}; {busy}")
        seconds_until(callers.answers)
        product.assert_settled()
        callers.assert_told_the_truth()
        callers.assert_deployers_know_the_feed()
    assert len(killed) == len(blows), "some were never hit"
    assert len(callers.told) > 100, "hardly anything was decided meanwhile"
    assert recovered < RECOVERY_SECONDS
