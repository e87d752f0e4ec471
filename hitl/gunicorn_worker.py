"""gunicorn's threaded worker: a thread stays with a client that asks on at once, and the body of a refused request is
read for a while, so that its sender hears the answer."""

import select
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.workers.gthread import TConn, ThreadWorker

LINGER = 2  # milliseconds
# Of a body that was refused, read before the answer: the connection can then be kept.
BEFORE_BYTES, BEFORE_SECONDS = 2 << 20, 0.5
# And read after the answer, before the connection ends: closed with bytes unread, it would be reset, and a client that
# sends all before it reads would see a broken pipe in place of the answer.
AFTER_BYTES, AFTER_SECONDS = 128 << 20, 10.0
PIECE = 65_536

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class LingeringWorker(ThreadWorker):  # type: ignore[misc]  # untyped
    """Handing a kept connection back to the worker's main thread, and the next request on it to a thread again, was
    6 % of an approval under load; who calls an API sends the next request within a millisecond of an answer."""

    def load_wsgi(self) -> None:
        """Load the application, and decide at each of its answers whether the connection can stay."""
        super().load_wsgi()
        self.wsgi: Application = closing_where_unread(self.wsgi)

    def handle(self, conn: TConn) -> Any:
        while (kept := super().handle(conn)) is True and self._has_threads() and _asks_on(conn):
            pass
        return kept

    def handle_request(self, req: Request, conn: TConn) -> bool:
        """Answer one request; where that ends the connection, read on a while for who still sends."""
        kept = bool(super().handle_request(req, conn))
        if not kept and has_rest(req):
            read_on(conn.sock)
        return kept

    def _has_threads(self) -> bool:
        """Return whether there is a thread for every connection, so that nobody waits for this one."""
        return bool(self.nr_conns <= self.cfg.threads)


def closing_where_unread(application: Application) -> Application:
    """Wrap an application: where it answers before it has read the body, and the rest of that does not come soon, the
    answer says `Connection: close`; else the next request on the connection would begin within the body."""

    def answered(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(*head: Any) -> Any:
            response = start_response.__self__  # type: ignore[attr-defined]  # gunicorn's Response
            if has_rest(response.req) and not read_rest(response.req):
                response.force_close()
            return start_response(*head)

        return application(environ, start)

    return answered


def has_rest(req: Request) -> bool:
    """Return whether some of the body may be unread: of one with a length what is left, of a chunked one its end."""
    reader = req.body.reader
    return bool(req.body.failed or getattr(reader, "length", 0) or getattr(reader, "parser", None))


def read_rest(req: Request) -> bool:
    """Read the body to its end within BEFORE_BYTES and BEFORE_SECONDS; return whether that was all."""
    left = getattr(req.body.reader, "length", 0)
    if req.body.failed or left > BEFORE_BYTES:
        return False
    plain = req.unreader.sock
    req.unreader.sock = _Bounded(plain)
    try:
        while req.body.read(PIECE):
            pass
    except (OSError, ParseException):  # too slow, too much, gone, or not framed as it should be
        return False
    finally:
        plain.settimeout(None)
        req.unreader.sock = plain
    return True


class _Bounded:
    """A socket that gives BEFORE_BYTES at most, all within BEFORE_SECONDS, however small the pieces."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.left = sock, BEFORE_BYTES
        self.ends = time.monotonic() + BEFORE_SECONDS

    def recv(self, size: int) -> bytes:
        seconds = self.ends - time.monotonic()
        if seconds <= 0 or self.left <= 0:
            raise TimeoutError
        self.sock.settimeout(seconds)
        data = self.sock.recv(min(size, self.left))
        self.left -= len(data)
        return data


def read_on(sock: socket.socket) -> None:
    """End our side, and throw away what still comes within AFTER_BYTES and AFTER_SECONDS (RFC 9112, section 9.6)."""
    left, ends = AFTER_BYTES, time.monotonic() + AFTER_SECONDS
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while left > 0 and (seconds := ends - time.monotonic()) > 0:
            sock.settimeout(seconds)
            data = sock.recv(min(left, PIECE))
            if not data:
                return
            left -= len(data)


def _asks_on(conn: TConn) -> bool:
    """Return whether the next request on a connection begins to arrive within LINGER."""
    arrives = select.poll()
    arrives.register(conn.sock, select.POLLIN)
    return bool(arrives.poll(LINGER))
