"""Every error of the JSON API is a problem document that tells the caller enough and nothing of our inside."""

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from approvals.services import together
from tests.cast import Api, document

pytestmark = pytest.mark.django_db


def assert_problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) >= {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert answer["X-Request-ID"]
    return body


@pytest.mark.parametrize(
    "path", ["/hitl/nothing", "/hitl/patches/a/b/c", "/hitl/", "/hitl/patches/a%2Fb/diff", "/api/nothing"]
)
def test_an_unknown_address_is_404(producer_api, path):
    assert_problem(producer_api.get(path), 404)


def test_an_unknown_address_is_404_whatever_is_sent_there(producer_api):
    assert_problem(producer_api.post("/hitl/nothing", {}), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/hitl/patches"),
        ("DELETE", "/hitl/patches/x"),
        ("POST", "/hitl/patches/pending"),
        ("GET", "/hitl/patches/x/approve"),
        ("PATCH", "/hitl/decisions/x"),
        ("POST", "/hitl/analytics/summary"),
        ("OPTIONS", "/hitl/patches"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(producer_api, method, path):
    answer = producer_api.client.generic(method, path, b"{}", content_type="application/json")
    assert_problem(answer, 405)
    assert answer["Allow"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_body_that_is_not_announced_as_json_is_415(producer_api, content_type):
    answer = producer_api.client.generic("POST", "/hitl/patches", json.dumps(document()), content_type=content_type)
    assert "application/json" in assert_problem(answer, 415)["detail"]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_announced_with_a_charset_and_in_any_case(producer_api, content_type):
    answer = producer_api.client.generic("POST", "/hitl/patches", json.dumps(document()), content_type=content_type)
    assert answer.status_code == 201


def test_a_lost_database_is_503_to_come_back(producer_api, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection to server at 10.1.2.3 failed: password=hunter2")

    monkeypatch.setattr(together, "submit", away)
    answer = producer_api.post("/hitl/patches", document())
    body = assert_problem(answer, 503)
    assert answer["Retry-After"]
    assert "hunter2" not in answer.content.decode()
    assert "nothing was changed" not in body["detail"].lower()  # a connection lost at commit leaves that open


def test_a_defect_is_500_and_says_nothing_of_our_inside(producer_api, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a secret of ours at /srv/hitl/approvals.py")

    monkeypatch.setattr(together, "submit", broken)
    answer = producer_api.post("/hitl/patches", document())
    body = assert_problem(answer, 500)
    assert "secret" not in answer.content.decode()
    assert "nothing was changed" not in body["detail"].lower()


def test_a_host_that_is_not_ours_is_a_problem_too(producer_api):
    assert_problem(producer_api.client.get("/hitl/patches/pending", headers={"Host": "evil.example"}), 400)


def test_the_description_of_the_api_is_open_to_everybody():
    anonymous = Client()
    description = anonymous.get("/hitl/openapi.json")
    assert description.status_code == 200
    assert description.json()["openapi"].startswith("3.1")
    assert anonymous.get("/hitl/docs").status_code == 200


def test_errors_of_pages_stay_pages(alice):
    client = Client()
    client.force_login(alice)
    answer = client.get("/nothing-here")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_problem_is_what_the_sentence_for_people_says(producer_api):
    body = assert_problem(Api().get("/hitl/patches/pending"), 401)
    assert body["title"] == "Unauthorized"
    assert "token" in body["detail"]
