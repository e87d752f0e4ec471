"""The log line of each request, switched by LOG_REQUESTS: what it names, and what it never does."""

import json
import logging

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.accounts.services import recovery
from hitl.logs import JsonFormatter, TextFormatter
from tests.cast import PASSWORD, Api, actor_for, document
from tests.hitl.test_settings import start

pytestmark = pytest.mark.django_db
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
PROBES = ["/healthz", "/readyz", "/health", "/metrics", "/static/nothing.css"]


class Lines(logging.Handler):
    """Keeps what would stand on standard error, formatted at once as in a process."""

    def __init__(self):
        super().__init__()
        self.json, self.text = [], []

    def emit(self, record):
        self.text.append(TextFormatter().format(record))
        self.json.append(json.loads(JsonFormatter().format(record)))

    def of_requests(self):
        return [line for line in self.json if line["logger"] == "hitl.request"]


@pytest.fixture
def lines():
    handler, root = Lines(), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "hitl.request")}
    root.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_a_line_says_what_was_asked_what_became_of_it_and_who_asked(producer_api, lines):
    answer = producer_api.post("/hitl/patches?source=ci-7", document(), traceparent=PARENT)
    assert answer.status_code == 201
    [line] = lines.of_requests()
    assert line.pop("milliseconds") > 0
    assert line.pop("at")
    assert line.pop("caller").startswith("token:")
    assert line == {
        "level": "INFO",
        "logger": "hitl.request",
        "message": "POST /hitl/patches 201",
        "method": "POST",
        "route": "/hitl/patches",
        "status": 201,
        "client_ip": "127.0.0.1",
        "request_id": answer["X-Request-ID"],
        "trace_id": TRACE,
    }


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/hitl/patches/P-secretive/diff?q=alice", "/hitl/patches/<patch_id>/diff", 404),
        ("/patches/2f1d3f3e-0f0c-4ad3-9c0c-1d9f6a1b2c3d?next=alice", "/patches/<uuid:decision_id>", 404),
        ("/alice/was/here?secret=hunter2", "(unknown)", 404),
        ("/hitl/alice/was/here", "(unknown)", 404),
        ("/hitl/patches/%00", "/hitl/patches/<patch_id>", 404),
        ("/hitl/patches/pending?aliases=%00alice", "/hitl/patches/pending", 422),
        ("/?q=alice", "/", 200),
    ],
)
def test_an_address_is_named_by_its_route(alice, sign_in, lines, path, route, status):
    assert sign_in(alice).get(path).status_code == status
    line = lines.of_requests()[-1]
    assert (line["route"], line["status"]) == (route, status)
    for hidden in ("secret", "hunter2", "alice", "2f1d3f3e", "next", "q="):
        assert hidden not in json.dumps(line)


@pytest.mark.parametrize("path", ["/hitl/patches/bulk", "/hitl/patches"])
def test_what_is_refused_before_the_address_is_looked_at_has_its_route_too(producer_api, lines, path):
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):  # the second is answered from what was kept
        producer_api.post(path, document(), **headers)
    assert {line["route"] for line in lines.of_requests()} == {path}


def test_no_line_of_a_sign_in_or_an_act_holds_a_name_a_secret_or_a_query(alice, lines, make_patch, sign_in):
    decision = make_patch()
    client = Client()
    client.post(reverse("login") + "?next=/history", {"username": alice.username, "password": PASSWORD})
    client.get(f"/patches/{decision.decision_id}?file=app.py")
    client.post(f"/patches/{decision.decision_id}/decide", {"verdict": "approve", "comment": "Looks good, says alice"})
    Api(user=alice).post(f"/hitl/patches/{decision.patch.patch_id}/approve", {"user": "alice"})
    client.post(reverse("logout"))
    text = "\n".join([*lines.text, *map(json.dumps, lines.of_requests())])
    session = Session.objects.order_by("-expire_date").values_list("session_key", flat=True)
    hidden = [alice.username, alice.email, PASSWORD, "Looks good", "history", "app.py", "csrf", *session]
    assert [word for word in hidden if word in text] == []


def test_a_one_time_link_is_in_no_line_whatever_becomes_of_it(alice, lena, lines):
    secret = recovery.send_link(alice, reason="Lost.", user=lena, actor=actor_for(lena), now=timezone.now())
    path = reverse("link", args=[secret])
    Client().get(path)
    Client(enforce_csrf_checks=True).post(path, {"new_password1": "x"})
    assert any("CSRF" in text for text in lines.text)
    assert [text for text in lines.text if secret.split("_", 2)[2] in text] == []
    assert lines.of_requests()[-1]["route"] == "/accounts/link/<str:secret>"


@pytest.mark.parametrize("path", PROBES)
def test_what_machines_ask_all_the_time_is_left_out_unless_asked_for(lines, settings, path):
    Client().get(path)
    assert lines.of_requests() == []
    settings.LOG_REQUESTS = "all"
    Client().get(path)
    assert [line["route"] for line in lines.of_requests()] == [path if "static" not in path else "/static/"]


def test_no_line_is_written_where_it_is_switched_off(producer_api, lines, settings):
    settings.LOG_REQUESTS = "false"
    assert producer_api.get("/hitl/patches/pending").status_code == 200
    assert lines.of_requests() == []


@pytest.mark.slow
def test_it_is_true_false_or_all(tmp_path):
    assert start(tmp_path, LOG_REQUESTS="some").stderr == "LOG_REQUESTS must be one of true, false, all, not 'some'.\n"
