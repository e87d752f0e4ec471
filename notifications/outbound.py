"""Requests to addresses that people typed: never to the inside of the network, in bounded time and size.

The name is resolved once, each of its addresses is judged, and one of those is connected to: an answer of the resolver
that comes later changes nothing. No redirect is followed and no proxy of the environment is used.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection, responses
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Timer

import certifi
from django.conf import settings

from notifications.answers import Answer, Outcome

CONNECT_SECONDS = 5.0  # to resolve the name, and to connect to one address
WHOLE_SECONDS = 10.0  # a call, also one whose answer comes byte by byte
MAX_BYTES = 64 * 1024  # of an answer
MAX_URL = 2000
PORTS = {80, 443, 8443}
AGAIN = {408, 425, 429}  # statuses by which a receiver asks for another try

# Nothing else can be meant by this: whatever reads the URL in another way than we do is not asked.
URL = re.compile(r"(https?)://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?([/?][!\"$-~]*)?", re.ASCII)

# Beside loopback, private and link-local ones: the IANA registries of special-purpose addresses, multicast, future use,
# and 168.63.129.16, by which machines at Azure reach their host.
INSIDE_4 = [
    *map(ip_network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12")),
    *map(
        ip_network,
        ("168.63.129.16/32", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
    ),
    *map(ip_network, ("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")),
]
# Only global unicast is outside. That leaves out loopback, mapped and compatible IPv4, NAT64, unique local, link-local,
# site-local and multicast; within it Teredo and other special uses, documentation and 6to4 are taken out again.
OUTSIDE_6 = ip_network("2000::/3")
INSIDE_6 = [*map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))]

_resolvers = ThreadPoolExecutor(8, "resolve")  # the system's resolver knows no time limit


class Unanswered(Exception):
    """There is no answer; the text is a sentence for people, without secrets."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL means. `host` is in lower case, without brackets and final dot; `path` has the query too."""

    secure: bool
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of any status; of its body at most `MAX_BYTES`. `retry_after` is in seconds."""

    status: int
    body: bytes = b""
    retry_after: float | None = None


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send a message to an address and return what came of it; whatever its body, a 2xx is a delivery."""
    try:
        return answer_of(call(url, body, headers))
    except Unanswered as error:
        return Answer(Outcome.RETRY, error=str(error))


def call(url: str, body: bytes, headers: Mapping[str, str]) -> Response:
    """Return the answer to a POST. Raise Unanswered where the address is not allowed or nothing answers."""
    target = read(url)
    until = time.monotonic() + WHOLE_SECONDS
    addresses = judged(target, resolve(target))
    try:
        raw = _connect(addresses, target.port, until)
        with _cut_off(raw if not target.secure else _wrapped(raw, target), until) as connected:
            return _exchange(connected, target, body, headers, until)
    except (OSError, HTTPException) as error:
        raise Unanswered(_sentence(error, target.host, time.monotonic() >= until)) from error


def answer_of(response: Response) -> Answer:
    """Return what a status code means. All but 2xx and 410 is tried again: a receiver that is set up wrongly is mended
    within the day that we try."""
    status = response.status
    if 200 <= status < 300:
        return Answer(Outcome.DELIVERED, status)
    sentence = f"It answered {status} {responses.get(status, '')}".strip() + "."
    if status == 410:
        return Answer(Outcome.GONE, status, sentence)
    if 300 <= status < 400:
        sentence += " Redirects are not followed: enter the address it leads to."
    return Answer(Outcome.RETRY, status, sentence, response.retry_after)


def read(url: str) -> Target:
    """Return what a URL means. Raise Unanswered where it may not be called, whatever its name resolves to."""
    found = URL.fullmatch(url) if len(url) <= MAX_URL else None
    if found is None or not 0 < int(found[3] or 443) < 65_536:
        raise Unanswered("The address must be like https://host.example/path, without user name and fragment.")
    secure = found[1] == "https"
    host = found[2].strip("[]").rstrip(".").lower()
    rest = found[4] or "/"
    target = Target(secure, host, int(found[3] or (443 if secure else 80)), rest if rest[0] == "/" else f"/{rest}")
    literal = _address(host)
    if literal:
        judged(target, [literal])
    elif ":" in host or not host:
        raise Unanswered(f"“{found[2]}” is no address.")
    return target


