"""No answer is kept by a browser or proxy, none is taken for another kind, and cookies stay with this host."""

from pathlib import Path

import pytest

from approvals.views.export import safe
from tests.cast import Api
from tests.hitl.test_settings import start

pytestmark = pytest.mark.django_db
ADDRESSES = [
    "/",
    "/history",
    "/history.csv",
    "/hitl/patches/pending",
    "/healthz",
    "/readyz",
    "/nothing-here",
    "/hitl/x",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_is_private_and_only_what_it_says(sign_in, alice, address):
    answer = sign_in(alice).get(address)
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer["Content-Security-Policy"] or "'self'" in answer["Content-Security-Policy"]


def test_an_answer_to_a_token_is_not_kept_either(token_for):
    assert Api(token_for()).get("/hitl/patches/pending")["Cache-Control"] == "no-store"


def test_static_files_may_be_kept_and_are_nothing_else(client):
    answer = client.get("/static/js/live.js")
    answer.close()
    assert answer.status_code == 200
    assert answer["Cache-Control"] != "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_under_https_cookies_belong_to_this_host_alone(tmp_path: Path) -> None:
    shown = start(tmp_path, "diffsettings", BASE_URL="https://hitl.example.org").stdout
    assert "SESSION_COOKIE_NAME = '__Host-sessionid'" in shown
    assert "CSRF_COOKIE_NAME = '__Host-csrftoken'" in shown
    assert "SECURE_HSTS_INCLUDE_SUBDOMAINS = True" not in shown
    wider = start(tmp_path, "diffsettings", BASE_URL="https://hitl.example.org", HSTS_INCLUDE_SUBDOMAINS="true").stdout
    assert "SECURE_HSTS_INCLUDE_SUBDOMAINS = True" in wider


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("x;=1+1", "x;'=1+1"),
        ("x,@sum", "x,'@sum"),
        ("x\t+1", "x\t'+1"),
        ("x|-1", "x|'-1"),
        ("line\n=1", "line\n'=1"),
        (' "=1', "' \"=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a-b, c=d", "a-b, c=d"),
        ("CVE-2024-1", "CVE-2024-1"),
    ],
)
def test_no_cell_begins_a_formula_whatever_separates_cells(cell, shown):
    assert safe(cell) == shown
