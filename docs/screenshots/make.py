"""Take the pictures of pages and states from a running product: `python docs/screenshots/make.py URL USER PASSWORD`.

USER is a lead of the demo, who sees every page. The pages are set in Inter and JetBrains Mono where the machine has
them (Debian: fonts-inter, fonts-jetbrains-mono); the pictures are made smaller where it has pngquant.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
WIDTHS = (390, 834, 1280, 1600)
THEMES = ("dark", "light")
CHROMIUM = "/usr/bin/chromium"


def sign_in(page: Page, user: str, password: str) -> None:
    page.goto("/accounts/login")
    page.get_by_label("Email or user name").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


def paths(page: Page) -> dict[str, str]:
    """Return each page's name and address; the patch shown is the first of the queue, the gate its first gate."""
    first = page.locator(".card__title a").first.get_attribute("href") or "/"
    page.goto("/?kind=gate")
    gate = page.locator(".card__title a").first.get_attribute("href") or "/"
    page.goto("/policies")
    policy = page.locator("a.row-link").first.get_attribute("href") or "/"
    return {
        "queue": "/",
        "patch": first,
        "patch-split": f"{first}?view=split",
        "history": "/history",
        "deployments": "/deployments?show=reported",
        "analytics": "/analytics?days=90",
        "audit": "/audit/entries",
        "gate": gate,
        "policies": "/policies",
        "policy": policy,
        "policy-edit": f"{policy}/edit",
        "bypasses": "/bypasses",
        "revoke": "/revoke",
        "absence": "/accounts/absence",
        "account": "/accounts/",
        "not-found": "/patches/nothing",
    }


def filters(page: Page) -> None:
    folded = page.locator("label", has=page.locator("#filters-open"))
    if folded.is_visible():
        folded.click()
    page.locator("summary", has_text="Wargaming").first.click()


def selected(page: Page) -> None:
    page.locator(".card__check input").nth(4).check()
    page.locator(".card__check input").nth(5).check()


def rejecting(page: Page) -> None:
    page.locator("label", has=page.locator("#mode-reject")).click()
    page.get_by_role("button", name="Reject").last.click()
    page.locator("#decision [aria-invalid=true]").first.wait_for()


def evidence(page: Page) -> None:
    page.locator("#evidence").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#evidence').scrollIntoView()")


def account(page: Page) -> None:
    page.get_by_role("button", name="account menu").click()


def shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    page.locator("dialog[open]").wait_for()


STATES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "queue-filter": ("queue", filters),
    "queue-selected": ("queue", selected),
    "queue-empty": ("queue-empty", lambda page: None),
    "patch-reject": ("patch", rejecting),
    "patch-evidence": ("patch", evidence),
    "account-menu": ("queue", account),
    "shortcuts": ("queue", shortcuts),
}
"""What somebody does on a page before its picture is taken."""


def main(url: str, user: str, password: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for theme in THEMES:
            for width in WIDTHS:
                size = {"width": width, "height": 844 if width < 768 else 900}
                context = browser.new_context(base_url=url, viewport=size, color_scheme=theme)  # type: ignore[arg-type]
                page = context.new_page()
                page.goto("/accounts/login")
                page.screenshot(path=HERE / f"login-{width}-{theme}.png")
                page.get_by_label("Email or user name").fill("somebody")
                page.get_by_label("Password").fill("wrong")
                page.get_by_role("button", name="Sign in").click()
                page.get_by_role("alert").first.wait_for()
                page.screenshot(path=HERE / f"login-error-{width}-{theme}.png")
                sign_in(page, user, password)
                places = paths(page)
                for name, path in places.items():
                    page.goto(path)
                    page.wait_for_timeout(400)  # the live dot and the fonts
                    page.screenshot(path=HERE / f"{name}-{width}-{theme}.png")
                for name, (where, act) in STATES.items():
                    page.goto({"queue-empty": "/?q=no-such-patch"}.get(where) or places[where])
                    act(page)
                    page.wait_for_timeout(400)
                    page.screenshot(path=HERE / f"{name}-{width}-{theme}.png")
                context.close()
        browser.close()
    if shutil.which("pngquant"):
        pictures = [str(path) for path in HERE.glob("*.png")]
        subprocess.run(["pngquant", "--force", "--skip-if-larger", "--ext=.png", *pictures], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
