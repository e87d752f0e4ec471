"""What the client sends again, what it does not, and that its token goes nowhere else."""

import socket

import pytest

from hitl_gate import Gate, NotReachable, Refused

PATCH = {"patch_id": "c-1", "patch_metadata": {"apv_id": "c-1", "severity": "low", "package_name": "shop"}}
TAKEN = {
    "decision_id": "d-1",
    "patch_id": "c-1",
    "revision": 1,
    "patch_sha256": "ab",
    "status": "pending",
    "priority": "low",
    "trace": [],
    "parse_warnings": [{"message": "No diff."}],
}


def test_a_busy_service_is_asked_again_with_the_same_key(stand_in):
    busy = (503, {"Retry-After": "0"}, {"detail": "The database did not answer."})
    stand_in.answers = [busy, (429, {"Retry-After": "0"}, {}), (409, {"Retry-After": "0"}, {}), (201, {}, TAKEN)]
    sent = Gate(stand_in.url, "secret").submit(PATCH)
    assert (sent.decision_id, sent.created, sent.warnings) == ("d-1", True, ("No diff.",))
    assert len(stand_in.seen) == 4
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in stand_in.seen}) == 1


def test_what_another_try_would_not_change_is_not_tried_again(stand_in):
    stand_in.answers = [
        (422, {}, {"detail": "Not valid.", "errors": [{"loc": ["body", "severity"], "msg": "Unknown"}]})
    ]
    with pytest.raises(Refused, match=r"422: Not valid\. \(body\.severity: Unknown\)"):
        Gate(stand_in.url, "secret").submit(PATCH)
    assert len(stand_in.seen) == 1


def test_a_conflict_that_stays_is_a_refusal(stand_in):
    stand_in.answers = [(409, {}, {"detail": "Two producers use this id."})]
    with pytest.raises(Refused, match="Two producers"):
        Gate(stand_in.url, "secret").decision("d-1")
    assert len(stand_in.seen) == 1


def test_patience_ends(stand_in):
    stand_in.answers = [(503, {}, {"detail": "The database did not answer."})]
    with pytest.raises(NotReachable, match="The database did not answer"):
        Gate(stand_in.url, "secret", patience=0.1).decision("d-1")
    assert len(stand_in.seen) > 1


def test_a_service_that_is_not_there_is_not_reachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NotReachable, match="refused"):
        Gate(url, "secret", patience=0.1).decision("d-1")


def test_a_redirect_does_not_get_the_token(stand_in):
    stand_in.answers = [(302, {"Location": f"{stand_in.url}/elsewhere"}, b""), (200, {}, {})]
    with pytest.raises(Refused, match="302"):
        Gate(stand_in.url, "secret").decision("d-1")
    assert [path for _, path, _, _ in stand_in.seen] == ["/hitl/decisions/d-1?wait=0"]


def test_something_that_is_not_the_service_is_said(stand_in):
    stand_in.answers = [(200, {}, b"<html>Welcome to nginx</html>")]
    with pytest.raises(NotReachable, match="no JSON; is it HITL"):
        Gate(stand_in.url, "secret").decision("d-1")


def test_names_in_addresses_are_quoted(stand_in):
    stand_in.answers = [(404, {}, {"detail": "There is no such decision."})]
    with pytest.raises(Refused):
        Gate(stand_in.url, "secret").decision("a/b?c")
    assert stand_in.seen[0][1] == "/hitl/decisions/a%2Fb%3Fc?wait=0"


@pytest.mark.parametrize(
    ("url", "token", "why"),
    [
        ("http://hitl.example.org", "secret", "unencrypted"),
        ("hitl.example.org", "secret", "no address"),
        ("ftp://hitl.example.org", "secret", "no address"),
        ("https://hitl.example.org", "", "empty"),
        ("https://hitl.example.org", "two\nlines", "whole line"),
    ],
)
def test_wrong_addresses_and_tokens_are_refused_before_anything_is_sent(url, token, why):
    with pytest.raises(ValueError, match=why):
        Gate(url, token)


def test_http_in_a_closed_network_has_to_be_asked_for():
    assert Gate("http://hitl:8028", "secret", allow_http=True)


def test_without_https_the_token_goes_through_no_proxy(stand_in, monkeypatch):
    """A proxy of the environment is another machine; with https it sees no more than the host's name."""
    monkeypatch.setenv("http_proxy", stand_in.url)
    for allowed in ({"url": "http://localhost:9"}, {"url": "http://hitl.invalid:9", "allow_http": True}):
        with pytest.raises(NotReachable):
            Gate(token="secret", patience=0.1, **allowed).decision("d-1")
    assert stand_in.seen == []
