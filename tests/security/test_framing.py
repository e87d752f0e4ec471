"""How gunicorn, as it is set up here, reads where a request ends: what two readers could read two ways is refused."""

from pathlib import Path

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser

HEAD = b"POST /hitl/patches HTTP/1.1\r\nHost: localhost\r\n"
LIMITS = {"limit_request_line": 8190}  # of hitl/gunicorn.conf.py, which sets nothing else of reading


def read(raw):
    config = Config()
    for name, value in LIMITS.items():
        config.set(name, value)
    request = next(RequestParser(config, iter([raw]), ("127.0.0.1", 1)))
    return request.body.read()


def test_a_plain_request_is_read():
    assert read(HEAD + b"Content-Length: 4\r\n\r\nabcd") == b"abcd"
    assert read(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n") == b"abcd"


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        b"Content-Length: +4\r\n\r\nabcd",
        b"Content-Length : 4\r\n\r\nabcd",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ],
    ids=["both", "two lengths", "a sign", "a space", "unknown coding", "two codings"],
)
def test_what_could_be_read_two_ways_is_refused(rest):
    with pytest.raises(ParseException):
        read(HEAD + rest)


def test_nothing_loosens_the_reading():
    set_here = (Path(__file__).resolve().parents[2] / "hitl/gunicorn.conf.py").read_text("utf-8")
    for name in ("tolerate_dangerous_framing", "permit_obsolete_folding", "header_map", "strip_header_spaces"):
        assert name not in set_here
