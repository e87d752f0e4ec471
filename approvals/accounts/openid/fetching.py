"""What is asked of the provider directly: over TLS, in bounded time and size, and at the address given only.

Metadata and keys are kept for some minutes in each process.
"""

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from approvals import strict_json
from approvals.errors import Refusal
from approvals.requests import trace_headers

from .faults import ProviderFault, unreachable, unreadable

TIMEOUT = (5, 5)  # seconds, to connect and without a byte
WHOLE_SECONDS = 10  # for all of a body
MAX_BYTES = 256 * 1024
CHUNK = 16 * 1024
KEEP_SECONDS = 300
KEPT_MOST = 16
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")

_kept: dict[str, tuple[float, dict[str, Any]]] = {}


class Session(requests.Session):
    """allauth asks the provider through this one, and so do we. Raise ProviderFault for what has no answer."""

    def __init__(self) -> None:
        super().__init__()
        self.headers["Accept-Encoding"] = "identity"  # what is packed has another size than what is read
        self.headers.update(trace_headers.get({}))

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request; a redirect is an answer like any other, and the body is read when this returns."""
        address = str(url)
        if not is_allowed(address):
            raise unreadable("the provider names an address that is not https")
        try:
            answer = super().request(method, url, *args, **{**kwargs, "timeout": TIMEOUT, "stream": True})
            with answer:
                body = _read(answer)
        except (requests.RequestException, HTTPError, UnicodeError) as error:
            raise unreachable(f"{_host(address)} did not answer: {type(error).__name__}") from error
        try:
            strict_json.bounded(body)
        except Refusal as error:
            raise unreadable(f"{_host(address)} answered with too much: {error.detail}") from error
        answer.raw = BytesIO(body)
        return answer

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow nobody: an address counts only where the provider's metadata names it."""


def _read(answer: requests.Response) -> bytes:
    """Return the body as it was sent, up to the limits."""
    body, until = bytearray(), time.monotonic() + WHOLE_SECONDS
    while chunk := answer.raw.read1(CHUNK, decode_content=False):
        body += chunk
        if len(body) > MAX_BYTES or time.monotonic() > until:
            raise unreadable(f"{_host(answer.url)} answered with more, or for longer, than is read")
    return bytes(body)


def is_allowed(address: str) -> bool:
    """Return whether something may be asked there: plain http only on this machine, where the issuer is there too."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    if parts.scheme == "https":
        return True
    issuer = urlsplit(settings.OIDC_ISSUER)
    return parts.scheme == "http" and host in LOOPBACK and issuer.scheme == "http" and issuer.hostname in LOOPBACK


def document(answer: requests.Response) -> dict[str, Any]:
    """Return the JSON object that was answered. Raise ProviderFault for anything else."""
    host = _host(answer.url)
    if answer.status_code != requests.codes.ok:
        raise unreadable(f"{host} answered {answer.status_code}")
    try:
        found = strict_json.read(answer.content)
    except (ValueError, Refusal) as error:
        raise unreadable(f"{host} answered with no JSON: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise unreadable(f"{host} answered with no JSON object")
    return found


def metadata() -> dict[str, Any]:
    """Return what the provider says of itself, once it says that it is the one configured (Discovery 1.0, 4.3)."""
    return _keep(f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration", _checked)


def keys(again: bool = False) -> list[dict[str, Any]]:
    """Return the provider's public keys as JSON Web Keys; `again` asks for them anew."""
    found = _keep(metadata()["jwks_uri"], lambda whole: whole, again).get("keys")
    return [key for key in found if isinstance(key, dict)] if isinstance(found, list) else []


def forget() -> None:
    """Forget what was kept, so that the next sign-in asks anew."""
    _kept.clear()


def _keep(address: str, check: Callable[[dict[str, Any]], dict[str, Any]], again: bool = False) -> dict[str, Any]:
    at, found = _kept.get(address, (0.0, {}))
    if found and not again and time.monotonic() - at < KEEP_SECONDS:
        return found
    with Session() as session:
        found = check(document(session.get(address, headers={"Accept": "application/json"})))
    if len(_kept) >= KEPT_MOST:
        _kept.clear()
    _kept[address] = (time.monotonic(), found)
    return found


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata that allauth and we read, each of its kind."""
    said = found.get("issuer")
    if said != settings.OIDC_ISSUER:
        raise ProviderFault(
            "Single sign-on is set up for another provider than the one that answered. Ask an administrator.",
            f"OIDC_ISSUER is {settings.OIDC_ISSUER!r}, and the provider calls itself {str(said)[:200]!r}",
        )
    ends = {name: found[name] for name in (*NEEDED, "userinfo_endpoint") if name in found}
    wrong = [name for name in (*NEEDED, *ends) if not isinstance(ends.get(name), str) or not is_allowed(ends[name])]
    if wrong:
        raise unreadable(f"the provider's metadata lacks {wrong[0]}, or it is not https")
    methods = found.get("token_endpoint_auth_methods_supported")
    known = [method for method in methods if isinstance(method, str)] if isinstance(methods, list) else []
    return {"issuer": said, **ends, "token_endpoint_auth_methods_supported": known}


def _host(address: str) -> str:
    """Return the host that a line of the log may name; the rest of an address may hold a secret."""
    try:
        return urlsplit(address).hostname or "the provider"
    except ValueError:
        return "the provider"
