"""Open pages while others work: locked forms, counts that agree, who looks at what, addresses of lines."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from approvals.models import Comment, Verdict
from approvals.services.dispatch import dispatch
from approvals.services.workbench import be_present
from tests.cast import DIFF
from tests.visits import hears_nothing

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = "Half a sentence"


def path_of(decision):
    return f"/patches/{decision.decision_id}"


def live(page):
    expect(page.locator("#live-word")).to_have_text("Live")


def test_a_form_locks_with_its_words_when_somebody_else_decides(visit, alice, bob, make_patch, approve):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    live(page)
    page.locator("label:has(#mode-reject)").click()
    page.locator("#decide-text").fill(WORDS)
    approve(decision, bob)
    dispatch()
    panel = page.locator("#decision")
    expect(panel).to_contain_text("This can no longer be sent")
    expect(panel).not_to_contain_text("Waiting for you")
    expect(panel.get_by_role("link", name="Show the outcome")).to_be_visible()
    expect(panel.get_by_role("button", name=re.compile("Reject revision"))).to_be_disabled()
    expect(page.locator("#decide-text")).to_have_value(WORDS)
    expect(page.locator("#decide-text")).to_be_focused()


@pytest.mark.parametrize("kind", ["patch", "gate"])
def test_the_head_and_the_phones_bar_say_the_outcome_too(visit, alice, bob, make_patch, make_gate, approve, kind):
    decision, after = make_gate() if kind == "gate" else make_patch(severity="high"), make_patch()
    page = visit(alice, path_of(decision), viewport={"width": 390, "height": 844})
    live(page)
    bar = page.locator(".actionbar")
    expect(bar.get_by_role("link", name="Approve")).to_be_visible()
    approve(decision, bob, Verdict.REJECT)
    dispatch()
    expect(page.locator(".patchhead")).to_contain_text("Rejected")
    expect(bar.get_by_role("link", name="Approve")).to_have_count(0)
    expect(bar.get_by_role("link", name="Next in queue")).to_have_attribute("href", path_of(after))


def test_a_lost_race_shows_in_the_head_too(visit, alice, bob, make_patch, approve):
    decision = make_patch()
    page = visit(alice)
    hears_nothing(page)
    page.goto(path_of(decision))
    approve(decision, bob, Verdict.REJECT)
    page.get_by_role("button", name=re.compile("Approve revision")).first.click()
    expect(page.locator("#decision")).to_contain_text("rejected by Bob")
    expect(page.locator(".patchhead")).to_contain_text("Rejected")
    expect(page.locator("#patch-status")).to_have_count(1)


def test_a_replaced_revision_offers_the_new_one(visit, alice, make_patch):
    decision = make_patch(patch_id="P-1")
    page = visit(alice, path_of(decision))
    live(page)
    page.keyboard.press("e")
    page.keyboard.type(WORDS)
    make_patch(patch_id="P-1", diff=DIFF.replace("select", "update"))
    dispatch()
    expect(page.locator("#decision").get_by_role("link", name="Open revision 2").first).to_be_visible()
    expect(page.locator("#live-notice").get_by_role("link", name="Open revision 2")).to_be_visible()
    expect(page.locator("form[action$='/escalate'] textarea")).to_have_value(WORDS)
    expect(page.get_by_role("button", name="Escalate")).to_be_disabled()


def test_nothing_is_called_typed_that_nobody_typed(visit, lena, make_patch):
    page = visit(lena, path_of(make_patch(patch_id="P-1")))  # a lead has a form whose fields have values from the start
    live(page)
    make_patch(patch_id="P-1", diff=DIFF.replace("select", "update"))
    dispatch()
    expect(page.locator("#live-notice")).to_contain_text("A new revision took the place of this one.")
    expect(page.locator("#live-kept")).to_be_hidden()
    expect(page.locator("#decision form[action$='/extend']")).to_have_count(0)


def test_a_second_approval_shows_while_one_writes(visit, alice, bob, make_patch, approve):
    decision = make_patch(severity="critical")
    page = visit(alice, path_of(decision))
    live(page)
    page.locator("#decide-text").fill(WORDS)
    approve(decision, bob)
    dispatch()
    expect(page.locator("#decision")).to_contain_text("1 of 2")
    expect(page.locator("#decide-text")).to_have_value(WORDS)
    expect(page.locator("#decide-text")).to_be_focused()


def test_all_counts_of_the_queue_agree(visit, alice, bob, make_patch, approve):
    gone = make_patch(severity="high")
    make_patch()
    page = visit(alice)
    live(page)
    approve(gone, bob, Verdict.REJECT)
    dispatch()
    for place in ("#pending-count", "#waiting", "#kpi-pending", "#count-all", "#queue-total"):
        expect(page.locator(place)).to_have_text(re.compile(r"^\s*1\b"))


def test_a_card_shows_who_opened_its_patch(visit, alice, bob, make_patch):
    decision = make_patch()
    page = visit(alice)
    live(page)
    be_present(decision.patch, bob, timezone.now())
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".card .presence")).to_contain_text("Bob")


def test_an_address_of_a_line_not_loaded_yet_marks_the_line(visit, alice, make_patch):
    lines = "".join(f"+line {number}\n" for number in range(1, 1001))
    decision = make_patch(diff=f"--- /dev/null\n+++ b/long.py\n@@ -0,0 +1,1000 @@\n{lines}")
    page = visit(alice, path_of(decision))
    key = page.locator(".dfile").get_attribute("id")
    page.goto("/history")
    page.goto(f"{path_of(decision)}#{key}-n900")
    row = page.locator(f"#{key}-n900")
    expect(row).to_be_in_viewport(timeout=20_000)  # three loads one after the other
    assert row.evaluate("row => row.matches(':target')")


@pytest.mark.parametrize("view", ["unified", "split"])
def test_a_deleted_line_can_be_commented(visit, alice, make_patch, view):
    decision = make_patch()
    page = visit(alice, f"{path_of(decision)}?view={view}")
    page.locator(".diff .is-del.diff__code, .diff .is-del > .diff__code").first.hover()
    page.get_by_role("button", name="Comment on deleted line 1").click()
    expect(page.get_by_role("textbox", name="Comment on deleted line 1")).to_be_focused()
    page.keyboard.type("Why was it there?")
    page.locator(".composer--line").get_by_role("button", name="Comment").click()
    expect(page.get_by_role("group", name="Comments on old line 1")).to_contain_text("Why was it there?")
    said = Comment.objects.get()
    assert (said.file, said.side, said.line) == ("app.py", "old", 1)
    page.reload()
    expect(page.get_by_role("group", name="Comments on old line 1")).to_contain_text("Why was it there?")


def test_a_file_that_goes_takes_comments_by_key(visit, alice, make_patch):
    decision = make_patch(diff="--- a/app.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-import os\n")
    page = visit(alice, path_of(decision))
    page.locator(".dfile__body > summary").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("c")
    page.keyboard.type("Who needs it?")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("group", name="Comments on old line 1")).to_contain_text("Who needs it?")
    expect(page.locator("tr[id$=-o1]")).to_be_focused()


@pytest.mark.parametrize("view", ["unified", "split"])
def test_without_script_each_line_has_a_link_to_a_form(visit, alice, make_patch, view):
    decision = make_patch()
    page = visit(alice, f"{path_of(decision)}?view={view}", java_script_enabled=False)
    page.get_by_role("link", name="Comment on deleted line 1").click()
    page.get_by_role("textbox", name="Comment on deleted line 1").fill("Why was it there?")
    page.locator(".composer--line").get_by_role("button", name="Comment").click()
    expect(page.get_by_role("group", name="Comments on old line 1")).to_contain_text("Why was it there?")
    page.get_by_role("link", name="Comment on line 2").click()
    page.locator(".composer--line").get_by_role("link", name="Cancel").click()
    expect(page.locator(".composer--line")).to_have_count(0)


def test_slash_on_a_patch_leads_to_the_search(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    page.keyboard.press("/")
    page.wait_for_url(re.compile(r"/$"))
    expect(page.locator("#id_q")).to_be_focused()


def test_after_bulk_the_focus_is_where_one_sees_it(visit, alice, make_patch):
    decision, _ = make_patch(severity="low", title="Fine"), make_patch(title="Stays")
    page = visit(alice)
    page.locator(f"#decision-{decision.decision_id} input[type=checkbox]").check()
    page.keyboard.press("Shift+A")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Approve")).last.click()
    page.get_by_role("button", name="Back to the queue").click()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator("#pending")).not_to_be_focused()
    expect(page.locator(".card")).to_be_focused()


def test_axe_finds_nothing_at_long_lines_and_small_targets(visit, alice, make_patch):
    lines = "".join(f"+line {number} {'long ' * 60}\n" for number in range(1, 20))
    second = "--- a/b.py\n+++ b/b.py\n@@ -1 +1 @@\n-a\n+b\n"
    decision = make_patch(diff=f"--- /dev/null\n+++ b/long.py\n@@ -0,0 +1,19 @@\n{lines}{second}")
    page = visit(alice, path_of(decision))
    page.locator(".dfile__viewed input").last.check()
    for view in ("unified", "split"):
        page.goto(f"{path_of(decision)}?view={view}")
        for width in (390, 834, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            found = Axe().run(page, options={"rules": {"target-size": {"enabled": True}}})
            assert found.violations_count == 0, f"{view} at {width}: {found.generate_report()}"
