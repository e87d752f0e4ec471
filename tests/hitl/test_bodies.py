"""Bodies on the wire, against the real gunicorn: chunked, packed, refused, broken off; and HEAD."""

import gzip
import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cast import document
from tests.hitl.test_serve import ROOT, Served, copy_prepared, environment, serving

pytestmark = pytest.mark.slow

MIB = 1 << 20
JSON = "application/json"
POST = b"POST /hitl/patches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("bodies")
    copy_prepared(tmp_path_factory, place / "data")
    with serving(place) as running:
        yield running


@pytest.fixture(scope="module")
def token(served) -> str:
    command = [sys.executable, str(ROOT / "manage.py"), "create_token", "patchgen", "--kind", "producer"]
    done = subprocess.run(
        command, env=environment(served.data_dir, served.port), capture_output=True, text=True, check=True
    )
    return str(done.stdout).strip()


@contextmanager
def connected(served: Served) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    try:
        yield connection
    finally:
        connection.close()


def ask(served, method, path, body=None, *, token="", chunked=False, **headers):
    """Return status, headers and body of one request; `chunked` sends an iterable without a length."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        named["Authorization"] = f"Bearer {token}"
    if body is not None:
        named.setdefault("Content-Type", JSON)
    with connected(served) as connection:
        if chunked:
            named["Transfer-Encoding"] = "chunked"
            pieces = (body[start : start + 60_000] for start in range(0, len(body), 60_000))
            connection.request(method, path, pieces, named, encode_chunked=True)
        else:
            connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def raw(served, sent: bytes, seconds: float = 30) -> bytes:
    """Send these bytes, no more, and return all that comes until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=seconds) as client:
        client.sendall(sent)
        return client.makefile("rb").read()


def encoded(patch_id: str, **more) -> bytes:
    return json.dumps(document(patch_id=patch_id, **more)).encode()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("key", [{}, {"Idempotency_Key": "k"}], ids=["no-key", "key"])
def test_a_body_may_come_in_chunks_and_packed(served, token, chunked, packed, key):
    name = f"P-{chunked}-{packed}-{len(key)}"
    body = encoded(name, description="x" * 20_000)
    headers = {**({"Idempotency_Key": name} if key else {}), **({"Content_Encoding": "gzip"} if packed else {})}
    body = gzip.compress(body) if packed else body
    answers = [ask(served, "POST", "/hitl/patches", body, token=token, chunked=chunked, **headers) for _ in range(2)]
    assert [status for status, _, _ in answers] == ([201, 201] if key else [201, 200])
    assert json.loads(answers[0][2])["patch_id"] == name
    assert [headers["Connection"] for _, headers, _ in answers] == ["keep-alive"] * 2


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_bulk_lines_may_come_in_chunks_and_packed(served, token, packed):
    body = b"".join(encoded(f"B-{packed}-{number}", description="y" * 15_000) + b"\n" for number in range(20))
    headers = {"Content_Type": "application/x-ndjson"} | ({"Content_Encoding": "x-gzip"} if packed else {})
    sent = gzip.compress(body) if packed else body
    status, _, answer = ask(served, "POST", "/hitl/patches/bulk", sent, token=token, chunked=True, **headers)
    assert status == 200
    assert [json.loads(line)["status"] for line in answer.splitlines()] == [201] * 20


def test_a_packed_body_may_have_several_members(served, token):
    body = encoded("P-members")
    packed = gzip.compress(body[:10]) + gzip.compress(b"") + gzip.compress(body[10:])
    assert ask(served, "POST", "/hitl/patches", packed, token=token, Content_Encoding="GZIP")[0] == 201


def test_a_sign_in_may_come_in_chunks(served):
    with connected(served) as connection:
        connection.request("GET", "/accounts/login")
        page = connection.getresponse()
        cookie, html = page.getheader("Set-Cookie").split(";")[0], page.read().decode()
    csrf = html.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    body = f"csrfmiddlewaretoken={csrf}&login=nobody&password=wrong".encode()
    form = "application/x-www-form-urlencoded"
    status, *_ = ask(served, "POST", "/accounts/login", body, chunked=True, Content_Type=form, Cookie=cookie)
    assert status == 422, "not 403, which an unread form would be"


def test_curl_that_waits_for_100_continue_is_told_to_go_on(served, token, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("no curl")
    (tmp_path / "body").write_bytes(encoded("P-curl"))
    command = ["curl", "-s", "-v", "-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked"]
    command += ["-H", f"Content-Type: {JSON}", "-H", f"Authorization: Bearer {token}"]
    command += ["--data-binary", f"@{tmp_path / 'body'}", f"http://127.0.0.1:{served.port}/hitl/patches"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "HTTP/1.1 100 Continue" in done.stderr
    assert json.loads(done.stdout)["patch_id"] == "P-curl"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("path", "kind", "size", "sentence"),
    [
        ("/hitl/patches", JSON, 8 * MIB, "A body may have 8 MiB."),
        ("/hitl/patches/bulk", "application/x-ndjson", 32 * MIB, "A bulk body may have 32 MiB."),
    ],
)
def test_the_limit_counts_what_is_unpacked(served, token, path, kind, size, sentence, packed, chunked):
    body = b" " * (size + 1)
    headers = {"Content_Type": kind} | ({"Content_Encoding": "gzip"} if packed else {})
    status, _, answer = ask(
        served, "POST", path, gzip.compress(body) if packed else body, token=token, chunked=chunked, **headers
    )
    assert (status, json.loads(answer)["detail"]) == (413, sentence)


def test_a_bomb_costs_no_memory(served, token):
    master = served.pid_of("gunicorn")
    web = next(pid for pid, command in served.processes().items() if "gunicorn" in command and pid != master)
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(16 * MIB)) for _ in range(64)) + packer.flush()  # a GiB
    before = peak_of(web)
    for chunked in (False, True):
        status, *_ = ask(served, "POST", "/hitl/patches", bomb, token=token, chunked=chunked, Content_Encoding="gzip")
        assert status == 413
    assert peak_of(web) - before < 100 * MIB


