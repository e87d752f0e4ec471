"""How a request's body is read: chunked or of a known length, plain or gzip; not what is in it."""

import io
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from gunicorn.http.errors import ParseException

from approvals.api import bulk
from approvals.api.problems import problem
from approvals.views.errors import page

MACHINE_PATHS = ("/hitl/", "/api/")
BULK_PATH = "/hitl/patches/bulk"
MAX_FORM = 1024 * 1024  # of pages, to anybody: of `%61` a decoder makes 80 times as many bytes, on the way
PLAIN, GZIP = {"", "identity"}, {"gzip", "x-gzip"}  # RFC 9110, section 8.4.1
PIECE = 65_536  # bytes read at once of a compressed body
BROKEN_OFF = "The body broke off, or is not framed as its head says."
GZIP_FORMAT = 16 + zlib.MAX_WBITS  # as zlib asks for it


class UnreadableBody(SuspiciousOperation):
    """A body that is not what its Content-Encoding says."""


class Source(Protocol):
    """What a server offers of a body."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, and none at the end."""


class BodyMiddleware:
    """Let every reader behind it see one plain body, whatever way it came."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        form = is_form(request)
        chunked, packed = bool(request.headers.get("Transfer-Encoding")), encoding_of(request) in GZIP
        if chunked or packed or form:
            # Django reads no further than a Content-Length, which a chunked body has not.
            source = request.META["wsgi.input"] if chunked else request._stream
            limit = MAX_FORM if form else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            limit = bulk.MAX_BYTES if request.path == BULK_PATH else limit
            body = Unpacked(source, limit) if packed else Limited(source, limit)
            request._stream = io.BufferedReader(body, PIECE)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        """Refuse what nobody could read; only where there is a view: an unknown address stays a 404."""
        if is_form(request) and int(request.META.get("CONTENT_LENGTH") or 0) > MAX_FORM:
            return page(request, 413, "That is too long", "What a form sends may have 1 MiB. Nothing was changed.")
        if encoding_of(request) not in PLAIN | GZIP:
            answer = problem(415, "Send the body plain or as Content-Encoding: gzip.")
            answer["Accept-Encoding"] = "gzip"  # RFC 9110, section 15.5.16
            return answer
        if request.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
            return problem(501, "Send the body with Transfer-Encoding: chunked alone, or with a Content-Length.")
        return None


def is_form(request: HttpRequest) -> bool:
    """Tell whether a page's form is sent, not a machine's document."""
    return request.method == "POST" and not request.path.startswith(MACHINE_PATHS)


def encoding_of(request: HttpRequest) -> str:
    """Return the body's Content-Encoding in small letters, '' for none."""
    return request.headers.get("Content-Encoding", "").strip().lower()


class Limited(io.RawIOBase):
    """A body of unknown length, up to `limit` bytes; beyond them it raises RequestDataTooBig."""

    def __init__(self, source: Source, limit: int) -> None:
        self.source, self.left = source, limit

    def readable(self) -> bool:
        """Return that one can read it, as `io` asks."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer as far as there are bytes, at least with one before the end."""
        data = self.some(len(buffer))
        self.left -= len(data)
        if self.left < 0:
            raise RequestDataTooBig("The body is above the limit.")
        buffer[: len(data)] = data
        return len(data)

    def some(self, size: int) -> bytes:
        """Return at most `size` of the next bytes; raise UnreadableBody for chunks that are none."""
        try:
            return self.source.read(size)
        except ParseException:
            raise UnreadableBody(BROKEN_OFF) from None


class Unpacked(Limited):
    """A gzip body (RFC 1952), of one member or of several, unpacked a piece at a time: what a bomb would unpack to is
    never in memory. The limit holds for the packed bytes too: members that unpack to nothing could go on for ever."""

    def __init__(self, source: Source, limit: int) -> None:
        super().__init__(source, limit)
        self.packed = Limited(source, limit)
        self.member = zlib.decompressobj(GZIP_FORMAT)
        self.waiting = b""
        self.begun = False

    def some(self, size: int) -> bytes:
        """Raise UnreadableBody for what is not gzip or ends within a member."""
        while True:
            if self.member.eof:
                self.waiting, self.begun = self.member.unused_data, False
                self.member = zlib.decompressobj(GZIP_FORMAT)
            if data := self._unpack(size):
                return data
            if not (self.member.eof or self.waiting or self._more()):
                return b""

    def _unpack(self, size: int) -> bytes:
        if not (self.waiting or self.begun):
            return b""
        self.begun = True
        try:
            data = self.member.decompress(self.waiting, size)
        except zlib.error:
            raise UnreadableBody("The body is not gzip.") from None
        self.waiting = self.member.unconsumed_tail
        return data

    def _more(self) -> bool:
        self.waiting = self.packed.read(PIECE) or b""
        if not self.waiting and self.begun:
            raise UnreadableBody("The gzip body ends early.")
        return bool(self.waiting)
