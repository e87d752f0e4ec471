"""A stand-in of the service that answers what a test scripted, and the product behind the client."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hitl_gate import Gate


class StandIn:
    """Answers each request with the next (status, headers, body) of `answers`, the last one for ever; `seen` keeps
    method, path, headers and body of each."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], Any]] = [(200, {}, {})]
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                stand_in.seen.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
                status, headers, body = stand_in.answers.pop(0) if len(stand_in.answers) > 1 else stand_in.answers[0]
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def stand_in(monkeypatch) -> Iterator[StandIn]:
    monkeypatch.setattr("hitl_gate.http.FIRST_PAUSE", 0.01)
    server = StandIn()
    yield server
    server.close()


@pytest.fixture
def gate_of(live_server) -> Callable[[str], Gate]:
    """Return a function from a token to a gate of the running product."""
    return lambda token: Gate(live_server.url, token, patience=5)
