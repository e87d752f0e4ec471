"""Workflow gates in a real browser: decided with and without script, readable at every width, hostile text is text."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from approvals.models import Decision, Status

pytestmark = pytest.mark.django_db(transaction=True)

WIDTHS = (390, 834, 1280)
LONG = "w" * 255


def status_of(decision):
    return Decision.objects.get(pk=decision.pk).status


def test_a_gate_is_approved_on_its_page_and_the_next_item_follows(visit, alice, make_gate):
    first, second = make_gate(title="First gate"), make_gate(title="Second gate")
    page = visit(alice, f"/patches/{first.decision_id}")
    for key in "[]vs":
        page.keyboard.press(key)  # the keys of a diff have nothing to do here, and do nothing
    page.get_by_role("button", name=re.compile("Approve revision")).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Second gate")
    assert (status_of(first), status_of(second)) == (Status.APPROVED, Status.PENDING)


def test_a_gate_is_rejected_without_script(visit, alice, make_gate):
    decision = make_gate()
    page = visit(alice, "/?kind=gate", java_script_enabled=False)
    page.get_by_role("link", name="Deploy to production").click()
    page.locator("label:has(#mode-reject)").click()
    page.locator("#decide-category").select_option("other")
    page.locator("#decide-text").fill("Not on a Friday.")
    page.get_by_role("button", name=re.compile("Reject revision")).click()
    expect(page).to_have_url(re.compile(r"/\?kind=gate$|/$"))
    assert status_of(decision) == Status.REJECTED


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(visit, alice, make_gate, approve, scheme):
    approve(make_gate(title=LONG, workflow_id=LONG), alice)
    decision = make_gate(
        title="<b>bold</b>",
        description="https://ci.example.org/" + "x" * 300,
        workflow_id=LONG,
        job_id=LONG,
        context={LONG: LONG, "plan": {"create": [1, 2]}, "canary": True},
        metadata={"team": "shop"},
        allowed_approvers=["alice", LONG],
        auto_approve_conditions=[{"field": "config.env", "operator": "eq", "value": "dev"}],
    )
    page = visit(alice, color_scheme=scheme)
    for path in ("/", f"/patches/{decision.decision_id}", "/history"):
        page.goto(path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} scrolls sideways at {width} by {wide}"
        results = Axe().run(page)
        assert results.violations_count == 0, f"{path}: {results.generate_report()}"
    assert page.locator("h1 b").count() == 0
