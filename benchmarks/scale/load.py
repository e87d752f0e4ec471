"""A small HTTP client: requests prepared as bytes, keep-alive connections, a fixed number in flight."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One answer; `seconds` from the first byte sent to the last byte received."""

    status: int
    body: bytes
    seconds: float


def request(method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """Return the bytes of one request; `body` is sent as it is, or as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    fields = {"Host": "127.0.0.1", "Content-Length": str(len(content))}
    if content:
        fields["Content-Type"] = "application/json"
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


def send_all(port: int, requests: Sequence[bytes], in_flight: int) -> tuple[list[Answer], float]:
    """Send each request once over `in_flight` connections; return the answers in order and the seconds it took."""
    answers: list[Answer] = [Answer(0, b"", 0.0)] * len(requests)
    numbers, lock = count(), Lock()

    def take() -> Iterator[int]:
        while True:
            with lock:
                number = next(numbers)
            if number >= len(requests):
                return
            yield number

    def caller() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            for number in take():
                answers[number] = exchange(connection, requests[number])

    return answers, _timed(in_flight, caller)


def _timed(in_flight: int, caller: Callable[[], None]) -> float:
    with ThreadPoolExecutor(in_flight) as threads:
        started = time.perf_counter()
        for done in [threads.submit(caller) for _ in range(in_flight)]:
            done.result()
        return time.perf_counter() - started


def exchange(connection: socket.socket, content: bytes) -> Answer:
    started = time.perf_counter()
    connection.sendall(content)
    received = connection.recv(65_536)
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _more(connection)
    head, rest = received[:end].lower(), received[end + 4 :]
    if b"transfer-encoding: chunked" in head:
        while not rest.endswith(b"0\r\n\r\n"):
            rest += _more(connection)
    else:
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        while len(rest) < length:
            rest += _more(connection)
    return Answer(int(head[9:12]), rest, time.perf_counter() - started)


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(1 << 20)
    if not chunk:
        raise ConnectionError("the server closed the connection in the middle of an answer")
    return chunk
