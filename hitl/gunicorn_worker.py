"""gunicorn's threaded worker, whose threads no slow client can hold: a thread is taken when a whole head is there and a
small body with it, reads a large body for a bounded time, and leaves the end of a connection to the main loop. Two more
threads answer probes where all others are taken, and one answers scrapes."""

import errno
import re
import select
import socket
import struct
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from threading import BoundedSemaphore
from typing import Any

from gunicorn.http.message import Request
from gunicorn.workers.gthread import TConn, ThreadWorker

from .own_refusals import Refusing
from .unread_bodies import PIECE, Application, Bounded, closing_where_unread

LINGER = 2  # milliseconds
REQUEST_SECONDS = 10.0  # for a head and a small body, from the first byte
HEAD, SMALL_BODY = 65_536, 32_768  # bytes that come whole before a thread is taken
LARGE_SECONDS, LARGE_BYTES = 40.0, 64 << 20  # for the body of a larger request; the application's limits are lower
LARGE_AT_ONCE = 16  # bodies that come while a thread waits, in one worker
SEND_SECONDS = 15  # that one write may wait for a client who does not read
# After an answer that ends the connection what still comes is thrown away for a while: closed with bytes unread it
# would be reset, and a client that sends all before it reads would see a broken pipe in place of the answer.
CLOSE_SECONDS, CLOSE_BYTES = 10.0, 128 << 20
ROOM = 0.9  # of the connections a worker takes; beyond it the oldest that sends nothing makes room

PROBE_THREADS = 2  # for those who ask whether this process is well while every other thread is taken

