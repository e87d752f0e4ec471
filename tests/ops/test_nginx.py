"""Debian's nginx with exactly the files of deploy/nginx, in front of the product as its image holds it."""

import json
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from approvals.api import bulk
from hitl import bodies
from tests.cast import document
from tests.hitl.test_serve import PATIENCE_SECONDS, ROOT, copy_prepared, environment
from tests.ops import proxied
from tests.ops.proxied import Nginx, ask
from tests.ports import free_port

pytestmark = pytest.mark.ops("nginx", "envsubst", "openssl")

UNLIMITED = {f"RATE_LIMIT_{name}_PER_MINUTE": "0" for name in ("REQUESTS", "PAGES", "ANONYMOUS")}
MIB = 1 << 20
SIZES = {"/hitl/patches": 8 * MIB, "/hitl/patches/bulk": bulk.MAX_BYTES, "/accounts/login": bodies.MAX_FORM}
EACH_TIME_ANOTHER = {
    "server",
    "date",
    "connection",
    "x-request-id",
    "transfer-encoding",
    "content-length",
    "set-cookie",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    place = tmp_path_factory.mktemp("product") / "data"
    copy_prepared(tmp_path_factory, place)
    return place


@pytest.fixture(scope="module")
def running(tmp_path_factory, data) -> Iterator[Nginx]:
    tree, place = proxied.collected_tree(tmp_path_factory.mktemp("tree")), tmp_path_factory.mktemp("nginx")
    more = {**UNLIMITED, "TRUSTED_PROXIES": "127.0.0.1"}
    with proxied.product(tree, data, place / "output", **more) as web, proxied.nginx(place, web) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def tokens(running, data) -> dict[str, str]:
    made = {}
    for name, kind in (("patchgen", "producer"), ("argo", "deployer")):
        command = [sys.executable, str(ROOT / "manage.py"), "create_token", name, "--kind", kind]
        done = subprocess.run(command, env=environment(data, 1), capture_output=True, text=True, check=True)
        made[kind] = done.stdout.strip()
    return made


class Echo(BaseHTTPRequestHandler):
    """A web process that answers with the headers that reached it, and holds /held until it is let go."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/held":
            self.server.held.release()
            self.server.let_go.wait(PATIENCE_SECONDS)
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class EchoServer(ThreadingHTTPServer):
    request_queue_size = 512

    def __init__(self):
        self.held, self.let_go = threading.Semaphore(0), threading.Event()
        super().__init__(("127.0.0.1", 0), Echo)


@pytest.fixture
def echo():
    with EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.let_go.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def echoing(tmp_path, echo) -> Iterator[Nginx]:
    with proxied.nginx(tmp_path, echo.server_port) as nginx:
        yield nginx


# Limits


def test_the_api_is_told_politely_that_an_address_asks_too_much_and_others_go_on(running):
    with proxied.flood(running, "/hitl/decisions", "127.0.0.11") as answer:
        assert running.ask("/hitl/decisions", source="127.0.0.12").status == 401
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.header("Retry-After") == "1"
    assert answer.header("Cache-Control") == "no-store"
    own = running.ask("/hitl/decisions", source="127.0.0.12")
    assert set(answer.json()) == set(own.json())
    assert (answer.json()["status"], answer.json()["title"]) == (429, "Too many requests")


def test_people_get_a_page_in_the_products_look(running):
    with proxied.flood(running, "/healthz", "127.0.0.13") as answer:
        pass
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert answer.header("Retry-After") == "1"
    text = answer.body.decode()
    assert "<h1>Too many requests</h1>" in text
    login = running.ask("/accounts/login")
    ours, its = (one.header("Content-Security-Policy").split("; ") for one in (answer, login))
    assert sorted(ours) == sorted(its)
    named = re.findall(r'(?:href|src)="(/static/[^"#]+)', text)
    assert named
    assert [path for path in named if running.ask(path).status != 200] == []


def test_the_pages_are_as_the_product_draws_them(tmp_path):
    command = [sys.executable, proxied.NGINX / "write_pages.py", "--check"]
    done = subprocess.run(command, env=environment(tmp_path, 1), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_address_holds_200_requests_open_and_no_more(echoing, echo):
    def hold():
        assert echoing.ask("/held", source="127.0.0.21").status == 200

    holders = [threading.Thread(target=hold) for _ in range(200)]
    for holder in holders:
        holder.start()
    for _ in holders:
        assert echo.held.acquire(timeout=PATIENCE_SECONDS)
    refused = echoing.ask("/hitl/decisions", source="127.0.0.21")
    assert (refused.status, refused.header("Retry-After")) == (429, "1")
    assert echoing.ask("/hitl/decisions", source="127.0.0.22").status == 200
    echo.let_go.set()
    for holder in holders:
        holder.join()
    assert echoing.ask("/hitl/decisions", source="127.0.0.21").status == 200


# Event streams


def test_bodies_of_many_patches_that_wait_on_the_disk_are_few(running):
    """200 of 32 MiB from one address, none with a token, would be 6 GB beside the database."""
    head = b"POST /hitl/patches/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{"
    source = "127.0.0.21"
    with ExitStack() as held:
        answers = []
        for _ in range(11):
            one = held.enter_context(socket.create_connection(("127.0.0.1", running.port), source_address=(source, 0)))
            one.sendall(head)
            answers.append(one)
        [refused], _, _ = select.select(answers, [], [], PATIENCE_SECONDS)  # whichever nginx came to last
        said = refused.recv(4096).decode()
        assert said.startswith("HTTP/1.1 429 ")
        assert "application/problem+json" in said
        assert running.ask("/hitl/decisions", source=source).status == 401
        assert running.ask("/hitl/patches/bulk", source="127.0.0.22").status == 405


def test_a_stream_is_opened_also_where_its_address_asks_too_much(running, tokens):
    with proxied.flood(running, "/hitl/decisions", "127.0.0.15"):
        for _ in range(5):
            with proxied.stream(running.port, tokens["deployer"], "127.0.0.15") as answer:
                assert answer.status == 200
                assert answer.readline() == b"retry: 2000\n"


def test_a_stream_says_what_happens_while_it_is_open(running, tokens):
    with proxied.stream(running.port, tokens["deployer"], "127.0.0.16") as answer:
        assert answer.readline() == b"retry: 2000\n"
        body = json.dumps(document(patch_id="stream-1"))
        headers = {"Authorization": f"Bearer {tokens['producer']}", "Content_Type": "application/json"}
        assert running.ask("/hitl/patches", "POST", body, **headers).status == 201
        heard = b""
        while b"event: patch.submitted" not in heard:
            heard += answer.readline()


# What the product is told


def test_what_a_caller_says_of_where_it_comes_from_is_replaced(echoing):
    said = {"X_Forwarded_For": "10.1.1.1", "X_Forwarded_Proto": "https", "Connection": "close"}
    got = echoing.ask("/", source="127.0.0.31", Host="hitl.example.org:8080", **said).json()
    assert got["x-forwarded-for"] == "127.0.0.31"
    assert got["x-forwarded-proto"] == "http"
    assert got["host"] == "hitl.example.org:8080"
    assert "connection" not in got


def test_the_product_believes_nginx_and_nobody_else(running, tmp_path):
    """It writes the address of who asked into its log."""
    output = running.directory / "output"
    running.ask("/hitl/decisions", source="127.0.0.32", X_Forwarded_For="10.2.2.2")
    ask(running.web, "/hitl/decisions", source="127.0.0.33", X_Forwarded_For="10.3.3.3")
    text = output.read_text()
    assert "127.0.0.32" in text
    assert "127.0.0.33" in text
    assert "10.2.2.2" not in text
    assert "10.3.3.3" not in text


# Bodies


@pytest.mark.parametrize("path", SIZES)
@pytest.mark.parametrize("more", [0, 1], ids=["the largest", "larger"])
def test_a_body_is_refused_at_the_products_own_limit_and_in_its_form(running, tokens, path, more):
    kind = {"/hitl/patches": "application/json", "/hitl/patches/bulk": "application/x-ndjson"}
    headers = {
        "Authorization": f"Bearer {tokens['producer']}",
        "Content_Type": kind.get(path, "application/x-www-form-urlencoded"),
    }
    body = b"x" * (SIZES[path] + more)
    through, direct = (ask(port, path, "POST", body, **headers) for port in (running.port, running.web))
    assert through.status == direct.status
    assert (through.status == 413) == bool(more)
    assert through.header("Content-Type") == direct.header("Content-Type")
    if "json" in through.header("Content-Type"):
        assert through.json() == direct.json()
    elif more:
        for text in ("<h1>That is too long</h1>", "<p>What a form sends may have 1 MiB. Nothing was changed.</p>"):
            assert text in through.body.decode()
            assert text in direct.body.decode()


# Static files and headers


def test_static_files_come_compressed_once_and_may_be_kept_for_ever(running):
    page = running.ask("/accounts/login").body.decode()
    [sheet] = re.findall(r'href="(/static/css/hitl\.[0-9a-f]{12}\.css)"', page)
    for asked, encoding in (("gzip, br", ["gzip"]), ("identity", []), ("gzip", ["gzip"])):
        answer = running.ask(sheet, Accept_Encoding=asked)
        assert answer.status == 200
        assert answer.headers.get("content-encoding", []) == encoding
        assert "immutable" in answer.header("Cache-Control")
    seen = [line for line in running.lines() if line["path"] == sheet]
    assert [line["upstream"] for line in seen] == ["200", "200", ""]  # the third came from what nginx keeps


@pytest.mark.parametrize(
    "path", ["/accounts/login", "/", "/hitl/decisions", "/hitl/nothing", "/static/favicon.svg", "/readyz"]
)
def test_headers_are_the_products_and_there_once(running, path):
    through, direct = running.ask(path), ask(running.web, path)
    assert through.status == direct.status
    for found in (through.headers, direct.headers):
        for name in EACH_TIME_ANOTHER & set(found):
            del found[name]
    assert through.headers == direct.headers
    assert through.headers["x-content-type-options"] == ["nosniff"]


def test_what_nginx_says_itself_has_the_headers_of_what_the_product_says(running, tmp_path):
    with proxied.nginx(tmp_path, free_port()) as away:
        for path, own in (("/accounts/login", "/no/such"), ("/hitl/decisions", "/hitl/nothing")):
            ours, its = away.ask(path), ask(running.web, own)
            assert ours.status == 503
            assert ours.header("Retry-After") == "5"
            assert set(its.headers) - set(ours.headers) - EACH_TIME_ANOTHER - {"vary", "location"} == set()
            assert [name for name, values in ours.headers.items() if len(values) > 1] == []


def test_where_the_product_is_away_programs_get_a_problem_and_people_a_page(tmp_path):
    with proxied.nginx(tmp_path, free_port()) as away:
        assert away.ask("/hitl/decisions").json()["status"] == 503
        assert "<h1>The product does not answer</h1>" in away.ask("/").body.decode()


# Logs


def test_no_log_has_a_secret(tmp_path, echoing, echo):
    secrets = {"Authorization": "Bearer hush-token", "Cookie": "sessionid=hush-session", "Referer": "/x?code=hush-ref"}
    paths = ("/accounts/link/hush-link", "/accounts/oidc/sso/login/callback/?code=hush-code", "/?q=hush-query")
    for path in paths:
        assert echoing.ask(path, **secrets).status == 200
    echo.shutdown()
    echo.socket.close()
    for path in paths:
        assert echoing.ask(path, **secrets).status in {503}
    logged = {line["path"] for line in echoing.lines()}
    assert logged == {"/accounts/link/...", "/accounts/oidc/sso/login/callback/", "/"}
    for name in ("access.log", "error.log", "main-error.log"):
        assert "hush" not in (tmp_path / name).read_text()


# TLS


def test_two_mounted_files_switch_tls_on(tmp_path, echo):
    certificates = tmp_path / "tls"
    certificates.mkdir()
    command = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", certificates / "tls.key", "-out", certificates / "tls.crt"]
    subprocess.run(
        ["openssl", *command, "-addext", "subjectAltName=DNS:localhost", *files], check=True, capture_output=True
    )
    with proxied.nginx(
        tmp_path / "nginx", echo.server_port, certificates=certificates, base_url="https://hitl.example.org"
    ) as nginx:
        trusted = ssl.create_default_context(cafile=certificates / "tls.crt")
        with urllib.request.urlopen(f"https://localhost:{nginx.https}/", context=trusted) as answer:
            assert json.load(answer)["x-forwarded-proto"] == "https"
        moved = nginx.ask("/patches/1?a=b")
        assert (moved.status, moved.header("Location")) == (308, "https://hitl.example.org/patches/1?a=b")


@pytest.mark.parametrize("base_url", ["", "http://localhost:8080"])  # which would lead to itself for ever
def test_a_certificate_without_an_https_address_stops_the_start_with_a_sentence(tmp_path, base_url):
    (tmp_path / "tls.crt").touch()
    with pytest.raises(subprocess.CalledProcessError) as failed:
        proxied.filled_in(Nginx(tmp_path, 1), tmp_path, base_url)
    assert "BASE_URL must be the https address" in failed.value.stderr
