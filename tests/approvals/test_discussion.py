"""A long discussion: a patch takes a number of comments, a page shows the newest, and the others are a link away."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import MOST_COMMENTS, Comment, Text
from tests import heavy
from tests.html import one_line

pytestmark = pytest.mark.django_db


def say(decision, author, bodies):
    texts = Text.objects.bulk_create([Text(body=body) for body in bodies])
    Comment.objects.bulk_create(
        Comment(decision=decision, author=author, author_label="alice", text=text, created_at=timezone.now())
        for text in texts
    )


def page(client, decision, address=""):
    return client.get(address or reverse("patch-detail", args=[decision.decision_id]))


def test_a_patch_takes_a_thousand_comments(api_of, sign_in, make_patch, alice):
    decision = make_patch()
    say(decision, alice, ["said"] * (MOST_COMMENTS - 1))
    body = {"decision_id": str(decision.decision_id), "comment": "One more."}
    assert api_of(alice).post(f"/hitl/patches/{decision.patch.patch_id}/comment", body).status_code == 201
    refused = api_of(alice).post(f"/hitl/patches/{decision.patch.patch_id}/comment", body)
    assert refused.status_code == 422
    assert "1,000 comments" in refused.json()["detail"]
    asked = sign_in(alice).post(reverse("patch-comment", args=[decision.decision_id]), {"text": "One more."})
    assert asked.status_code == 422
    assert "1,000 comments" in one_line(asked)
    assert Comment.objects.filter(decision=decision).count() == MOST_COMMENTS


def test_words_beside_a_rejection_always_have_room(api_of, make_patch, alice):
    decision = make_patch()
    say(decision, alice, ["said"] * MOST_COMMENTS)
    body = {
        "decision_id": str(decision.decision_id),
        "patch_sha256": decision.patch.sha256,
        "reason": "No.",
        "category": "breaks_behaviour",
        "comment": "It is the wrong function.",
    }
    answer = api_of(alice).post(f"/hitl/patches/{decision.patch.patch_id}/reject", body)
    assert (answer.status_code, answer.json()["comment"]) == (200, "It is the wrong function.")


def test_a_page_shows_the_newest_and_links_to_the_others(sign_in, make_patch, alice):
    first = make_patch(patch_id="PATCH-X")
    say(first, alice, [f"said {number:03}." for number in range(1, 151)])
    decision = make_patch(patch_id="PATCH-X", title="Another")
    say(decision, alice, [f"said {number:03}." for number in range(151, 181)])
    client, address, seen = sign_in(alice), "", []
    while address is not None:
        text = one_line(page(client, decision, address))
        shown = re.findall(r"said (\d{3})\.", text)
        assert shown == sorted(shown), "oldest first"
        seen = shown + seen
        assert ("the newest</a>" in text) is bool(address)
        older = re.search(r'href="([^"]+before=\d+)#discussion">older ones', text)
        address = older and older[1].replace("&amp;", "&")
    assert len(shown) == 80
    assert seen == [f"{number:03}" for number in range(1, 181)], "each once"
    assert (
        page(client, decision, f"{reverse('patch-detail', args=[decision.decision_id])}?before=none").status_code == 200
    )


@pytest.mark.parametrize("word", ["http://e.example/ ", "\u202e", "<>&", "word "])
def test_a_page_has_its_budget_whatever_was_said(sign_in, make_patch, alice, word):
    decision, client = make_patch(), sign_in(alice)
    say(decision, alice, [(word * 10_000)[:10_000]] * 110)
    answer = page(client, decision)
    assert len(answer.content) < heavy.MOST_HTML
    assert answer.content.count(b"comment__body") >= 1
    refused = client.post(
        reverse("patch-decide", args=[decision.decision_id]),
        {"verdict": "approve", "patch_sha256": "0" * 64, "displayed": "page"},
    )
    assert refused.status_code == 409
    assert len(refused.content) < heavy.MOST_HTML
