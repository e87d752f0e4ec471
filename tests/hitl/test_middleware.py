"""Request ids, callers' addresses, origins."""

import logging
import re
from ipaddress import ip_network

import pytest
from django.db import OperationalError
from django.test import Client, RequestFactory

from approvals.accounts.sessions import SessionStore
from audit.models import Entry
from audit.queries import body_of
from hitl.logs import request_id
from hitl.middleware import client_ip
from tests.cast import document

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("inbound", ["a", "A-1", "x" * 64, "0af7651916cd43dd8448eb211c80319c"])
def test_a_good_inbound_request_id_is_kept(inbound):
    assert Client().get("/healthz", headers={"X-Request-ID": inbound})["X-Request-ID"] == inbound


@pytest.mark.parametrize("inbound", ["", "x" * 65, "a b", "a\tb", "ä", "<script>", "a_b", "a;b", "a,b"])
def test_any_other_is_replaced_by_one_of_ours(inbound):
    made = Client().get("/healthz", headers={"X-Request-ID": inbound})["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_every_answer_has_one_whatever_became_of_the_request(producer_api):
    paths = ["/healthz", "/accounts/login", "/nothing", "/hitl/nothing", "/hitl/patches/pending", "/static/nothing.css"]
    ids = {path: producer_api.client.get(path).get("X-Request-ID") for path in paths}
    assert all(ids.values()), ids
    assert len(set(ids.values())) == len(paths)


def test_the_id_in_the_answer_stands_in_the_entry_and_in_the_log(producer_api, caplog):
    with caplog.at_level(logging.INFO, "hitl.request"):
        answer = producer_api.post("/hitl/patches", document(), **{"X-Request-ID": "trace-7"})
    assert answer["X-Request-ID"] == "trace-7"
    assert body_of(Entry.objects.get(type="patch.submitted"))["request"] == {"id": "trace-7"}
    [line] = [record for record in caplog.records if record.name == "hitl.request"]
    assert (line.fields["route"], line.fields["status"]) == ("/hitl/patches", 201)
    assert request_id.get() == ""


@pytest.mark.parametrize(
    "path", ["/accounts/login", "/nothing", "/hitl/patches/pending", "/hitl/docs", "/static/nothing.css"]
)
def test_every_answer_says_what_a_browser_may_load(path, settings):
    answer = Client().get(path)
    directives = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    assert directives == {
        name: " ".join(sources) for name, sources in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"].items()
    }
    assert (directives["default-src"], directives["script-src"]) == ("'none'", "'self'")


def test_a_page_of_the_debugger_may_load_what_it_needs(settings):
    settings.DEBUG = True
    assert "Content-Security-Policy" not in Client().get("/nothing")
    assert "Content-Security-Policy" in Client().get("/accounts/login")


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "expected"),
    [
        ("192.0.2.1", "", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.9", "10.0.0.0/8", "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.9", "10.0.0.0/8", "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9, 10.0.0.2", "10.0.0.0/8", "198.51.100.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.0/8", "10.0.0.3"),
        ("10.0.0.1", "nonsense", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9, nonsense", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::1", "10.0.0.0/8", "2001:db8::1"),
        ("", "198.51.100.9", "10.0.0.0/8", None),
    ],
)
def test_a_forwarded_address_counts_only_from_a_trusted_proxy(settings, remote, forwarded, trusted, expected):
    settings.TRUSTED_PROXIES = [ip_network(trusted)] if trusted else []
    headers = {"X-Forwarded-For": forwarded} if forwarded else None
    assert client_ip(RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)) == expected


def test_an_entry_names_the_address_it_came_from(producer_api):
    producer_api.client.post("/hitl/patches", document(), content_type="application/json", REMOTE_ADDR="192.0.2.44")
    assert Entry.objects.get(type="patch.submitted").context.ip_address == "192.0.2.44"


LISTED = "https://board.example.org"


@pytest.fixture
def origins(settings) -> None:
    settings.CORS_ORIGINS = [LISTED]


def test_a_listed_origin_may_ask_with_a_token_but_never_with_cookies(origins, producer_api):
    asked = producer_api.client.options(
        "/hitl/patches", headers={"Origin": LISTED, "Access-Control-Request-Method": "POST"}
    )
    assert asked.status_code == 204
    for answer in (asked, producer_api.client.get("/hitl/patches/pending", headers={"Origin": LISTED})):
        assert answer["Access-Control-Allow-Origin"] == LISTED
        assert "Authorization" in answer["Access-Control-Allow-Headers"]
        assert "Idempotency-Key" in answer["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer
        assert "Origin" in answer["Vary"]
    assert "X-Total-Count" in answer["Access-Control-Expose-Headers"]
    assert "Retry-After" in answer["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://board.example.org.evil.example", "http://board.example.org"]
)
def test_any_other_origin_is_told_nothing(origins, producer_api, origin):
    for answer in (
        producer_api.client.options("/hitl/patches", headers={"Origin": origin}),
        producer_api.client.get("/hitl/patches/pending", headers={"Origin": origin}),
    ):
        assert "Access-Control-Allow-Origin" not in answer
        assert "Origin" in answer["Vary"]


def test_errors_can_be_read_by_a_listed_origin_too(origins):
    answer = Client().get("/hitl/patches/pending", headers={"Origin": LISTED})
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (401, LISTED)


def test_pages_are_for_no_other_origin(origins):
    assert "Access-Control-Allow-Origin" not in Client().get("/login", headers={"Origin": LISTED})


@pytest.mark.parametrize(("peer", "scheme"), [("10.0.0.7", "https"), ("203.0.113.9", "http")])
def test_a_forwarded_scheme_counts_only_from_a_trusted_proxy(settings, alice, sign_in, make_patch, peer, scheme):
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    for _ in range(2):
        make_patch()
    asked = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_PROTO": "https"}
    answer = sign_in(alice).get("/hitl/patches/pending", {"limit": 1}, **asked)
    assert answer["Link"].startswith(f"<{scheme}://")


def test_a_body_of_the_wrong_kind_for_nobody_is_a_404(producer_api):
    answer = producer_api.client.post("/hitl/nothing", "x", content_type="text/plain")
    assert answer.status_code == 404
    assert producer_api.client.post("/hitl/patches", "x", content_type="text/plain").status_code == 415


@pytest.mark.parametrize("path", ["/", "/hitl/patches/pending"])
def test_a_database_that_is_away_before_the_view_is_a_503_too(monkeypatch, alice, sign_in, path):
    client = sign_in(alice)
    client.raise_request_exception = False

    def load(self):
        raise OperationalError("couldn't get a connection after 5.00 sec")

    monkeypatch.setattr(SessionStore, "load", load)
    answer = client.get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert ("json" in answer["Content-Type"]) == path.startswith("/hitl/")
