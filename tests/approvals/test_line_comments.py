"""Comments at a line, sent by the composer in its row: the thread comes back, not the page."""

import re

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from approvals.models import Comment, Text
from tests.html import one_line

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def send(client, decision, text):
    body = {"text": text, "file": "app.py", "line": "1", "anchor": "f1-n1"}
    return client.post(reverse("patch-comment", args=[decision.decision_id]), body, headers=HTMX)


def test_the_thread_comes_back_with_what_else_shows_it(sign_in, alice, make_patch):
    decision = make_patch()
    answer = send(sign_in(alice), decision, "Why <b>this</b>?")
    body = one_line(answer)
    assert answer.status_code == 200
    assert body.count("Why &lt;b&gt;this&lt;/b&gt;?") == 2  # at the line and in the discussion
    assert "1 comment<" in body
    assert 'id="decision"' not in body
    assert Comment.objects.get().line == 1


def test_an_empty_one_brings_the_composer_back_at_its_line(sign_in, alice, make_patch):
    decision = make_patch()
    answer = send(sign_in(alice), decision, "  ")
    body = one_line(answer)
    assert answer.status_code == 422
    assert "Write something first." in body
    assert 'value="f1-n1"' in body
    assert not Comment.objects.exists()


def test_who_may_not_comment_reads_so_in_the_panel(sign_in, carol, make_patch):
    decision = make_patch()
    answer = send(sign_in(carol), decision, "Let me in")
    assert answer.status_code == 403
    assert answer["HX-Retarget"] == "#decision"
    assert "Your groups do not include commenting." in one_line(answer)
    assert "Let me in" in one_line(answer)
    assert not Comment.objects.exists()


# Lines of the old file

GONE = "--- a/app.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-import os\n-os.system(name)\n"


def say(client, decision, text, line, side):
    body = {"text": text, "file": "app.py", "line": str(line), "side": side, "anchor": f"f1-{side[0]}{line}"}
    return client.post(reverse("patch-comment", args=[decision.decision_id]), body)


def page(client, decision, **query):
    return one_line(client.get(reverse("patch-detail", args=[decision.decision_id]), query))


@pytest.mark.parametrize("view", ["unified", "split"])
def test_a_deleted_line_and_the_new_one_beside_it_have_threads_of_their_own(sign_in, alice, make_patch, view):
    decision, client = make_patch(), sign_in(alice)
    assert say(client, decision, "Why was it there?", 1, "old")["Location"].endswith("#f1-o1")
    say(client, decision, "Is this bound?", 1, "new")
    text = page(client, decision, view=view)
    assert text.count("Why was it there?") == text.count("Is this bound?") == 2
    assert text.index("Comments on old line 1") < text.index("Comments on line 1")
    assert "app.py old line 1" in text
    assert "outdated" not in text


def test_a_fully_deleted_file_takes_comments(sign_in, alice, make_patch):
    decision, client = make_patch(diff=GONE), sign_in(alice)
    say(client, decision, "Who called it?", 2, "old")
    assert "Comments on old line 2" in page(client, decision)
    assert say(client, decision, "No such line.", 2, "new").status_code == 422


def test_a_comment_on_a_deleted_line_follows_it_into_the_next_revision_or_is_outdated(sign_in, alice, make_patch):
    client = sign_in(alice)
    first = make_patch(patch_id="PATCH-X", diff=GONE)
    say(client, first, "Drop this too.", 2, "old")
    say(client, first, "Needed elsewhere.", 1, "old")
    moved = "--- a/app.py\n+++ b/app.py\n@@ -4,2 +4 @@\n-os.system(name)\n+run(name)\n import os2\n"
    text = page(client, make_patch(patch_id="PATCH-X", diff=moved))
    assert "Comments on old line 4" in text
    assert text.count("Drop this too.") == 2
    assert text.count("Needed elsewhere.") == text.count(">outdated<") == 1


@pytest.mark.parametrize("view", ["unified", "split"])
def test_without_a_script_every_line_leads_to_a_form_below_it(sign_in, alice, carol, make_patch, view):
    decision, client = make_patch(), sign_in(alice)
    text = page(client, decision, view=view)
    [deleted] = re.findall(r'href="\?at=(\S+-o1)" aria-label="Comment on deleted line 1"', text)
    assert re.findall(r'aria-label="(Comment on line \d)"', text) == ["Comment on line 1", "Comment on line 2"]
    assert text.count('id="' + deleted + '"') == 1
    asked = page(client, decision, view=view, at=deleted)
    form = asked[asked.index("> Comment on deleted line 1 <") - 1200 : asked.index("> Comment on deleted line 1 <")]
    for name, value in [("file", "app.py"), ("line", "1"), ("side", "old"), ("anchor", deleted)]:
        assert f'name="{name}" value="{value}"' in form
    assert "?at=" not in page(sign_in(carol), decision)
    assert "> Comment on deleted line" not in page(sign_in(carol), decision, at=deleted)


def test_more_lines_of_a_long_file_lead_back_to_the_same_lines(sign_in, alice, make_patch):
    lines = "".join(f"-line {number}\n" for number in range(1, 901))
    decision, client = make_patch(diff=f"--- a/long.py\n+++ /dev/null\n@@ -1,900 +0,0 @@\n{lines}"), sign_in(alice)
    [address] = set(re.findall(r'href="(/patches/\S+/files/[^"?]+)"', page(client, decision)))
    key = address.rpartition("/")[2]
    text = one_line(client.get(address, {"from": "800"}))
    assert f'href="?from=800&amp;at={key}-o900"' in text
    assert "> Comment on deleted line 900 <" in one_line(client.get(address, {"from": "800", "at": f"{key}-o900"}))


def test_words_refused_keep_their_place(sign_in, alice, make_patch):
    decision, client = make_patch(), sign_in(alice)
    answer = one_line(say(client, decision, " ", 1, "old"))
    assert "<option selected>app.py</option>" in answer
    assert 'name="line" min="1" inputmode="numeric" value="1"' in answer
    assert '<option value="old" selected>' in answer


def test_the_database_knows_two_sides(alice, make_patch):
    text = Text.objects.create(body="Where?")
    with pytest.raises(IntegrityError, match="comment_side"), transaction.atomic():
        Comment.objects.create(
            decision=make_patch(), author=alice, text=text, line=1, side="mid", created_at=timezone.now()
        )
