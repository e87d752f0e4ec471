"""The trace a caller names: read strictly, in every line of its request, passed on to whoever is asked."""

import logging

import pytest
from django.test import Client

from approvals.accounts.openid.fetching import Session
from approvals.requests import trace_headers
from hitl.logs import JsonFormatter, trace_id
from hitl.trace_context import following, sent_with
from tests.hitl.test_request_lines import PARENT, TRACE

SPAN = "b7ad6b7169203331"
LONG_KEY = "k" * 241 + "@" + "t" * 14


@pytest.mark.parametrize(
    "parent",
    [
        f"00-{TRACE}-{SPAN}-00",
        f"00-{TRACE}-{SPAN}-ff",
        f"01-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-what-will-come",
        f"cc-{TRACE}-{SPAN}-01-",
    ],
)
def test_a_well_formed_traceparent_counts(parent):
    assert sent_with({"HTTP_TRACEPARENT": parent}) == {"traceparent": parent}


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"cc-{TRACE}-{SPAN}-01more",
        f"cc-{TRACE}-{SPAN}-01-\x7f",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0g",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01".replace("-", "_"),
        f"00-{TRACE.replace('a', 'а')}-{SPAN}-01",
    ],
)
def test_any_other_counts_as_not_sent(parent):
    assert sent_with({"HTTP_TRACEPARENT": parent, "HTTP_TRACESTATE": "a=1"}) == {}


@pytest.mark.parametrize(
    "state", ["a=1", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "t@v=a b", " a=1 ,\tb=2 ", "a=1,,b=2"]
)
def test_the_state_goes_with_it(state):
    assert sent_with({"HTTP_TRACEPARENT": PARENT, "HTTP_TRACESTATE": state})["tracestate"] == state


@pytest.mark.parametrize(
    "state", ["", "a", "A=1", "a=1=2", "a=\x01", "ä=1", "a=", f"{LONG_KEY}=1" + "x" * 300, ",".join(["a=1"] * 33)]
)
def test_a_state_that_is_not_well_formed_is_left_behind(state):
    assert sent_with({"HTTP_TRACEPARENT": PARENT, "HTTP_TRACESTATE": state}) == {"traceparent": PARENT}


def test_every_line_in_a_request_names_the_trace_and_none_after_it():
    record = logging.LogRecord("hitl.test", logging.INFO, __file__, 1, "in between", (), None)
    with following({"HTTP_TRACEPARENT": PARENT}):
        assert f'"trace_id": "{TRACE}"' in JsonFormatter().format(record)
    assert (trace_id.get(), trace_headers.get({})) == ("", {})
    with following({"HTTP_TRACEPARENT": "nonsense"}):
        assert "trace_id" not in JsonFormatter().format(record)


def test_who_is_asked_on_behalf_of_a_request_is_told_the_trace():
    with following({"HTTP_TRACEPARENT": PARENT, "HTTP_TRACESTATE": "a=1"}), Session() as session:
        assert (session.headers["traceparent"], session.headers["tracestate"]) == (PARENT, "a=1")
    with Session() as session:
        assert "traceparent" not in session.headers


@pytest.mark.django_db
def test_a_request_is_answered_whatever_is_sent(token_for):
    for parent in (PARENT, "nonsense", "\x00", "é" * 4000):
        assert Client().get("/healthz", headers={"traceparent": parent}).status_code == 200
