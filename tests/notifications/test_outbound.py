"""The guard against requests into the inside: which addresses are called, over which connection, for how long."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from notifications import outbound
from notifications.answers import Outcome
from tests.notifications.receiver import Receiver, answering, certificate_for, receiving

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what makes names resolve to the answers it is given, one after the other, and the names asked."""
    real = socket.getaddrinfo

    def stub(*answers: tuple[str, ...]) -> list[str]:
        asked: list[str] = []
        left = list(answers)

        def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
            if not host.endswith(".example"):
                return real(host, *args, **kwargs)
            asked.append(host)
            addresses = left.pop(0) if len(left) > 1 else left[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return asked

    return stub


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
        *("172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1"),
        *("203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "64:ff9b::808:808"),
        *("64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1"),
        *("fd12:3456::1", "fe80::1", "fec0::1", "ff02::1"),
    ],
)
def test_addresses_that_are_not_of_the_public_internet_are_inside(address: str) -> None:
    assert not outbound.is_outside(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1", "2a00::1"]
)
def test_public_addresses_are_outside(address: str) -> None:
    assert outbound.is_outside(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "example.org",
            "ftp://example.org/",
            "https://",
            "https:///path",
            "https://./",
            "https://[::1",
            "//a.org",
        ),
        *("https://user@example.org/", "https://user:word@example.org/", "https://example.org/#there"),
        *(
            "https://example.org\\@other.org/",
            "https://example.org /",
            "https://example.org/a b",
            "https://exämple.org/",
        ),
        *("https://example.org/\r\nX: 1", "https://example.org:0/", "https://example.org:99999/", "https://[12::zz]/"),
        *("https://[fe80::1%25eth0]/", "https://example.org/" + "a" * 2000, "https://[:::]/"),
        *(
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "http://8.8.8.8/",
            "https://8.8.8.8:22/",
        ),
    ],
)
def test_what_may_not_be_called_is_refused_before_anything_is_resolved(url: str) -> None:
    with pytest.raises(outbound.Unanswered):
        outbound.read(url)


def test_a_url_means_one_thing() -> None:
    assert outbound.read("https://Example.org./a?b=c") == outbound.Target(True, "example.org", 443, "/a?b=c")
    assert outbound.read("https://example.org:8443?b") == outbound.Target(True, "example.org", 8443, "/?b")
    assert outbound.read("https://[2606:4700::1]/").host == "2606:4700::1"


def test_nothing_reaches_an_address_inside_that_is_not_allowed(receiver: Receiver, settings: Any) -> None:
    answer = outbound.post(receiver.url, b"{}", {})
    assert (answer.outcome, receiver.came) == (Outcome.RETRY, [])
    assert answer.error == "127.0.0.1 has an address inside a network, and OUTBOUND_ALLOW does not name it."
    settings.OUTBOUND_ALLOW = LOOPBACK
    assert outbound.post(f"{receiver.url}?a=b", b"{}", {"X-One": "1"}).outcome is Outcome.DELIVERED
    [came] = receiver.came
    assert (came.path, came.body, came.headers["x-one"]) == ("/hook?a=b", b"{}", "1")
    assert came.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("written", ["localhost", "127.1", "2130706433", "0x7f000001"])
def test_another_way_to_write_an_address_inside_changes_nothing(receiver: Receiver, written: str) -> None:
    assert outbound.post(f"http://{written}:{receiver.port}/", b"{}", {}).outcome is Outcome.RETRY
    assert receiver.came == []


def test_one_address_inside_among_others_is_enough_to_refuse(receiver: Receiver, resolver: Any) -> None:
    resolver(("8.8.8.8", "127.0.0.1"))
    answer = outbound.post("https://two.example/", b"{}", {})
    assert "has an address inside" in answer.error


@pytest.mark.parametrize(
    ("url", "problem"),
    [("http://out.example/", "without https"), ("https://out.example:22/", "at port 22, not 443, 8443 or 80")],
)
def test_outside_https_and_its_ports_are_asked_for(resolver: Any, url: str, problem: str) -> None:
    resolver(("8.8.8.8",))
    assert problem in outbound.post(url, b"{}", {}).error


def test_the_address_that_was_judged_is_the_one_that_is_called(resolver: Any, settings: Any) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.2/32")]
    with receiving(address="127.0.0.2") as allowed:
        asked = resolver(("127.0.0.2",), ("127.0.0.1",))
        url = f"http://first.example:{allowed.port}/"
        assert outbound.post(url, b"1", {}).outcome is Outcome.DELIVERED
        assert asked == ["first.example"]
        assert allowed.came[0].headers["host"] == f"first.example:{allowed.port}"
        assert "inside" in outbound.post(url, b"2", {}).error, "each call judges anew"
        assert len(allowed.came) == 1


