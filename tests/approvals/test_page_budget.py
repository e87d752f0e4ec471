"""The first page of a patch stays under 2 MB of HTML whatever is in its diff; the rest is behind links."""

import pytest
from django.urls import reverse

pytestmark = pytest.mark.django_db
MOST = 2_000_000
CONTROL = "\x01\x02\x1b\x7f" * 400
HEAD = "--- a/{0}\n+++ b/{0}\n@@ -1 +1,{1} @@\n"


def added(name: str, lines: list[str]) -> str:
    return HEAD.format(name, len(lines)) + "".join(f"+{line}\n" for line in lines)


DIFFS = {
    "control characters": added("x", [CONTROL] * 500),
    "invisible letters": added("x", ["\u200b\u202e" * 900] * 150),
    "paths of control characters": "".join(added(f"{n}/{CONTROL[:800]}", ["a"]) for n in range(100)),
    "names nobody sees": "".join(added(f"{n}\u200b" * 200, ["a"]) for n in range(250)),
    "foreign lines": "--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n" + "?? neither\n" * 90_000,
    "words": "a word of many in this mail\n" * 30_000 + added("x", ["a"]),
    "words of control characters": CONTROL * 500 + "\n" + added("x", ["a"]),
    "words between files": "".join(added(f"f{n}", ["a"]) + f"words {n}\n{CONTROL}\n" for n in range(400)),
    "a header of words": "--- a/x\n+++ b/x\n" + f"{CONTROL[:80]}\n" * 9_000 + "@@ -1 +1 @@\n-a\n+b\n",
    "files": "".join(added(f"folder{n}/file", ["a"]) for n in range(5_000)),
    "hunks without lines": "--- a/x\n+++ b/x\n" + "@@ -1 +1 @@\n" * 50_000,
    "headings": "--- a/x\n+++ b/x\n" + f"@@ -1 +1 @@ {CONTROL}\n-a\n+b\n" * 500,
}


@pytest.mark.parametrize("kind", DIFFS)
def test_a_page_has_a_budget_whatever_is_sent(sign_in, alice, make_patch, kind):
    decision, client = make_patch(diff=DIFFS[kind]), sign_in(alice)
    for view in ("unified", "split"):
        answer = client.get(reverse("patch-detail", args=[decision.decision_id]), {"view": view})
        assert answer.status_code == 200
        assert len(answer.content) < MOST, (view, len(answer.content))
    assert "The whole patch as it was sent" in answer.content.decode()
