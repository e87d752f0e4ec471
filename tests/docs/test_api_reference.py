"""docs/api-reference.md is what the contract says and what the product answers."""

import json
import os
from pathlib import Path

import pytest

from approvals.live import listener
from tests.docs.reference import page
from tests.docs.walk import walk

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "api-reference.md"


@pytest.fixture
def written(token_for, approve):
    exchanges = walk(token_for, approve)
    listener.stop()
    return page(json.loads((DOCS / "openapi.json").read_text("utf-8")), exchanges)


@pytest.mark.django_db(transaction=True)
def test_every_endpoint_is_shown_with_a_request_that_was_sent_and_the_answer_that_came(written):
    if os.environ.get("HITL_WRITE_DOCS"):
        PAGE.write_text(written, "utf-8")
    assert PAGE.read_text("utf-8") == written, "write it: HITL_WRITE_DOCS=1 python -m pytest tests/docs"
