"""What a refusal says at a field, and the one check of a reason."""

import pytest

from approvals.errors import Invalid
from approvals.models import MAX_REASON
from approvals.services.reasons import check_reason


def test_a_field_is_named_where_it_came_in_and_says_the_sentence_unless_told_otherwise():
    assert Invalid("Too early.", field="ends").errors == [{"loc": ["ends"], "msg": "Too early."}]
    sent = Invalid("Write something first.", field="comment", part="body", msg="required")
    assert (sent.detail, sent.errors) == ("Write something first.", [{"loc": ["body", "comment"], "msg": "required"}])
    assert Invalid("These filters are too long to save.").errors is None


@pytest.mark.parametrize(
    ("text", "sentence", "msg"),
    [
        (" \n", "Say why: a reason is required.", "required"),
        ("x" * (MAX_REASON + 1), "A reason may have 2,000 characters.", "too long"),
    ],
)
def test_a_reason_says_something_and_not_too_much(text, sentence, msg):
    with pytest.raises(Invalid) as refused:
        check_reason(text)
    assert refused.value.detail == sentence
    assert refused.value.errors == [{"loc": ["body", "reason"], "msg": msg}]


def test_a_reason_is_kept_without_the_space_around_it():
    assert check_reason(f" {'x' * (MAX_REASON - 2)}\n") == "x" * (MAX_REASON - 2)
