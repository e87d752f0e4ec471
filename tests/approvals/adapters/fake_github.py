"""GitHub as far as a deployment protection rule sees it: webhooks with its signature, and its API on loopback."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.utils import timezone

SECRET = "it is only a secret of the tests"
SHA = "a" * 40
PATH = "/hitl/adapters/github"


@cache
def key() -> Any:
    """Return the App's private key."""
    return rsa.generate_private_key(65537, 2048)


def pem() -> str:
    return key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()  # type: ignore[no-any-return]


def payload(api: str = "https://api.github.com", run: int = 17, **changes: Any) -> dict[str, Any]:
    """Return a webhook's body with the properties that GitHub sends, more than are read."""
    created = timezone.now().isoformat()
    repository = {"id": 1, "full_name": "acme/shop", "html_url": "https://github.com/acme/shop", "private": True}
    return {
        "action": "requested",
        "environment": "production",
        "event": "push",
        "deployment_callback_url": f"{api}/repos/acme/shop/actions/runs/{run}/deployment_protection_rule",
        "deployment": {"id": run, "sha": SHA, "ref": "main", "environment": "production", "created_at": created},
        "pull_requests": [],
        "repository": repository,
        "installation": {"id": 4711},
        "sender": {"login": "octocat", "id": 2},
        **changes,
    }


def signed(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def sent(client: Any, body: Any, *, event: str = "deployment_protection_rule", **headers: str) -> Any:
    """Send a webhook as GitHub does; a header given as '' is left out."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": str(uuid4()),
        "X-Hub-Signature-256": signed(raw),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    kept = {name: value for name, value in said.items() if value}
    return client.generic("POST", PATH, raw, content_type="application/json", headers=kept)


class GitHub(BaseHTTPRequestHandler):
    """Gives tokens to the App and takes its answers; `answers` are the status codes of the next ones."""

    told: ClassVar[list[tuple[str, dict[str, Any], str]]] = []
    answers: ClassVar[list[int]] = []
    tokens: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        proof = self.headers["Authorization"].removeprefix("Bearer ")
        if self.path == "/app/installations/4711/access_tokens":
            ahead: Any = {"verify_iat": False}  # tests are ahead of the time
            said = jwt.decode(proof, key().public_key(), algorithms=["RS256"], options=ahead)
            assert (said["iss"], said["exp"] - said["iat"]) == ("12345", 540)  # 600 seconds at most
            self._say(self.tokens.pop(0) if self.tokens else 201, {"token": "ghs_of_the_tests"})
            return
        self.told.append((self.path, json.loads(body), proof))
        self._say(self.answers.pop(0) if self.answers else 204, None)

    def _say(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode() if body and status != 204 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def running() -> Iterator[str]:
    """Yield the address of a GitHub that has been told nothing yet."""
    for kept in (GitHub.told, GitHub.answers, GitHub.tokens):
        kept.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), GitHub)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