def peak_of(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("cut", [slice(0, -9), slice(0, 5), slice(3, None)])
@pytest.mark.parametrize("key", [{}, {"Idempotency_Key": "broken"}])
def test_a_body_that_is_no_gzip_is_400(served, token, cut, key):
    packed = gzip.compress(encoded("P-cut"))[cut]
    status, _, answer = ask(served, "POST", "/hitl/patches", packed, token=token, Content_Encoding="gzip", **key)
    assert status == 400, answer


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "nonsense"])
def test_another_encoding_is_415_and_names_ours(served, token, encoding):
    status, headers, answer = ask(served, "POST", "/hitl/patches", b"x", token=token, Content_Encoding=encoding)
    assert (status, headers["Content-Type"], headers["Accept-Encoding"]) == (415, "application/problem+json", "gzip")
    assert "gzip" in json.loads(answer)["detail"]


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"5\r\nabcdefgh", b"-1\r\n\r\n"])
def test_chunks_that_are_none_are_400_and_the_connection_ends(served, token, chunks):
    head = (
        f"POST /hitl/patches HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: {JSON}\r\n"
    )
    answer = raw(served, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b"Connection: close" in answer


REFUSED = [
    ("POST", "/hitl/patches", {}, 401),
    ("POST", "/hitl/nothing", {}, 404),
    ("PUT", "/hitl/patches", {}, 405),
    ("POST", "/hitl/patches", {"Content_Type": "text/plain"}, 415),
    ("POST", "/hitl/patches", {"Content_Encoding": "br"}, 415),
    ("POST", "/nothing", {}, 404),
    ("POST", "/healthz", {}, 405),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), REFUSED)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 300_000, 9 * MIB])
def test_a_refusal_is_heard_and_the_next_request_too(served, method, path, headers, status, chunked, size):
    body = b"x" * size
    named = {"Content-Type": JSON} | {name.replace("_", "-"): value for name, value in headers.items()}
    with connected(served) as connection:
        if chunked:
            named["Transfer-Encoding"] = "chunked"
        connection.request(method, path, iter([body]) if chunked else body, named, encode_chunked=chunked)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert answer.getheader("Connection") == ("keep-alive" if size < MIB else "close")
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200


def test_urllib_hears_that_a_body_is_too_large(served, token):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": JSON}
    request = urllib.request.Request(f"http://127.0.0.1:{served.port}/hitl/patches", b"x" * (60 * MIB), headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 413
    refused.value.close()


@pytest.mark.parametrize(
    ("framing", "status"),
    [
        (b"Content-Length: 1000", b"408"),  # small: nobody looks before all of it is there
        (b"Content-Length: 100000", b"401"),
        (b"Transfer-Encoding: chunked", b"401"),
    ],
)
def test_a_client_that_sends_no_body_gets_its_refusal_soon_and_holds_no_thread(served, framing, status):
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(
            b"POST /hitl/patches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + framing
        )
        client.sendall(b"\r\n\r\n")
        received = client.makefile("rb")
        assert received.readline().startswith(b"HTTP/1.1 " + status)
        assert b"Connection: close\r\n" in iter(received.readline, b"\r\n")
        client.shutdown(socket.SHUT_WR)
        received.read()
    assert time.monotonic() - started < 20


def test_a_client_that_trickles_is_not_waited_for(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(POST + b"Content-Length: 100000\r\n\r\n")
        client.settimeout(0.1)
        answer, ends = b"", time.monotonic() + 30
        while b"Connection: close" not in answer and time.monotonic() < ends:
            client.sendall(b"x")
            try:
                answer += client.recv(65_536)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"Connection: close" in answer


HEADS = ["/healthz", "/readyz", "/health", "/accounts/login", "/hitl/openapi.json", "/hitl/docs", "/static/nothing.css"]
HEADS += ["/hitl/patches/pending", "/hitl/decisions?after=0", "/hitl/patches/none", "/", "/nothing"]


@pytest.mark.parametrize("path", HEADS)
def test_head_answers_where_get_does(served, token, path):
    got, headers, _ = ask(served, "GET", path, token=token)
    status, head, body = ask(served, "HEAD", path, token=token)
    assert (status, body) == (got, b"")
    assert head.get("Content-Type") == headers.get("Content-Type")
    assert abs(int(head.get("Content-Length", 0)) - int(headers.get("Content-Length", 0))) < 50


def test_head_of_the_events_ends_and_leaves_their_place(served, token):
    for _ in range(300):  # more than there are places
        status, headers, body = ask(served, "HEAD", "/hitl/events", token=token)
        assert (status, headers["Content-Type"], body) == (200, "text/event-stream; charset=utf-8", b"")


def test_head_where_one_only_posts_is_405(served, token):
    status, headers, _ = ask(served, "HEAD", "/hitl/patches", token=token)
    assert (status, headers["Allow"]) == (405, "POST")
    status, headers, _ = ask(served, "PUT", "/hitl/patches/pending", b"{}", token=token)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
