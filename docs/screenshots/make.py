"""Take the pictures of the pages from a running product: `python docs/screenshots/make.py URL USER PASSWORD`."""

import sys
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
    """Return each page's name and address; the patch shown is the first of the queue."""
    first = page.locator(".card__title a").first.get_attribute("href") or "/"
    return {
        "queue": "/",
        "patch": first,
        "patch-split": f"{first}?view=split",
        "history": "/history",
        "analytics": "/analytics?days=90",
        "audit": "/audit/entries",
    }


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
                sign_in(page, user, password)
                for name, path in paths(page).items():
                    page.goto(path)
                    page.wait_for_timeout(400)  # the live dot and the fonts
                    page.screenshot(path=HERE / f"{name}-{width}-{theme}.png")
                context.close()
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:4])
