"""Full-text search over the pending queue: whatever a person types is an answer, and the right one."""

import pytest

pytestmark = pytest.mark.django_db
PENDING = "/hitl/patches/pending"


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["patch_id"] for row in answer.json()]


def test_the_digest_finds_its_patch(producer_api, make_patch):
    decision = make_patch(diff="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    make_patch()
    assert ids(producer_api.get(PENDING, q=decision.patch.sha256)) == [decision.patch.patch_id]


@pytest.mark.parametrize(
    "words",
    [
        "²",
        "'",
        "a:*",
        "!a",
        "a & | b",
        "\\",
        "é ß",
        "ⅷ",
        "①②",
        "<->",
        "x" * 200,
        "a b " * 50,
        "()",
        "٣",
        "İ",
        ":*",
        "a\u0301",
    ],
)
def test_search_takes_whatever_a_person_types(producer_api, make_patch, words):
    make_patch(title=f"x {words[:50]} y")
    assert producer_api.get(PENDING, q=words).status_code == 200


@pytest.mark.parametrize(
    "typed", ["3e8f00ab", "3e8f", "1e5", "12.5", "v2.0", "00", "node-fetch", "é", "snake_case_name", "10"]
)
def test_search_finds_the_beginning_of_any_word_of_a_title(producer_api, make_patch, typed):
    make_patch(
        patch_id="hit", title="Fix 3e8f00ab77 and 1e5x in 12.50 v2.0.1 of 00ff node-fetch élan snake_case_name 10.0"
    )
    assert ids(producer_api.get(PENDING, q=typed)) == ["hit"]
