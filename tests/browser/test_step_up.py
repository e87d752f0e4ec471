"""Approving what asks for a password: in the panel, with a script and without one, and by a code."""

import time

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from playwright.sync_api import expect

from approvals.models import Decision, Review, Status
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = "Read every line of it."


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_the_panel_asks_at_the_field_and_keeps_what_was_typed(visit, lena, make_patch, script):
    decision = make_patch(severity="critical")
    page = visit(lena, f"/patches/{decision.decision_id}", java_script_enabled=script)
    page.locator("#decide-text").fill(WORDS)
    approve, password = page.get_by_role("button", name="Approve revision 1"), page.locator("#decide-password")
    approve.click()
    for attempt, sentence in (("not my password", "more than five minutes have passed"), (PASSWORD, "is wrong")):
        expect(page.locator("#decide-password-error")).to_contain_text(sentence)
        expect(password).to_be_focused()
        expect(password).to_have_value("")
        expect(page.locator("#decide-text")).to_have_value(WORDS)
        page.keyboard.type(attempt)
        page.keyboard.press("Enter")
    expect(page.locator("body")).to_contain_text("counts: 1 of 2")
    assert Review.objects.get().text.body == WORDS


def test_the_password_is_no_field_of_a_rejection(visit, lena, make_patch):
    decision = make_patch(severity="critical")
    page = visit(lena, f"/patches/{decision.decision_id}")
    expect(page.locator("#decide-password")).to_be_visible()
    page.keyboard.press("r")
    expect(page.locator("#decide-password")).to_be_hidden()
    page.locator("#decide-category").select_option("incomplete")
    page.locator("#decide-text").fill(WORDS)
    page.get_by_role("button", name="Reject revision 1").click()
    expect(page.locator("body")).to_contain_text("Rejected")
    assert Decision.objects.get().status == Status.REJECTED


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_code_leads_away_and_back_to_the_words(visit, lena, make_patch, script):
    decision, secret = make_patch(severity="critical"), generate_totp_secret()
    TOTP.activate(lena, secret)
    page = visit(lena, f"/patches/{decision.decision_id}", java_script_enabled=script)
    page.locator("#decide-text").fill(WORDS)
    page.get_by_role("button", name="Use an app or recovery code").click()
    expect(page.locator("input[name=code]")).to_be_focused()
    page.keyboard.type(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))
    page.keyboard.press("Enter")
    expect(page.locator("#decide-text")).to_have_value(WORDS)
    assert page.url.endswith(f"/patches/{decision.decision_id}#decision")
    expect(page.locator("#decide-password")).to_have_count(0)
    page.get_by_role("button", name="Approve revision 1").click()
    expect(page.locator("body")).to_contain_text("counts: 1 of 2")
    assert Review.objects.get().text.body == WORDS