def test_a_name_can_be_allowed(receiver: Receiver, resolver: Any, settings: Any) -> None:
    resolver(("127.0.0.1",))
    settings.OUTBOUND_ALLOW = ["inside.example"]
    assert outbound.post(f"http://Inside.example:{receiver.port}/", b"", {}).outcome is Outcome.DELIVERED
    assert outbound.post(f"http://other.example:{receiver.port}/", b"", {}).outcome is Outcome.RETRY
    assert outbound.post(f"http://sub.inside.example:{receiver.port}/", b"", {}).outcome is Outcome.RETRY


def test_the_certificate_is_of_the_name_that_was_asked_for(resolver: Any, settings: Any, tmp_path: Path) -> None:
    certificate = certificate_for("safe.example", tmp_path / "pem")
    settings.REQUESTS_CA_BUNDLE = str(certificate)
    settings.OUTBOUND_ALLOW = LOOPBACK
    resolver(("127.0.0.1",))
    outbound.tls_context.cache_clear()
    try:
        with receiving(certificate=certificate) as receiver:
            assert outbound.post(f"https://safe.example:{receiver.port}/", b"", {}).outcome is Outcome.DELIVERED
            other = outbound.post(f"https://other.example:{receiver.port}/", b"", {})
    finally:
        outbound.tls_context.cache_clear()
    assert other.error.startswith("The certificate of other.example is not accepted: Hostname mismatch")
    assert len(receiver.came) == 1


def test_no_redirect_is_followed_and_no_proxy_used(
    receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTBOUND_ALLOW = LOOPBACK
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    receiver.answer = answering(302, Location="/elsewhere")
    answer = outbound.post(receiver.url, b"{}", {})
    assert (answer.outcome, answer.status) == (Outcome.RETRY, 302)
    assert answer.error == "It answered 302 Found. Redirects are not followed: enter the address it leads to."
    assert [came.path for came in receiver.came] == ["/hook"]


def test_an_answer_that_drips_ends_with_the_call(
    receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def drip(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not ended.wait(0.02):
            handler.wfile.write(b"x")

    settings.OUTBOUND_ALLOW = LOOPBACK
    receiver.answer = drip
    monkeypatch.setattr(outbound, "WHOLE_SECONDS", 0.3)
    answer = outbound.post(receiver.url, b"{}", {})
    ended.set()
    assert (answer.outcome, answer.error) == (Outcome.RETRY, "127.0.0.1 did not answer in time.")


def test_of_a_long_answer_only_the_beginning_is_read(receiver: Receiver, settings: Any) -> None:
    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65_536)

    settings.OUTBOUND_ALLOW = LOOPBACK
    receiver.answer = endless
    assert len(outbound.call(receiver.url, b"{}", {}).body) == outbound.MAX_BYTES
    assert outbound.post(receiver.url, b"{}", {}).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("rubbish", [b"", b"no http\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_answer_is_tried_again(receiver: Receiver, settings: Any, rubbish: bytes) -> None:
    settings.OUTBOUND_ALLOW = LOOPBACK
    receiver.answer = lambda handler: handler.wfile.write(rubbish)
    answer = outbound.post(f"{receiver.url}?token=geheim", b"{}", {"Authorization": "geheim"})
    assert (answer.outcome, answer.status) == (Outcome.RETRY, None)
    assert answer.error == "The connection to 127.0.0.1 failed or broke off."


def test_nobody_listens_and_nobody_is_named(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OUTBOUND_ALLOW = LOOPBACK
    with receiving() as gone:
        pass
    assert outbound.post(gone.url, b"", {}).error == "127.0.0.1 refused the connection."
    too_long = f"https://{'a' * 64}.example/"
    assert outbound.post(too_long, b"", {}).error.endswith("could not be resolved.")

    def unknown(*args: Any, **kwargs: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert outbound.post("https://no.example/", b"", {}).error == "The name no.example could not be resolved."


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((200, Outcome.DELIVERED), (202, Outcome.DELIVERED), (299, Outcome.DELIVERED), (410, Outcome.GONE)),
        *((301, Outcome.RETRY), (400, Outcome.RETRY), (401, Outcome.RETRY), (404, Outcome.RETRY)),
        *((408, Outcome.RETRY), (425, Outcome.RETRY), (429, Outcome.RETRY), (500, Outcome.RETRY), (999, Outcome.RETRY)),
    ],
)
def test_what_a_status_means(status: int, outcome: Outcome) -> None:
    answer = outbound.answer_of(outbound.Response(status))
    assert (answer.outcome, answer.status, bool(answer.error)) == (outcome, status, outcome is not Outcome.DELIVERED)


def test_a_receiver_says_when_to_come_again(receiver: Receiver, settings: Any) -> None:
    settings.OUTBOUND_ALLOW = LOOPBACK
    receiver.answer = answering(429, Retry_After="120")
    assert outbound.post(receiver.url, b"{}", {}).retry_after == 120
    later = outbound.retry_after(format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True))
    assert later is not None
    assert 590 < later <= 600
    assert outbound.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [outbound.retry_after(text) for text in ("", "soon", "-5", "1.5", "9" * 30)] == [None] * 5
