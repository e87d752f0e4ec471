"""Requests with patience: what fails on the way, or is refused for the moment, is sent again until the time is over."""

from __future__ import annotations

import json
import random
import time
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from .errors import NotReachable, Refused

LARGEST_ANSWER = 64 << 20  # bytes
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0  # seconds
FOR_THE_MOMENT = frozenset({429, 502, 503, 504})
HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class NoRedirects(HTTPRedirectHandler):
    """A redirect is an error: the token must not go to another address."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Connection:
    """One service and one token. Safe to use from several threads: each request has a connection of its own.

    `patience` is how many seconds a call tries again before it raises NotReachable.
    """

    def __init__(self, url: str, token: str, *, patience: float, allow_http: bool) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a service, such as https://hitl.example.org")
        if parts.scheme == "http" and parts.hostname not in HERE and not allow_http:
            raise ValueError(f"{url} would send the token unencrypted: use https, or allow http in a closed network")
        if not token or not token.isascii() or not token.isprintable():
            raise ValueError("The token is empty or holds what a token cannot; is it the whole line, and nothing else?")
        self.url = url.rstrip("/")
        self.patience = patience
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "hitl-gate/0.1.0"}
        proxies = [ProxyHandler({})] if parts.scheme == "http" else []  # a proxy is another machine, and would read it
        self._opener = build_opener(NoRedirects, *proxies)

    def json(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, seconds: float = 30.0
    ) -> tuple[int, Any]:
        """Return the status and the decoded body of an answer below 400. See `content` for what it raises."""
        status, content = self.content(method, path, body, key=key, seconds=seconds)
        try:
            return status, json.loads(content)
        except ValueError as error:
            raise NotReachable(f"{self.url} answered {status} with something that is no JSON; is it HITL?") from error

    def content(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, seconds: float = 30.0
    ) -> tuple[int, bytes]:
        """Send a request, again where that may help; `seconds` is the time one try may take.

        `key` becomes the Idempotency-Key: without one a POST that may have arrived is not sent again.
        Raises Refused for an answer that another try would not change, NotReachable when the patience is over.
        """
        headers = dict(self._headers)
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        request = Request(self.url + path, data=content, headers=headers, method=method)  # noqa: S310 - checked above
        deadline = time.monotonic() + self.patience
        pause = FIRST_PAUSE
        while True:
            try:
                return self._once(request, seconds)
            except HTTPError as error:
                problem = _problem(error)
                wait = _retry_after(error)
                if error.code not in FOR_THE_MOMENT and not (error.code == 409 and wait is not None):
                    raise Refused(error.code, problem) from None
                why = f"{error.code}: {problem.get('detail') or error.reason}"
            except (OSError, HTTPException) as error:
                why, wait = str(getattr(error, "reason", error)) or type(error).__name__, None
                if method == "POST" and not key and not isinstance(error, ConnectionRefusedError):
                    raise NotReachable(f"{self.url}{path}: {why}") from error
            wait = wait if wait is not None else random.uniform(pause / 2, pause)  # noqa: S311 - no secret
            pause = min(pause * 2, LONGEST_PAUSE)
            if time.monotonic() + wait > deadline:
                raise NotReachable(f"{self.url} did not take the request within {self.patience:.0f} s ({why})")
            time.sleep(wait)

    def _once(self, request: Request, seconds: float) -> tuple[int, bytes]:
        with self._opener.open(request, timeout=seconds) as answer:
            content: bytes = answer.read(LARGEST_ANSWER + 1)
        if len(content) > LARGEST_ANSWER:
            raise NotReachable(f"{self.url} answered more than {LARGEST_ANSWER} bytes")
        return answer.status, content


def _problem(error: HTTPError) -> dict[str, Any]:
    """Return the problem of an answer, or an empty one where a proxy on the way answered something else."""
    try:
        found = json.loads(error.read(1 << 20))
    except (ValueError, OSError, HTTPException):
        return {"title": str(error.reason)}
    return found if isinstance(found, dict) else {"title": str(error.reason)}


def _retry_after(error: HTTPError) -> float | None:
    """Return the seconds of Retry-After; its form as a date is left to our own pauses."""
    value = error.headers.get("Retry-After", "")
    return min(float(value), 3600.0) if value.isdecimal() else None
