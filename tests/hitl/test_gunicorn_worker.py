"""A thread stays with a client that asks on at once, and with nobody else."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.workers.gthread import ThreadWorker

from hitl.gunicorn_worker import LingeringWorker
from tests.hitl.test_serve import PATIENCE_SECONDS, ROOT, free_port, wait_until


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    options = [f"--bind=127.0.0.1:{port}", "--threads=4", "--keep-alive=30", "--no-control-socket"]
    command = [sys.executable, "-m", "gunicorn", "--worker-class=hitl.gunicorn_worker.LingeringWorker", *options]
    process = subprocess.Popen([*command, "tests.hitl.hello:application"], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: process.poll() is not None or answers(port))
        yield process, port
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b"hello" in client.makefile("rb").read()
    except OSError:
        return False


def ask_on(port: int) -> int:
    """Ask without a pause on one connection until the server ends it; return how many answers came."""
    answered = 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.auto_open = 0
    connection.connect()
    with suppress(http.client.HTTPException, OSError):
        while True:
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"hello"
            answered += 1
    connection.close()
    return answered


def test_a_pause_and_requests_sent_together_are_answered() -> None:
    with serving() as (_, port), socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        request, received = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", client.makefile("rb")
        for together in (1, 3, 2):
            client.sendall(request * together)
            for _ in range(together):
                while received.readline() != b"\r\n":
                    pass
                assert received.read(5) == b"hello"
            time.sleep(0.05)


def test_a_worker_that_is_told_to_stop_leaves_a_client_that_never_pauses() -> None:
    with serving() as (process, port), ThreadPoolExecutor() as threads:
        answered = threads.submit(ask_on, port)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, "within the grace time, which is 30 s"
        assert answered.result(PATIENCE_SECONDS) > 1


@pytest.mark.parametrize(
    ("connections", "sent", "handled"),
    [
        (4, True, 3),
        (5, True, 1),  # somebody may wait for this thread
        (4, False, 1),  # the client asks nothing more
    ],
)
def test_a_thread_stays_while_it_may(
    monkeypatch: pytest.MonkeyPatch, connections: int, sent: bool, handled: int
) -> None:
    kept = iter([True, True, False])
    calls: list[Any] = []

    def handle(worker: ThreadWorker, conn: Any) -> bool:
        calls.append(conn)
        return next(kept)

    monkeypatch.setattr(ThreadWorker, "handle", handle)
    worker = object.__new__(LingeringWorker)
    worker.nr_conns, worker.cfg = connections, SimpleNamespace(threads=4)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if sent:
            theirs.sendall(b"GET")
        assert worker.handle(SimpleNamespace(sock=ours)) is (handled == 1)
    assert len(calls) == handled