def resolve(target: Target) -> list[IPv4Address | IPv6Address]:
    """Return every address of a host."""
    try:
        found = _resolvers.submit(socket.getaddrinfo, target.host, target.port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found.result(CONNECT_SECONDS)]
    except (OSError, UnicodeError) as error:
        raise Unanswered(f"The name {target.host} could not be resolved.") from error
    # A scope (%eth0) makes an address of the link; without its scope it is refused as such.
    return [ip_address(address.partition("%")[0]) for address in dict.fromkeys(addresses)]


def judged(target: Target, addresses: list[IPv4Address | IPv6Address]) -> list[IPv4Address | IPv6Address]:
    """Return the addresses. Raise Unanswered unless all of them may be called in this way."""
    networks = [entry for entry in settings.OUTBOUND_ALLOW if not isinstance(entry, str)]
    if target.host in settings.OUTBOUND_ALLOW or all(any(one in net for net in networks) for one in addresses):
        return addresses
    if not all(is_outside(one) or any(one in net for net in networks) for one in addresses):
        problem = "has an address inside a network"
    elif not target.secure:
        problem = "would be called without https"
    elif target.port not in PORTS:
        problem = f"would be called at port {target.port}, not 443, 8443 or 80"
    else:
        return addresses
    raise Unanswered(f"{target.host} {problem}, and OUTBOUND_ALLOW does not name it.")


def is_outside(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is one of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in INSIDE_4)
    return address in OUTSIDE_6 and not any(address in network for network in INSIDE_6)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _connect(addresses: list[IPv4Address | IPv6Address], port: int, until: float) -> socket.socket:
    failure: OSError = OSError("no address")
    for address in addresses:
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((str(address), port), min(CONNECT_SECONDS, left))
        except OSError as error:
            failure = error
    raise failure


def _wrapped(raw: socket.socket, target: Target) -> socket.socket:
    # The handshake comes later, when the time limit watches the socket.
    return tls_context().wrap_socket(raw, server_hostname=target.host, do_handshake_on_connect=False)


@cache
def tls_context() -> ssl.SSLContext:
    """Return whom we trust: the authorities that single sign-on trusts too."""
    return ssl.create_default_context(cafile=settings.REQUESTS_CA_BUNDLE or certifi.where())


@contextmanager
def _cut_off(connected: socket.socket, until: float) -> Iterator[socket.socket]:
    """End a connection at a time, whatever it is doing: the time-out of a socket begins again with each byte."""
    left = max(until - time.monotonic(), 0.001)
    connected.settimeout(left)
    timer = Timer(left, _shut, [connected])
    timer.daemon = True
    timer.start()
    try:
        yield connected
    finally:
        timer.cancel()
        connected.close()


def _shut(connected: socket.socket) -> None:
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already


def _exchange(
    connected: socket.socket, target: Target, body: bytes, headers: Mapping[str, str], until: float
) -> Response:
    if isinstance(connected, ssl.SSLSocket):
        connected.do_handshake()
    connection = (HTTPSConnection if target.secure else HTTPConnection)(target.host, target.port)
    connection.sock = connected
    connection.request("POST", target.path, body, {"User-Agent": "HITL", "Connection": "close", **headers})
    with connection.getresponse() as response:
        if time.monotonic() >= until:
            raise TimeoutError  # to http.client a connection that was cut off looks like the end of the headers
        try:
            start = response.read(MAX_BYTES)
        except (OSError, HTTPException):
            start = b""  # its status is the answer
        return Response(response.status, start, retry_after(response.getheader("Retry-After", "")))


def _sentence(error: OSError | HTTPException, host: str, too_long: bool) -> str:
    if too_long or isinstance(error, TimeoutError):
        return f"{host} did not answer in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of {host} is not accepted: {error.verify_message}."
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refused the connection."
    return f"The connection to {host} failed or broke off."


def retry_after(text: str) -> float | None:
    """Return the seconds that Retry-After asks for, as a number or a date (RFC 9110, section 10.2.3)."""
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - datetime.now(UTC)).total_seconds(), 0.0)
