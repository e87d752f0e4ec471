"""The inbox and the page of what one is told, in a browser: the count follows, the focus stays, a phone has room."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from notifications.services.notices import News, notify

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "A patch of registry.example.org/a-very-long-team-name/ranges/sqlalchemy-1.4.0-with-mysql waits"


def told(person, one, link="/history"):
    facts = {"headline": f"{LONG} {one}", "link": link}
    news = News("decision_required", f"d:{one}", f"{one}", facts, critical=True)
    notify(news, {person.pk: "you are one of those who can decide it"}, now=timezone.now())


def test_what_is_read_leaves_the_bell_and_the_focus_stays_in_its_row(visit, alice):
    for one in range(3):
        told(alice, one)
    page = visit(alice, "/inbox")
    bell = page.locator("#bell-count")
    expect(bell).to_contain_text("3")
    row = page.locator(".inbox__row").nth(1)
    row.get_by_role("button", name="Mark read").focus()
    page.keyboard.press("Enter")
    expect(bell).to_contain_text("2")
    expect(row.get_by_role("link")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.locator(".inbox__row").nth(0).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    expect(bell).to_contain_text("1")


@pytest.mark.parametrize("path", ["/inbox", "/accounts/notifications"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_and_nothing_is_hard_to_reach(visit, alice, settings, path, scheme):
    settings.SLACK_BOT_TOKEN = "xoxb-1"
    told(alice, 1)
    page = visit(alice, path, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    found = Axe().run(page, options={"rules": {"target-size": {"enabled": True}}})
    assert found.violations_count == 0, found.generate_report()