_PROBE = re.compile(rb"(?:GET|HEAD) /(?:healthz|readyz|health)(?:\?[^ \r\n]*)? HTTP/1\.[01]\r\n")
_SCRAPE = re.compile(rb"(?:GET|HEAD) /metrics(?:\?[^ \r\n]*)? HTTP/1\.[01]\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)
_LATER = re.compile(rb"\r\n(?:transfer-encoding|expect):", re.IGNORECASE)  # a body that is not counted, or asked for
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_BUSY = [("Retry-After", "2"), ("Connection", "close"), ("Content-Length", "0")]


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # untyped
    """Connections wait in the main loop, for their requests and for their ends; threads answer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.closing: deque[TConn] = deque()
        self.large = BoundedSemaphore(LARGE_AT_ONCE)
        self.taken = 0  # threads that answer, or requests that wait for one; only the main loop counts

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return the threads that answer, and keep those for probes beside them."""
        self.probes = ThreadPoolExecutor(PROBE_THREADS)
        self.scrapes = ThreadPoolExecutor(1)  # apart: beside a frozen database a scrape takes long
        pool: ThreadPoolExecutor = super().get_thread_pool()
        return pool

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a request to a thread: a probe or scrape, where it would wait for the others, to one that takes nothing
        else."""
        conn.probes = conn.watches is not None and self.taken >= self.cfg.threads
        if conn.probes:
            answer = conn.watches.submit(self.handle, conn)
            answer.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))
            return
        self.taken += 1
        super().enqueue_req(conn)

    def load_wsgi(self) -> None:
        """Load the application, and decide at each of its answers whether the connection can stay."""
        super().load_wsgi()
        self.wsgi: Application = closing_where_unread(self.wsgi)

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, and hand it on when its request is there."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                return
            raise
        self.nr_conns += 1
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(REQUEST_SECONDS), 0))
        conn = TConn(self.cfg, sock, address, listener.getsockname())
        self._begin(conn)
        if self.nr_conns > self.worker_connections * ROOM:
            self._make_room()

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Begin with the next request on a kept connection."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._begin(conn)

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Look again at a request of which more has come."""
        self.poller.unregister(client)
        self.pending_conns.remove(conn)
        self._advance(conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Keep the connection or end it, after a thread is done with its request."""
        self.taken -= not conn.probes
        try:
            kept = not fs.cancelled() and bool(fs.result())
        except Exception:
            self.log.exception("Error handling a connection")
            self._close(conn)
            return
        if not kept:
            self._end(conn)
        elif _buffered(conn):
            self._begin(conn)  # requests sent together: the bytes of the next one were read with this one's
        else:
            super().finish_request(conn, fs)

    def handle(self, conn: TConn) -> Any:
        """Answer requests on a connection while they come at once: who calls an API sends the next one within a
        millisecond, sooner than the main loop would take the connection and hand it back."""
        while (kept := super().handle(conn)) is True and not conn.probes and self._has_threads() and _asks_on(conn):
            pass
        return kept

    def handle_error(self, req: Request | None, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what is no HTTP, or broke outside of the application."""
        super().handle_error(req, Refusing(client), addr, exc)

    def handle_request(self, req: Request, conn: TConn) -> bool:
        """Answer one request; its body is read for a bounded time, a large one beside a few others only."""
        large = _is_large(req)
        if large and not self.large.acquire(blocking=False):
            with suppress(OSError):
                conn.sock.sendall(_answer(b"503 Service Unavailable"))
            return False
        plain = req.unreader.sock
        req.unreader.sock = Bounded(plain, LARGE_BYTES, LARGE_SECONDS)
        try:
            return bool(super().handle_request(req, conn))
        except (BlockingIOError, TimeoutError):  # the client does not read, or sends too slowly
            self.log.debug("A client was too slow.")
            return False
        finally:
            req.unreader.sock = plain
            if large:
                self.large.release()

    def murder_pending(self) -> None:
        """Close the connections whose request, or whose end, did not come in time."""
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            conn = self.pending_conns.popleft()
            self.poller.unregister(conn.sock)
            if conn.seen:  # who sent nothing waits for no answer
                with suppress(OSError):
                    conn.sock.send(_TOO_SLOW)
            self._end(conn)
        while self.closing and self.closing[0].timeout <= now:
            conn = self.closing.popleft()
            self.poller.unregister(conn.sock)
            self._close(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """Let nobody who sends nothing hold a stopping worker."""
        super()._cap_keepalive(deadline)
        for conn in (*self.pending_conns, *self.closing):
            conn.timeout = min(conn.timeout, deadline)

    def _begin(self, conn: TConn) -> None:
        conn.timeout = time.monotonic() + REQUEST_SECONDS
        self._advance(conn)

    def _advance(self, conn: TConn) -> None:
        """Hand a connection to a thread where enough of its request is there; wait for more, or end it, where not."""
        conn.sock.setblocking(False)
        before = _buffered(conn)
        try:
            data = before + conn.sock.recv(HEAD + SMALL_BODY, socket.MSG_PEEK)
        except BlockingIOError:
            data = before
        except OSError:
            self._close(conn)
            return
        else:
            if len(data) <= getattr(conn, "seen", -1) and _has_gone(conn):  # readable, and nothing more came
                self._close(conn)
                return
        # A system short of memory says sooner that there is something to read; then a thread waits for the rest.
        wanted = 0 if len(data) == getattr(conn, "seen", -1) else missing(data)
        if wanted is None:
            with suppress(OSError):
                conn.sock.send(_TOO_LARGE)
            self._end(conn)
            return
        if wanted == 0:
            conn.seen = -1
            self._low_water(conn, 1)
            conn.data_ready = True
            conn.watches = self.probes if is_probe(data) else self.scrapes if is_scrape(data) else None
            self.enqueue_req(conn)
            return
        conn.seen = len(data)
        self._low_water(conn, len(data) - len(before) + wanted)
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _low_water(self, conn: TConn, size: int) -> None:
        """Let the socket be readable only when so many bytes are there: the loop would spin over the first ones."""
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def _end(self, conn: TConn) -> None:
        """End our side of a connection, and wait in the main loop for the other one (RFC 9112, section 9.6)."""
        try:
            conn.sock.setblocking(False)
            self._low_water(conn, 1)
            conn.sock.shutdown(socket.SHUT_WR)
            conn.left = CLOSE_BYTES
            conn.timeout = time.monotonic() + CLOSE_SECONDS
            self.poller.register(conn.sock, EVENT_READ, partial(self._throw_away, conn))
        except (OSError, ValueError):
            self._close(conn)
        else:
            self.closing.append(conn)

    def _throw_away(self, conn: TConn, client: socket.socket) -> None:
        try:
            data = client.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        conn.left -= len(data)
        if not data or conn.left < 0:
            self.poller.unregister(client)
            self.closing.remove(conn)
            self._close(conn)

    def _make_room(self) -> None:
        for waiting in (self.closing, self.pending_conns, self.keepalived_conns):
            if waiting:
                conn = waiting.popleft()
                self.poller.unregister(conn.sock)
                self._close(conn)
                return

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    def _has_threads(self) -> bool:
        """Return whether there is a thread for every connection, so that nobody waits for this one."""
        return bool(self.nr_conns <= self.cfg.threads)


def missing(data: bytes) -> int | None:
    """Return how many bytes a request lacks before a thread should read it, at least; None for a head that is too
    large. Of a large or uncounted body only the head is waited for."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 1 if len(data) < HEAD else None
    if _LATER.search(data, 0, head + 2) or not (length := _LENGTH.search(data, 0, head + 4)):
        return 0
    body = int(length[1])
    return 0 if body > SMALL_BODY else max(0, head + 4 + body - len(data))


def is_probe(data: bytes) -> bool:
    """Return whether a request asks whether this process is well, and sends nothing with it that would be read."""
    return bool(_PROBE.match(data)) and not _LENGTH.search(data) and not _LATER.search(data)


def is_scrape(data: bytes) -> bool:
    """Return the same of a request for the metrics."""
    return bool(_SCRAPE.match(data)) and not _LENGTH.search(data) and not _LATER.search(data)


def _buffered(conn: TConn) -> bytes:
    """Return what was read with the request before."""
    return b"" if conn.parser is None else bytes(conn.parser.unreader.buf.getvalue())


def _is_large(req: Request) -> bool:
    """Return whether a thread took the request before its body was there."""
    reader = req.body.reader
    asked_for = any(name == "EXPECT" for name, _ in req.headers)
    return asked_for or bool(getattr(reader, "parser", None)) or getattr(reader, "length", 0) > SMALL_BODY


def _has_gone(conn: TConn) -> bool:
    """Return whether the client sends nothing more."""
    ended = select.poll()
    ended.register(conn.sock, getattr(select, "POLLRDHUP", select.POLLHUP))  # the former is Linux only
    return bool(ended.poll(0))


def _answer(status: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + status, *(f"{name}: {value}".encode() for name, value in _BUSY)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _asks_on(conn: TConn) -> bool:
    """Return whether the next request on a connection is there within LINGER."""
    arrives = select.poll()
    arrives.register(conn.sock, select.POLLIN)
    if not arrives.poll(LINGER):
        return False
    conn.sock.setblocking(False)
    try:
        return missing(_buffered(conn) + conn.sock.recv(HEAD + SMALL_BODY, socket.MSG_PEEK)) == 0
    except OSError:
        return False
    finally:
        conn.sock.setblocking(True)
