"""A thread stays with a client that asks on at once, and with nobody else."""

import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from hitl.gunicorn_worker import PatientWorker, is_probe, missing
from tests.hitl.test_serve import PATIENCE_SECONDS, ROOT, wait_until
from tests.ports import free_port

pytestmark = pytest.mark.slow


@contextmanager
def serving(*more: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    options = [f"--bind=127.0.0.1:{port}", "--threads=4", "--keep-alive=30", "--no-control-socket", *more]
    command = [sys.executable, "-m", "gunicorn", "--worker-class=hitl.gunicorn_worker.PatientWorker", *options]
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
    settings = Config()
    settings.set("threads", 4)
    worker = PatientWorker(1, os.getpid(), [], None, 30, settings, Logger(settings))
    worker.nr_conns = connections
    ours, theirs = socket.socketpair()
    with ours, theirs, closing(worker.tmp):
        if sent:
            theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert worker.handle(SimpleNamespace(sock=ours, parser=None, probes=False)) is (handled == 1)
    assert len(calls) == handled


@pytest.mark.parametrize(
    ("data", "lacks"),
    [
        (b"", 1),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", 1),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", 3),
        (b"POST / HTTP/1.1\r\ncontent-length:5\r\n\r\nabcde", 0),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcdeGET", 0),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 0),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, None),
    ],
)
def test_a_thread_is_taken_when_a_head_and_a_small_body_are_there(data: bytes, lacks: int | None) -> None:
    assert missing(data) == lacks


def test_slow_heads_and_bodies_hold_no_thread() -> None:
    """Four threads, forty clients who send a part and wait: who asks properly is answered at once."""
    parts = [b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", b""]
    with serving() as (_, port), ExitStack() as stack:
        for number in range(40):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            slow.sendall(parts[number % 3])
        started = time.monotonic()
        for _ in range(20):
            assert answers(port)
        assert time.monotonic() - started < 5


def test_a_head_that_comes_byte_by_byte_is_answered_and_one_that_stops_is_ended() -> None:
    with serving() as (_, port):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            for byte in b"GET / HTTP/1.1\r\nHost: x\r\n\r\n":
                client.sendall(bytes([byte]))
                time.sleep(0.01)
            assert client.recv(9) == b"HTTP/1.1 "
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"GET / HT")
            assert client.recv(12) == b"HTTP/1.1 408"


def test_who_goes_away_in_the_middle_of_a_request_is_forgotten() -> None:
    with serving("--worker-connections=40") as (_, port):
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x")
        assert answers(port)


def test_a_client_that_never_closes_holds_nobody() -> None:
    """An answer that ends the connection waits for the other side in the main loop, which goes on."""
    with serving() as (_, port), ExitStack() as stack:
        for _ in range(12):
            left = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            left.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        started = time.monotonic()
        for _ in range(10):
            assert answers(port)
        assert time.monotonic() - started < 5


def test_a_head_that_is_too_large_is_431() -> None:
    with serving() as (_, port), socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000)
        assert client.recv(12) == b"HTTP/1.1 431"


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nX : y\r\n\r\n", b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n"])
def test_what_is_no_http_is_answered_with_the_headers_of_every_answer(said: bytes) -> None:
    with serving() as (_, port), socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(said)
        response = http.client.HTTPResponse(client)
        response.begin()
        assert response.status in {400, 414}
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert response.read().rstrip().endswith(b"</html>")


def readable(clients: list[socket.socket]) -> list[socket.socket]:
    """Return those to whom something was answered."""
    return select.select(clients, [], [], 0)[0]


def test_large_bodies_leave_threads_to_others() -> None:
    """A few large bodies come at once; a further one is asked to come again, and small requests go on."""
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
    with serving("--threads=40") as (_, port), ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(20)]
        for client in clients:
            client.sendall(request.replace(b"/ ", b"/slow "))
        assert wait_until(lambda: len(readable(clients)) >= 4)
        assert answers(port)
        refused = readable(clients)
        assert len(refused) == 4
        assert all(client.recv(12) == b"HTTP/1.1 503" for client in refused)


def seconds_until_answered(port: int, path: str) -> float:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 200"
    return time.monotonic() - started


def test_probes_are_answered_while_every_thread_is_taken() -> None:
    with serving() as (_, port), ExitStack() as stack:
        for _ in range(10):  # four are answered, six wait for a thread
            held = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            held.sendall(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1)
        for path in ("/healthz", "/readyz", "/health?verbose=1", "/healthz", "/metrics"):
            assert seconds_until_answered(port, path) < 3, path
        for _ in range(3):
            scrape = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            scrape.sendall(b"GET /metrics?held HTTP/1.1\r\nHost: x\r\n\r\n")
        assert seconds_until_answered(port, "/healthz") < 3, "scrapes take no thread of the probes"
        assert seconds_until_answered(port, "/") > 3, "else the threads were not taken"


def test_a_probe_on_a_kept_connection_leaves_its_thread_to_the_next() -> None:
    """Whoever asked by a probe goes on as anybody does: the threads for probes take nothing else."""
    with serving() as (_, port), ExitStack() as stack:
        for _ in range(8):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            held.sendall(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1)
        for _ in range(3):
            kept = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /held HTTP/1.1\r\nHost: x\r\n\r\n")
            assert kept.recv(12) == b"HTTP/1.1 200"
        assert seconds_until_answered(port, "/healthz") < 3


@pytest.mark.parametrize(
    ("head", "probes"),
    [
        (b"GET /healthz HTTP/1.1\r\n", True),
        (b"HEAD /readyz?x HTTP/1.0\r\n", True),
        (b"GET /healthzz HTTP/1.1\r\n", False),
        (b"GET /metrics HTTP/1.1\r\n", False),
        (b"POST /healthz HTTP/1.1\r\n", False),
        (b"GET / HTTP/1.1\r\nX: GET /healthz HTTP/1.1\r\n", False),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: 900000\r\n", False),
        (b"GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", False),
    ],
)
def test_what_is_a_probe(head: bytes, probes: bool) -> None:
    assert is_probe(head + b"Host: x\r\n\r\n") is probes
