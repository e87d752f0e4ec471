"""What people typed survives what happens meanwhile: sessions that end, sign-ins elsewhere, going away and back."""

import re

import pytest
from playwright.sync_api import expect

from approvals.models import Comment, Decision, Status
from tests.browser.sessions import lose_session_when_sending
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = "Words that must survive"
STALE = """() => {
    const token = "x".repeat(64);
    document.body.setAttribute("hx-headers", JSON.stringify({"X-CSRFToken": token}));
    for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
}"""


def path_of(decision):
    return f"/patches/{decision.decision_id}"


def sign_in_again(page):
    page.wait_for_url("**/login**")
    page.get_by_label("Email or user name").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def say_at_first_line(page):
    """Open the composer at the first changed line that is in the new file."""
    page.locator(".diff tr.is-add .diff__code").first.hover()
    page.locator(".diff__add").click()
    expect(page.locator(".composer--line textarea")).to_be_focused()


def test_a_sign_in_in_another_tab_loses_no_words(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    page.locator("label:has(#mode-changes)").click()
    page.locator("#decide-text").fill(WORDS)
    page.evaluate(STALE)  # a sign-in in a second tab changes the secret; the page then holds tokens of another one
    page.locator("button.for-changes").click()
    expect(page.locator("#toasts")).to_contain_text("Nothing was sent")
    expect(page.locator("#decide-text")).to_have_value(WORDS)
    expect(page.locator("#mode-changes")).to_be_checked()
    page.locator("button.for-changes").click()
    page.wait_for_url(re.compile(r"/$"))
    assert Decision.objects.get().status == Status.CHANGES_REQUESTED


def test_a_sent_verdict_does_not_come_back(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    page.locator("#decide-text").fill(WORDS)
    page.get_by_role("button", name=re.compile("Approve revision")).first.click()
    page.wait_for_url(re.compile(r"/$"))
    page.goto(path_of(decision))
    expect(page.locator("#comment-text")).to_have_value("")


def test_a_line_comment_leaves_the_verdict_being_written(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    page.locator("label:has(#mode-reject)").click()
    page.locator("#decide-category").select_option("incomplete")
    page.locator("#decide-text").fill(WORDS)
    page.evaluate("window.same = true")
    say_at_first_line(page)
    page.keyboard.type("Why this line?")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".diff__thread")).to_contain_text("Why this line?")
    expect(page.locator(".composer--line")).to_have_count(0)
    expect(page.locator("#discussion")).to_contain_text("Why this line?")
    expect(page.locator("#discussion")).to_contain_text("1 comment")
    expect(page.locator("#decide-text")).to_have_value(WORDS)
    assert page.evaluate("window.same") is True
    assert Comment.objects.get().file == "app.py"


def test_the_other_layout_keeps_everything_typed(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    page.locator("label:has(#mode-reject)").click()
    page.locator("#decide-category").select_option("incomplete")
    page.locator("#decide-text").fill(WORDS)
    page.locator("#comment-text").fill("For everybody")
    say_at_first_line(page)
    page.keyboard.type("Half a line comment")
    page.locator("#view-split").click()
    expect(page.locator(".diff--split")).to_be_visible()
    expect(page.locator("#mode-reject")).to_be_checked()
    expect(page.locator("#decide-category")).to_have_value("incomplete")
    expect(page.locator("#decide-text")).to_have_value(WORDS)
    expect(page.locator("#comment-text")).to_have_value("For everybody")
    expect(page.locator(".composer--line textarea")).to_have_value("Half a line comment")


def test_a_line_comment_comes_back_at_its_line_after_signing_in(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    say_at_first_line(page)
    page.keyboard.type(WORDS)
    lose_session_when_sending(page, "comments")
    page.keyboard.press("Control+Enter")
    sign_in_again(page)
    expect(page.locator(".composer--line textarea")).to_have_value(WORDS)
    expect(page.locator("#comment-text")).to_have_value("")
    assert not Comment.objects.exists()


def test_an_escalation_comes_back_where_one_sees_it(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    page.keyboard.press("e")
    page.keyboard.type(WORDS)
    lose_session_when_sending(page, "escalate")
    page.keyboard.press("Control+Enter")
    sign_in_again(page)
    field = page.locator("form[action$='/escalate'] textarea")
    expect(field).to_have_value(WORDS)
    expect(field).to_be_visible()


def test_the_words_of_a_card_come_back_in_its_dialog(visit, alice, make_patch):
    make_patch(severity="low")
    page = visit(alice)
    page.get_by_role("link", name="Reject").click()
    page.locator("#card-text").fill(WORDS)
    page.locator("#card-category").select_option("incomplete")
    lose_session_when_sending(page, "decide")
    page.get_by_role("button", name=re.compile("Reject revision")).click()
    sign_in_again(page)
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("#card-text")).to_have_value(WORDS)
    expect(page.locator("#card-category")).to_have_value("incomplete")


def test_the_words_for_several_patches_come_back_with_them(visit, alice, make_patch):
    for _ in range(2):
        make_patch(severity="low")
    page = visit(alice)
    for box in page.locator(".card__check input").all():
        box.check()
    page.keyboard.press("Shift+R")
    page.locator("#bulk-text").fill(WORDS)
    page.locator("#bulk-category").select_option("incomplete")
    lose_session_when_sending(page, "bulk")
    page.get_by_role("button", name="Reject 2").click()
    sign_in_again(page)
    dialog = page.get_by_role("dialog")
    expect(page.locator("#bulk-text")).to_have_value(WORDS)
    expect(page.locator("#bulk-category")).to_have_value("incomplete")
    dialog.get_by_role("button", name="Reject 2").click()
    expect(dialog).to_contain_text("2 rejected")
    assert set(Decision.objects.values_list("status", flat=True)) == {Status.REJECTED}


def test_a_session_that_ended_elsewhere_leaves_nothing_on_the_screen_and_keeps_the_words(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    expect(page.locator("#live-word")).to_have_text("Live")
    page.locator("#decide-text").fill(WORDS)
    assert decision.patch.patch_id in page.content()
    page.evaluate("setTimeout(() => document.dispatchEvent(new Event('visibilitychange')), 500)")
    page.context.clear_cookies(name="sessionid")
    page.wait_for_url("**/login**")  # by itself: at the latest when it says that it is here, which it is not
    assert decision.patch.patch_id not in page.content()
    assert WORDS not in page.content()
    sign_in_again(page)
    expect(page.locator("#decide-text")).to_have_value(WORDS)


def test_going_back_after_a_filter_leaves_a_page_that_lives(visit, alice, make_patch):
    make_patch(severity="high")
    page = visit(alice)
    page.locator("#tab-high").click()
    page.wait_for_url("**priority=high**")
    page.go_back()
    page.wait_for_url(re.compile(r"/$"))
    expect(page.locator("#live-word")).to_have_text("Live")


def test_without_script_too_a_sign_in_in_another_tab_loses_no_words(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision), java_script_enabled=False)
    page.locator("#mode-reject").check(force=True)
    page.locator("#decide-category").select_option("incomplete")
    page.locator("#decide-text").fill(WORDS)
    secret = {
        "name": "csrftoken",
        "value": "a" * 32,
        "url": page.url.partition("/patches")[0],
    }  # what a sign-in in a second tab changes
    page.context.add_cookies([secret])
    page.get_by_role("button", name=re.compile("Reject revision")).click()
    expect(page.locator("#decision")).to_contain_text("Nothing was sent")
    expect(page.locator("#decide-text")).to_have_value(WORDS)
    expect(page.locator("#decide-category")).to_have_value("incomplete")
    assert Decision.objects.get().status == Status.PENDING
    page.get_by_role("button", name=re.compile("Reject revision")).click()
    page.wait_for_url(re.compile(r"/$"))
    assert Decision.objects.get().status == Status.REJECTED
