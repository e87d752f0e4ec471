"""Open event streams as pages hold them, all read by one thread that notes when each heard of a change."""

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.scale import load

from . import approving

PATIENCE_SECONDS = 30.0
TRIES = 20


class Stream:
    """One open stream: its socket, what came and is no whole frame yet, and when each change was heard."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.rest = b""
        self.heard: list[float] = []

    def read(self) -> None:
        """Take what has arrived, as of now. Raise ConnectionError when the server ended the stream."""
        received = self.connection.recv(65_536)
        if not received:
            raise ConnectionError("the server ended a stream")
        now = time.perf_counter()
        *frames, self.rest = (self.rest + received).split(b"\n\n")
        self.heard += [now] * sum(b"event: patch.submitted" in frame for frame in frames)


class Listeners:
    """Many streams and the thread that reads them."""

    def __init__(self, streams: list[Stream], refused: int) -> None:
        self.streams = streams
        self.refused = refused
        self.news = threading.Condition()
        self.stopped = False
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def count(self) -> int:
        """Return how many changes every stream has heard of."""
        return min(len(stream.heard) for stream in self.streams)

    def heard_by_all(self, number: int) -> list[float]:
        """Wait until every stream has heard of so many changes and return when each heard of the last of them."""
        with self.news:
            complete = self.news.wait_for(lambda: self.stopped or self.count() >= number, PATIENCE_SECONDS)
        if not complete or self.count() < number:
            deaf = sum(len(stream.heard) < number for stream in self.streams)
            raise TimeoutError(f"{deaf} of {len(self.streams)} streams did not hear of change {number}")
        return [stream.heard[number - 1] for stream in self.streams]

    def close(self) -> None:
        self.stopped = True
        self.thread.join()
        for stream in self.streams:
            stream.connection.close()

    def _read(self) -> None:
        with selectors.DefaultSelector() as selector:
            for stream in self.streams:
                selector.register(stream.connection, selectors.EVENT_READ, stream)
            try:
                while not self.stopped:
                    for key, _ in selector.select(timeout=0.2):
                        key.data.read()
                    with self.news:
                        self.news.notify_all()
            finally:
                self.stopped = True


@contextmanager
def opened(port: int, people: list[approving.Reviewer]) -> Iterator[Listeners]:
    """Open one stream for each of these (a person may occur more than once) and hold them for the block."""
    found = [_open(port, person) for person in people]
    listeners = Listeners([stream for stream, _ in found], sum(refused for _, refused in found))
    try:
        yield listeners
    finally:
        listeners.close()


def _open(port: int, person: approving.Reviewer) -> tuple[Stream, int]:
    """Return a stream and how many times it was refused: each process has a cap, and the kernel picks the process."""
    content = load.request("GET", "/hitl/events", Cookie=f"sessionid={person.session}")
    for refused in range(TRIES):
        connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        connection.sendall(content)
        stream, head = Stream(connection), b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536)
        status = int(head[9:12])
        if status == 200:
            return stream, refused
        connection.close()
        if status != 503:
            break
    raise ConnectionError(f"GET /hitl/events: {head[:300]!r}")
