"""What schemathesis makes of the contract, sent with tokens of each kind: nothing breaks, and every answer is one that
the contract names. `make soak` does it for ten minutes (`tests/soak/test_contract.py`)."""

import json
from collections import Counter
from contextlib import contextmanager

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from schemathesis.core.failures import FailureGroup

from approvals.api import caller
from approvals.api.caller import Bucket
from hitl.wsgi import application
from tests.cast import document
from tests.contract import CONTRACT, KINDS, hold, operations

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
EXAMPLES = 3  # of each operation and kind of token


@pytest.fixture(autouse=True)
def no_limits(monkeypatch):
    monkeypatch.setattr(caller, "requests", Bucket(0))
    monkeypatch.setattr(caller, "bulk_lines", Bucket(0))


@pytest.fixture
def there(make_patch, producer_api):
    """The names of a patch that waits, of another producer's, and of an open gate."""
    waiting = make_patch()
    sent = producer_api.post("/hitl/patches", document(patch_id="ANOTHER-1")).json()
    return {
        "patch_id": [waiting.patch.patch_id, sent["patch_id"]],
        "decision_id": [str(waiting.decision_id), sent["decision_id"]],
        "gate_id": [str(waiting.decision_id)],
        "patch_sha256": [waiting.patch.sha256],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_has_an_answer_that_the_contract_names(kind, token_for, alice, there):
    token = token_for("personal", "alice", user=alice) if kind == "personal" else token_for(kind, kind)
    statuses = Counter()
    with one_connection():
        for number, operation in enumerate(operations(application)):
            statuses += hold(operation, there, token, number=number, examples=EXAMPLES)
    assert statuses[422]  # the calls get past who may call,
    assert statuses[200] or kind == "monitor"  # and some past all that is checked


def test_an_answer_that_the_contract_does_not_name_is_found(token_for, there):
    contract = json.loads(CONTRACT.read_text("utf-8"))
    del contract["paths"]["/hitl/analytics/summary"]["get"]["responses"]["403"]
    [operation] = [found for found in operations(application, contract) if found.path == "/hitl/analytics/summary"]
    with one_connection(), pytest.raises(FailureGroup, match="Undocumented"):
        hold(operation, there, token_for("producer", "patchgen"), number=0, examples=1)


@contextmanager
def one_connection():
    """Leave the test's connection open between requests, as Django's own client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
