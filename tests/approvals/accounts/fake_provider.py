"""A provider of single sign-on whose every answer a test can bend: its own keys, metadata, ID token and user info."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.test import Client
from django.urls import reverse
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

RSA = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
EC = ec.generate_private_key(ec.SECP256R1())
PERSON = {
    "email": "dana@example.org",
    "email_verified": True,
    "preferred_username": "dana",
    "groups": ["sec-reviewers"],
}


def public(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return the JSON Web Key of a private key's public half."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    named = {"kid": kid} if kid is not None else {}
    return {**json.loads(algorithm.to_jwk(key.public_key())), **named, "use": "sig", **more}


def by_hand(claims: dict[str, Any], header: dict[str, Any], secret: bytes | None) -> str:
    """Return a token as no library makes one: signed with a public key as if it were a secret, or not at all."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.digest(secret, b".".join(parts), "sha256") if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def pem(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


class FakeProvider:
    """Listens on this machine. Change what it says by its attributes; a callable gets the honest value."""

    def __init__(self) -> None:
        self.sign: Callable[[dict[str, Any]], Any] = signed
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.metadata: dict[str, Any] = {}
        self.keys: Any = [public(RSA[0], "one")]
        self.claims: dict[str, Any] = {}
        self.info: dict[str, Any] | None = {}
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.authorisation: dict[str, str] = {}
        self.pause = 0.0
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "/.well-known/openid-configuration": self._metadata,
            "/keys": lambda: {"keys": self.keys},
            "/token": lambda: self._token(dict(parse_qsl(body.decode()))),
            "/userinfo": lambda: without_none({"sub": "subject-1", **PERSON, **(self.info or {})}),
        }
        said = answers[path]()
        return 200, {"Content-Type": "application/json"}, json.dumps(said).encode()

    def _metadata(self) -> dict[str, Any]:
        ends = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        if self.info is not None:
            ends["userinfo_endpoint"] = "/userinfo"
        whole = {name: f"{self.issuer}{path}" for name, path in ends.items()}
        return without_none({"issuer": self.issuer, **whole, **self.metadata})

    def _token(self, sent: dict[str, str]) -> dict[str, Any]:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=")
        assert challenge.decode() == self.authorisation["code_challenge"]
        now = int(time.time())
        honest = {
            "iss": self.issuer, "sub": "subject-1", "aud": "hitl", "iat": now, "exp": now + 300, **PERSON,
            "nonce": self.authorisation.get("nonce"),
        }  # fmt: skip
        token = self.sign(without_none({**honest, **self.claims}))
        return without_none({"access_token": "secret-of-the-provider", "token_type": "Bearer", "id_token": token})


def signed(claims: dict[str, Any], key: Any = RSA[0], algorithm: str = "RS256", kid: str | None = "one") -> str:
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid is not None else None)


def without_none(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def come_back(fake: FakeProvider, client: Client | None = None, start: str = "", **sent: str) -> Any:
    """Let a browser leave for the provider and return; give back the answer to that, or to leaving if it ends there."""
    client = client or Client()
    address = start or reverse("openid_connect_login", args=["sso"])
    leaving: Any = client.post(address, {"process": "login", **sent})
    leaving.browser = client
    if leaving.status_code != 302:
        return leaving
    fake.authorisation = {name: values[0] for name, values in parse_qs(urlsplit(leaving["Location"]).query).items()}
    back = {"code": "c", "state": fake.authorisation["state"]}
    answer = client.get(reverse("openid_connect_callback", args=["sso"]), back)
    answer.browser = client  # type: ignore[attr-defined]
    return answer


def _handler(fake: FakeProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, said = fake.answer(urlsplit(self.path).path, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(said)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            time.sleep(fake.pause)
            with suppress(ConnectionError):
                self.wfile.write(said)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
