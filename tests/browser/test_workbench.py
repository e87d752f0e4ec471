"""The workbench in a real browser: keyboard only, two people at once, bulk, and a session that ends meanwhile."""

import re

import pytest
from playwright.sync_api import expect

from approvals.models import Comment, Decision, Status, Verdict
from approvals.services.dispatch import dispatch
from tests.browser.sessions import lose_session_when_sending
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def status_of(decision):
    return Decision.objects.get(pk=decision.pk).status


def live(page):
    """Wait until the page hears the event stream."""
    expect(page.locator("#live-word")).to_have_text("Live")


def test_a_whole_review_by_keyboard_alone(visit, alice, make_patch):
    first = make_patch(severity="high", title="First one")
    second = make_patch(severity="medium", title="Second one")
    page = visit(alice)
    keys = page.keyboard
    keys.press("j")
    keys.press("Enter")
    page.wait_for_url(f"**/patches/{first.decision_id}")
    keys.press("a")
    expect(page.locator("#decide-text")).to_be_focused()
    keys.type("Checked jkxra by hand.")  # letters in a field are letters
    keys.press("Control+Enter")
    page.wait_for_url(f"**/patches/{second.decision_id}")
    assert status_of(first) == Status.APPROVED
    keys.press("r")
    expect(page.locator("#decide-category")).to_be_focused()
    keys.press("ArrowDown")
    keys.press("Tab")
    keys.type("It misses a call site.")
    keys.press("Control+Enter")
    page.wait_for_url(re.compile(r"/$"))
    assert status_of(second) == Status.REJECTED


def test_single_keys_do_nothing_once_switched_off(visit, alice, make_patch):
    alice.single_keys = False
    alice.save(update_fields=["single_keys"])
    decision = make_patch()
    page = visit(alice, f"/patches/{decision.decision_id}")
    page.keyboard.press("a")
    expect(page.locator("#decide-text")).not_to_be_focused()


def test_the_shortcut_sheet_opens_and_closes(visit, alice, make_patch):
    make_patch()
    page = visit(alice)
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#shortcuts")).not_to_be_visible()


def test_what_others_decide_leaves_the_queue_by_itself(visit, alice, bob, make_patch, approve):
    gone, stays = make_patch(title="Gone soon"), make_patch(title="Stays here")
    page = visit(alice)
    live(page)
    approve(gone, bob)
    dispatch()
    expect(page.locator(f"#decision-{gone.decision_id}")).to_have_count(0)
    expect(page.locator(f"#decision-{stays.decision_id}")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("Bob")


def test_arrivals_wait_behind_a_pill(visit, alice, make_patch):
    make_patch(title="Here first")
    page = visit(alice)
    live(page)
    late = make_patch(severity="critical", title="Came late")
    dispatch()
    expect(page.locator("#newpill")).to_contain_text("1 new patch")
    expect(page.locator(f"#decision-{late.decision_id}")).to_have_count(0)  # nothing moves under the reader
    page.locator("#newpill").click()
    expect(page.locator(f"#decision-{late.decision_id}")).to_be_visible()


def test_an_open_page_hears_of_the_decision_and_keeps_the_words(visit, alice, bob, make_patch, approve):
    decision = make_patch()
    page = visit(alice, f"/patches/{decision.decision_id}")
    live(page)
    page.locator("#decide-text").fill("Half a sentence")
    approve(decision, bob, Verdict.REJECT)
    dispatch()
    expect(page.locator("#live-notice")).to_contain_text(re.compile("rejected", re.I))
    expect(page.locator("#decide-text")).to_have_value("Half a sentence")


def test_bulk_says_what_became_of_each(visit, alice, bob, make_patch, approve):
    fine, lost = make_patch(severity="low", title="Fine"), make_patch(severity="low", title="Lost")
    page = visit(alice)
    for decision in (fine, lost):
        page.locator(f"#decision-{decision.decision_id} input[type=checkbox]").check()
    page.keyboard.press("Shift+A")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Approve 2")
    approve(lost, bob, Verdict.REJECT)
    dialog.get_by_role("button", name=re.compile("Approve")).last.click()
    expect(page.get_by_role("main").or_(dialog).first).to_be_visible()
    expect(page.locator("body")).to_contain_text(re.compile("Rejected by bob", re.I))
    assert (status_of(fine), status_of(lost)) == (Status.APPROVED, Status.REJECTED)


def test_a_session_that_ends_meanwhile_loses_no_typed_text(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, f"/patches/{decision.decision_id}")
    page.locator("label:has(#mode-changes)").click()
    page.locator("#decide-text").fill("Words that must survive")
    lose_session_when_sending(page, "decide")
    page.locator("button.for-changes").click()
    page.wait_for_url("**/login**")
    page.get_by_label("Email or user name").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#decide-text")).to_have_value("Words that must survive")
    assert status_of(decision) == Status.PENDING


def test_a_line_is_commented_where_it_stands(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, f"/patches/{decision.decision_id}")
    page.keyboard.press("]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("c")
    page.keyboard.type("Why this line?")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".diff__thread")).to_contain_text("Why this line?")
    assert Comment.objects.get().file == "app.py"
