"""Comments at a line, sent by the composer in its row: the thread comes back, not the page."""

import pytest
from django.urls import reverse

from approvals.models import Comment

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def send(client, decision, text):
    body = {"text": text, "file": "app.py", "line": "1", "anchor": "f1-n1"}
    return client.post(reverse("patch-comment", args=[decision.decision_id]), body, headers=HTMX)


def test_the_thread_comes_back_with_what_else_shows_it(sign_in, alice, make_patch):
    decision = make_patch()
    answer = send(sign_in(alice), decision, "Why <b>this</b>?")
    body = answer.content.decode()
    assert answer.status_code == 200
    assert body.count("Why &lt;b&gt;this&lt;/b&gt;?") == 2  # at the line and in the discussion
    assert "1 comment<" in body
    assert 'id="decision"' not in body
    assert Comment.objects.get().line == 1


def test_an_empty_one_brings_the_composer_back_at_its_line(sign_in, alice, make_patch):
    decision = make_patch()
    answer = send(sign_in(alice), decision, "  ")
    body = answer.content.decode()
    assert answer.status_code == 422
    assert "Write something first." in body
    assert 'value="f1-n1"' in body
    assert not Comment.objects.exists()


def test_who_may_not_comment_reads_so_in_the_panel(sign_in, carol, make_patch):
    decision = make_patch()
    answer = send(sign_in(carol), decision, "Let me in")
    assert answer.status_code == 403
    assert answer["HX-Retarget"] == "#decision"
    assert "Your groups do not include commenting." in answer.content.decode()
    assert "Let me in" in answer.content.decode()
    assert not Comment.objects.exists()
