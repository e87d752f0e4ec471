"""A real browser on a running server: signed-in pages, and every violation of the content security policy an error."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from approvals.live import listener
from approvals.models import User

# As long as a busy machine may take, and less than the 15 s after which a page that hears nothing asks by itself.
expect.set_options(timeout=14_000)
REFRESHES = re.compile(r"/(events|panel|presence|cards|counts|bell)(\?|$)")


def hears_nothing(page: Page) -> None:
    """Keep from a page what it fetches by itself, now and after it is left: nothing changes but by what one does."""
    page.context.route(REFRESHES, lambda route: route.abort())


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Collect what the browser's console says of policy and script; a test that leaves any fails."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def visit(browser: Browser, live_server: Any, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Return a function that gives a page signed in as that person, with the context's options as keywords."""
    contexts: list[BrowserContext] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def make(user: User | None = None, path: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        if user:
            client = Client()  # one for two people would end the first one's session
            client.force_login(user)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield make
    for context in contexts:
        context.close()
    listener.stop()  # its connection would keep the test database from being dropped
