"""A security lead's first day, by the pages alone: write a policy, watch it, enforce it, stop it, ask two groups for
what is critical, go on leave, and read on its page why each decision fell as it did."""

import re
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Page, expect

from approvals.models import Decision, Status
from tests.cast import trust

pytestmark = pytest.mark.django_db(transaction=True)

SURE = {
    "severity": "medium",
    "risk_level": "low",
    "ecosystem": "npm",
    "vulnerable_locations": [{"file": "app.py"}],
    "ml_prediction": {"confidence": 0.98, "prediction": True},
    "wargaming_result": {"phase1_success": True, "phase2_success": True, "validation_passed": True},
}


@pytest.fixture
def luis(bob):
    """A second lead."""
    bob.groups.set(Group.objects.filter(name="security-leads"))
    return bob


def add_condition(page: Page, fact: str, operator: str, value: str) -> None:
    page.get_by_label("Fact").select_option(fact)
    page.get_by_label("Operator").select_option(label=operator)
    page.get_by_label("Value").fill(value)
    page.get_by_role("button", name="Add", exact=True).click()


def change(page: Page, policy: str) -> None:
    page.goto("/policies")
    page.get_by_role("link", name=policy).click()
    page.get_by_role("link", name="Change it").click()


def publish(page: Page, why: str) -> None:
    page.get_by_label("Reason").fill(why)
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("policy")


def agree(page: Page) -> None:
    page.goto("/policies")
    page.get_by_role("button", name="Agree, and make it so").click()
    expect(page.get_by_role("button", name="Agree, and make it so")).to_have_count(0)


def status_of(*decisions: Decision) -> list[str]:
    return [Decision.objects.get(pk=decision.pk).status for decision in decisions]


def test_from_the_first_policy_to_leave(visit, lena, luis, alice, producer, make_patch, settings):
    settings.EMBEDDED = True  # beside accounts of its own a database of somebody else's gets no demo
    call_command("load_demo", stdout=StringIO())
    trust(producer)
    page, second = visit(lena, "/policies"), visit(luis, "/policies")

    page.get_by_role("link", name="New policy").click()
    add_condition(page, "ecosystem", "equals", "npm")
    add_condition(page, "severity", "is one of", "low, medium")
    add_condition(page, "confidence", "is at least", "0.97")
    page.get_by_role("textbox", name="Name").fill("npm-sure")
    page.get_by_role("button", name="Try on history").click()
    expect(page.get_by_role("region", name="What it would have done")).to_contain_text("Of the last")
    publish(page, "Routine updates of npm packages.")
    agree(second)
    watched = make_patch(**SURE)
    why = page.locator("#evidence")
    page.goto(f"/patches/{watched.decision_id}")
    expect(why).to_contain_text("npm-sure, version 1")
    expect(why).to_contain_text("1 of 19 conditions for automatic approval is not met")  # it only watches

    change(page, "npm-sure")
    page.get_by_label("Mode", exact=True).select_option("enforce")
    publish(page, "A week in shadow mode, nothing to complain of.")
    agree(second)
    passed = make_patch(**SURE)
    page.goto(f"/patches/{passed.decision_id}")
    expect(page.locator("#decision")).to_contain_text("Auto-approved")
    expect(why).to_contain_text("npm-sure, version 2")

    page.goto("/policies")
    page.get_by_label("Why").fill("The model approved what it should not.")
    page.get_by_role("button", name="Stop automatic approval").click()
    expect(page.get_by_role("button", name="Stop automatic approval")).to_have_count(0)
    stopped = make_patch(**SURE)
    assert status_of(watched, passed, stopped) == [Status.PENDING, Status.AUTO_APPROVED, Status.PENDING]

    change(page, "critical-two-person")
    page.get_by_role("group", name="At least one from each of").get_by_label("reviewer").check()
    publish(page, "")
    page.goto(f"/patches/{make_patch(severity='critical').decision_id}")
    expect(page.locator("#decision")).to_contain_text("one from reviewer and one from security-leads")

    page.goto("/accounts/absence")
    page.get_by_label("Who").select_option(label="Alice")
    page.get_by_label("From").fill(f"{timezone.now():%Y-%m-%d}")
    page.get_by_label("Until").fill(f"{timezone.now():%Y-%m-%d}")
    page.get_by_label("Why").fill("A day off.")
    page.get_by_role("button", name="Ask them to stand in").click()
    expect(page.get_by_role("heading", name="Who stands in for you")).to_be_visible()
    delegate = visit(alice, f"/patches/{stopped.decision_id}")
    expect(delegate.locator("#evidence")).to_contain_text("stopped by Lena")
    delegate.get_by_label("In whose name").select_option(label="Lena, who is away")
    delegate.get_by_role("button", name="Approve revision 1").click()
    expect(delegate).not_to_have_url(re.compile(str(stopped.decision_id)))
    page.goto(f"/patches/{stopped.decision_id}")
    expect(page.locator("#decision")).to_contain_text("Alice for Lena")
