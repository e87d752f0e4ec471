"""What is left of a body after its request was answered: read for a while, so that its sender hears the answer."""

import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request

# Of a body that was refused, read before the answer: the connection can then be kept.
BEFORE_BYTES, BEFORE_SECONDS = 2 << 20, 0.5
PIECE = 65_536

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


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
    before = req.unreader.sock
    req.unreader.sock = Bounded(getattr(before, "sock", before), BEFORE_BYTES, BEFORE_SECONDS)
    try:
        while req.body.read(PIECE):
            pass
    except (OSError, ParseException):  # too slow, too much, gone, or not framed as it should be
        return False
    finally:
        req.unreader.sock = before
    return True


class Bounded:
    """A socket that gives so many bytes at most, all within so many seconds, however small the pieces."""

    def __init__(self, sock: socket.socket, most: int, seconds: float) -> None:
        self.sock, self.left = sock, most
        self.ends = time.monotonic() + seconds

    def recv(self, size: int) -> bytes:
        """Return the next bytes; raise TimeoutError when the time or the bytes are used up."""
        seconds = self.ends - time.monotonic()
        if seconds <= 0 or self.left <= 0:
            raise TimeoutError
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(min(size, self.left))
        finally:
            self.sock.settimeout(None)  # it is written to without one
        self.left -= len(data)
        return data
