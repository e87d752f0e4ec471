"""One reviewer decides real patches by keyboard alone in a real browser: keys and seconds for each, decisions an hour.

python benchmarks/session.py [--decisions 30 --reading 15]; see README.md.
"""

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from django.conf import settings
from playwright.sync_api import Page, sync_playwright

from benchmarks.rig import approving, documents, serving

PASSWORD = "correct horse battery staple"
LEAST_AN_HOUR = 200
KEY_SECONDS = 0.2  # a key of somebody who types 60 words a minute
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
START = "/?priority=high"  # critical ones wait for a second person and would end nothing here
REASON, WISH, WORDS = "The second caller is still open.", "Please add a test for it.", "Same fix as upstream."


@dataclass(frozen=True)
class Done:
    """One decision: of which kind, with how many keys, and the seconds until the next patch could be decided."""

    kind: str
    keys: int
    seconds: float


class Keyboard:
    """The only way into the page; counts every key, Control with Enter as two."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.keys = 0

    def press(self, *names: str) -> None:
        for name in names:
            self.keys += name.count("+") + 1
            self.page.keyboard.press(name)

    def type(self, text: str) -> None:
        self.keys += len(text)
        self.page.keyboard.type(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=30)
    parser.add_argument("--reading", type=float, default=15, help="seconds a person reads each patch")
    options = parser.parse_args()
    with serving.database():
        serving.manage("migrate")
        for name in documents.FILES:
            serving.import_patches(settings.HITL_SAMPLE_DATA / f"{name}.ndjson")
        [person] = approving.reviewers(1)
        person.user.set_password(PASSWORD)
        person.user.save(update_fields=["password"])
        with serving.product() as port, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            page = browser.new_page(base_url=f"http://127.0.0.1:{port}")
            keyboard = Keyboard(page)
            sign_in(page, keyboard, person.user.username)
            kinds = islice(cycle(MIX), options.decisions)
            done = [decide(page, keyboard, kind) for kind in kinds]
            browser.close()
    report(done, options.reading)


def chromium() -> str:
    found = os.environ.get("HITL_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    return found or sys.exit("This needs Chromium; install it or name it in HITL_CHROMIUM.")


def sign_in(page: Page, keyboard: Keyboard, name: str) -> None:
    """From the sign-in page to the first patch of the queue."""
    started = time.perf_counter()
    page.goto(START)
    keyboard.type(name)
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    leave(page, lambda: keyboard.press("Enter"))
    keyboard.press("j")
    leave(page, lambda: keyboard.press("Enter"))
    print(f"signed in and on the first patch: {keyboard.keys} keys, {time.perf_counter() - started:.1f} s")


def decide(page: Page, keyboard: Keyboard, kind: str) -> Done:
    """Decide the patch shown; the time ends when the next one takes keys."""
    before, started = keyboard.keys, time.perf_counter()
    KINDS[kind](page, keyboard)
    leave(page, lambda: keyboard.press("Control+Enter"))
    return Done(kind, keyboard.keys - before, time.perf_counter() - started)


def leave(page: Page, act: Callable[[], Any]) -> None:
    """Act and wait until another page is there and its keys work."""
    here = page.url
    act()
    page.wait_for_url(lambda address: address != here)
    page.wait_for_selector("body.has-keys")


def approve(page: Page, keyboard: Keyboard) -> None:
    keyboard.press("a")


def reject(page: Page, keyboard: Keyboard) -> None:
    keyboard.press("r", "i", "Tab")  # 'i' chooses 'Incomplete fix'
    keyboard.type(REASON)


def request_changes(page: Page, keyboard: Keyboard) -> None:
    keyboard.press("n")
    keyboard.type(WISH)


def comment_and_approve(page: Page, keyboard: Keyboard) -> None:
    keyboard.press("c")
    keyboard.type(WORDS)
    keyboard.press("Control+Enter")
    page.get_by_text("Comment added.").first.wait_for()
    page.wait_for_selector("body.has-keys")
    keyboard.press("a")


KINDS: dict[str, Callable[[Page, Keyboard], None]] = {
    "approve": approve,
    "reject": reject,
    "request changes": request_changes,
    "comment, then approve": comment_and_approve,
}
MIX = ["approve", "approve", "reject", "approve", "request changes", "approve", "comment, then approve", "approve"]
MIX += ["reject", "approve"]


def report(done: list[Done], reading: float) -> None:
    for kind in KINDS:
        if some := [one for one in done if one.kind == kind]:
            keys, seconds = (statistics.median(of) for of in ([o.keys for o in some], [o.seconds for o in some]))
            print(f"{kind:22} {len(some):3} times, {keys:.0f} keys, {seconds:.2f} s")
    times = sorted(one.seconds for one in done)
    machine, keys = statistics.mean(times), statistics.mean(one.keys for one in done)
    print(f"a decision: median {statistics.median(times):.2f} s, p95 {times[int(len(times) * 0.95)]:.2f} s")
    possible, typing = 3600 / (machine + reading), 3600 / (machine + reading + keys * KEY_SECONDS)
    print(
        f"with {reading:.0f} s of reading each: {possible:.0f} decisions an hour, "
        f"{'holds' if possible >= LEAST_AN_HOUR else 'MISSES'} {LEAST_AN_HOUR}; "
        f"with {KEY_SECONDS} s a key besides ({keys:.0f} keys each): {typing:.0f}"
    )


if __name__ == "__main__":
    main()
