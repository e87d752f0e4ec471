"""The patch page stands whatever is sent and whatever breaks in reading it."""

import random
from functools import partial
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.diff.parse import parse
from approvals.models import PatchView
from approvals.views import comment_positions
from approvals.views import diff as diffs
from audit.models import Entry
from audit.types import ENTRY_TYPES
from tests.cast import Api
from tests.mutations import SAMPLES, mutated, samples

pytestmark = pytest.mark.django_db
TWO = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-c\n+d<i>\n"
EMPTY_HUNKS = {
    "combined": "diff --cc x\nindex 1111111,2222222..3333333\n--- a/x\n+++ b/x\n@@@ -1,3 -1,3 +1,4 @@@\n",
    "last": "--- a/x\n+++ b/x\n@@ -9 +9 @@\n-a\n+b\n@@ -19,3 +19,3 @@\n",
    "first": "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n@@ -9 +9 @@\n-a\n+b\n",
    "each": "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n@@ -9 +9 @@\n@@ -19,3 +19,3 @@\n",
    "omitted": "--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@\n... 3 lines left out ...\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n",
    "words": "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\nfoo\n[-old-]{+new+} text\nbar\n",
    "context": "*** a/x\n--- b/x\n***************\n*** 1,3 ****\n--- 1,4 ----\n",
}


def page(client, decision, name="patch-detail", *more, **query):
    return client.get(reverse(name, args=[decision.decision_id, *more]), query)


@pytest.mark.parametrize("place", EMPTY_HUNKS)
def test_a_hunk_without_lines_is_drawn_wherever_it_stands(sign_in, alice, make_patch, caplog, place):
    decision, client = make_patch(diff=EMPTY_HUNKS[place]), sign_in(alice)
    for layout in ("unified", "split"):
        answer = page(client, decision, view=layout)
        assert answer.status_code == 200
        assert answer.content.decode().count('class="diff__hunk"') >= EMPTY_HUNKS[place].count("\n@@")
    assert "drawn raw" not in answer.content.decode()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_file_that_cannot_be_drawn_is_shown_as_sent_and_the_others_as_ever(
    sign_in, alice, make_patch, monkeypatch, caplog
):
    drawn = diffs.file_rows

    def broken(file, **window):
        if file.path == "y":
            raise LookupError("a mistake of ours")
        return drawn(file, **window)

    monkeypatch.setattr(diffs, "file_rows", broken)
    decision, client = make_patch(diff=TWO), sign_in(alice)
    html = page(client, decision).content.decode()
    more = client.get(
        reverse("patch-file", args=[decision.decision_id, diffs.load(decision.patch).files[1].key]),
        {"from": "1"},
        headers={"HX-Request": "true"},
    )
    assert "drawn raw" in more.content.decode()
    assert html.count("drawn raw") == 1
    assert "+++ b/y\n@@ -1 +1 @@\n-c\n+d&lt;i&gt;" in html
    assert 'aria-label="Changes in x"' in html
    assert "a mistake of ours" in caplog.text


def test_a_patch_that_cannot_be_read_is_shown_as_sent(sign_in, alice, make_patch, monkeypatch, caplog):
    def broken(data):
        raise LookupError("a mistake of ours")

    decision = make_patch(diff=TWO)
    monkeypatch.setattr(comment_positions, "parse", broken)
    answer = page(sign_in(alice), decision)
    assert answer.status_code == 200
    assert "+++ b/y\n@@ -1 +1 @@\n-c\n+d&lt;i&gt;" in answer.content.decode()
    assert "Reading this patch failed" in answer.content.decode()
    assert "a mistake of ours" in caplog.text


@pytest.mark.parametrize("step", ["marks", "scope_marks", "moves", "places"])
def test_what_is_said_about_lines_may_fail_and_the_lines_stand(sign_in, alice, make_patch, monkeypatch, caplog, step):
    def broken(*facts):
        raise LookupError("a mistake of ours")

    monkeypatch.setattr(diffs, step, broken)
    html = page(sign_in(alice), make_patch(diff=TWO)).content.decode()
    assert 'aria-label="Changes in y"' in html
    assert ("not looked through" in html) == ("marks" in step)
    assert "a mistake of ours" in caplog.text


def test_a_page_that_failed_was_not_opened(sign_in, alice, make_patch, monkeypatch):
    def broken(*facts, **more):
        raise LookupError("a mistake of ours")

    decision, client = make_patch(), sign_in(alice)
    client.raise_request_exception = False
    monkeypatch.setattr(diffs, "section", broken)
    assert page(client, decision).status_code == 500
    assert not PatchView.objects.exists()


@pytest.mark.sample_data
@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data in {SAMPLES} (set HITL_SAMPLE_DATA)")
def test_the_pages_of_mutated_real_patches_are_always_there(sign_in, alice, make_patch):
    chance, client = random.Random(20261130), sign_in(alice)
    real = list(samples(8_000))
    for number in range(12):
        diff = mutated(chance.choice(real), chance)
        first = make_patch(patch_id=f"PATCH-{number}", diff=mutated(chance.choice(real), chance))
        decision = make_patch(patch_id=f"PATCH-{number}", diff=diff)
        for layout in ("unified", "split"):
            answer = page(client, decision, view=layout)
            assert answer.status_code == 200
            assert "drawn raw" not in answer.content.decode()
        for file in answer.context["diff"].files:
            assert page(client, decision, "patch-file", file.key).status_code == 200
        assert page(client, decision, "patch-compare", first.patch.revision).status_code == 200


def test_what_took_too_long_to_read_stays_so(sign_in, alice, make_patch, monkeypatch):
    """The page shows what was judged, on a machine that is faster by now too."""
    slow = partial(parse, budget_seconds=-1)
    with monkeypatch.context() as patched:
        patched.setattr("approvals.api.intake.parse", slow)
        decision = make_patch()
    page = sign_in(alice).get(reverse("patch-detail", args=[decision.decision_id])).content.decode()
    assert "Reading took too long" in page
    assert "run(query)" in page
    answer = Api(user=alice).get(f"/hitl/patches/{decision.patch.patch_id}/diff", form="canonical")
    assert (answer.status_code, "Reading took too long" in answer.json()["detail"]) == (409, True)
    said = {"comment": "Here.", "file": "app.py", "line": 1, "decision_id": str(decision.decision_id)}
    assert Api(user=alice).post(f"/hitl/patches/{decision.patch.patch_id}/comment", said).status_code == 422


@pytest.mark.parametrize("body", [b"{}", b'{"patch":null,"data":{}}'])
def test_entries_without_the_fields_of_today_are_shown_all_the_same(sign_in, lena, make_patch, body):
    decision, client = make_patch(), sign_in(lena)
    for type in ENTRY_TYPES:
        entry = Entry.objects.create(
            uuid=uuid4(),
            type=type.name,
            at=timezone.now(),
            actor_id="service:older",
            actor_kind="service",
            object_type="decision",
            object_id=str(decision.decision_id),
            body=body,
        )
        assert client.get(reverse("audit:entry", args=[entry.uuid])).status_code == 200
    assert client.get(reverse("audit:entries")).status_code == 200
    answer = page(client, decision)
    assert answer.status_code == 200
    assert "gave more time" in answer.content.decode()
