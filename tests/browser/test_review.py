"""What reviewers do, in a real browser: decide, be refused, lose a race, work without script."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from approvals.models import Decision, ImportedDecision, Source, Status, Verdict
from approvals.services.imported import ForeignDecision, import_decisions
from tests.cast import PASSWORD, SYSTEM
from tests.visits import hears_nothing

pytestmark = pytest.mark.django_db(transaction=True)

WIDTHS = (390, 834, 1280, 1600)


def path_of(decision):
    return f"/patches/{decision.decision_id}"


def status_of(decision):
    return Decision.objects.get(pk=decision.pk).status


def test_a_person_signs_in_and_lands_where_they_wanted(visit, alice, make_patch):
    decision = make_patch(title="Bind the name")
    page = visit(None, path_of(decision))
    page.get_by_label("Email or user name").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bind the name")


def test_an_approval_goes_on_to_the_next_patch(visit, alice, make_patch):
    first, second = make_patch(severity="high", title="First one"), make_patch(severity="medium", title="Second one")
    page = visit(alice, path_of(first))
    page.get_by_role("button", name=re.compile("Approve revision")).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Second one")
    assert status_of(first) == Status.APPROVED
    assert status_of(second) == Status.PENDING


def test_an_incomplete_rejection_keeps_the_words_and_focuses_what_is_missing(visit, alice, make_patch):
    decision = make_patch()
    page = visit(alice, path_of(decision))
    page.locator("label:has(#mode-reject)").click()
    page.locator("#decide-text").fill("The second call site is still open.")
    page.get_by_role("button", name=re.compile("Reject revision")).click()
    expect(page.locator("#decide-category")).to_be_focused()
    expect(page.locator("#decide-text")).to_have_value("The second call site is still open.")
    assert status_of(decision) == Status.PENDING
    page.locator("#decide-category").select_option("incomplete")
    page.get_by_role("button", name=re.compile("Reject revision")).click()
    expect(page).to_have_url(re.compile(r"/$"))
    assert status_of(decision) == Status.REJECTED


def test_the_loser_reads_who_decided(visit, alice, bob, make_patch, approve):
    decision = make_patch()
    page = visit(alice)
    hears_nothing(page)  # its form stays open
    page.goto(path_of(decision))
    page.locator("#decide-text").fill("Looks right to me.")
    approve(decision, bob, Verdict.REJECT)
    page.get_by_role("button", name=re.compile("Approve revision")).first.click()
    expect(page.locator("#decision")).to_contain_text("rejected by Bob")
    assert status_of(decision) == Status.REJECTED


def test_a_card_decides_in_a_dialog(visit, alice, make_patch):
    decision = make_patch(severity="low", title="Small one")
    page = visit(alice)
    page.get_by_role("link", name="Approve").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(decision.patch.sha256[:8])
    dialog.get_by_role("button", name=re.compile("Approve")).click()
    expect(page.get_by_text("Approved:")).to_be_visible()
    assert status_of(decision) == Status.APPROVED


def test_without_script_a_patch_can_be_read_rejected_and_found_again(visit, alice, make_patch):
    decision = make_patch(title="Plain one")
    page = visit(alice, java_script_enabled=False)
    page.get_by_role("link", name="Plain one").click()
    expect(page.locator("#diff")).to_contain_text("select %s")
    page.locator("#mode-reject").check(force=True)
    page.locator("#decide-category").select_option("breaks_behaviour")
    page.locator("#decide-text").fill("The caller passes a list.")
    page.get_by_role("button", name=re.compile("Reject revision")).click()
    expect(page).to_have_url(re.compile(r"/$"))
    assert status_of(decision) == Status.REJECTED
    page.get_by_role("link", name="History").first.click()
    expect(page.get_by_role("main")).to_contain_text("Plain one")


def test_hostile_text_stays_text(visit, alice, make_patch):
    diff = "--- a/x.js\n+++ b/x.js\n@@ -1 +1 @@\n-a\n+<img src=x onerror=document.title='owned'>\u202e\n"
    decision = make_patch(title="<b>bold</b><script>document.title='owned'</script>", diff=diff)
    page = visit(alice, path_of(decision))
    expect(page.locator("#diff")).to_contain_text("<img src=x onerror=")
    expect(page.locator("#diff .ctl").first).to_contain_text("U+202E")
    assert "owned" not in page.evaluate("document.title").replace("document.title='owned'", "")
    assert page.locator("h1 b").count() == 0


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(visit, lena, make_patch, approve, scheme):
    approve(make_patch(title="Decided one"), lena)
    decision = make_patch(
        severity="critical",
        ml_prediction={"confidence": 0.9, "prediction": True, "base_value": 0.5, "shap_values": {"lines": 0.4}},
    )
    make_patch(severity="low")
    record = json.dumps({"row": {"reason": "x" * 300}, "history": [{"details": {"comment": "Fine."}}]})
    foreign = ForeignDecision(
        Source.REFERENCE_API, "d" * 255, Status.REJECTED, timezone.now(), "ada", "shop 1 to 2", ["d" * 255], record
    )
    import_decisions([foreign], actor=SYSTEM, now=timezone.now())
    imported = ImportedDecision.objects.get().pk
    page = visit(lena, color_scheme=scheme)
    paths = ["/", path_of(decision), "/history", "/analytics", "/audit/entries", f"{path_of(decision)}/reject"]
    paths += ["/history/imported", f"/history/imported/{imported}"]
    for path in paths:
        page.goto(path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} scrolls sideways at {width} by {wide}"
        results = Axe().run(page)
        assert results.violations_count == 0, f"{path}: {results.generate_report()}"
