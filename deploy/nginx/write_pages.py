#!/usr/bin/env python3
"""Write the pages that nginx answers with by itself, as the product draws them; `--check` says which are not so."""

import os
import sys
from pathlib import Path

import django
from django.template.loader import render_to_string

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "too_many": ("Too many requests", "Wait a moment, then load the page again."),
    "too_long": ("That is too long", "What a form sends may have 1 MiB. Nothing was changed."),
    "away": (
        "The product does not answer",
        "It may be starting. What you sent is recorded whole or not at all: look whether it is, and try again if not.",
    ),
}


def main(check: bool) -> int:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitl.settings")
    django.setup()
    other = []
    for name, (title, sentence) in PAGES.items():
        file = Path(__file__).parent / "pages" / f"{name}.html"
        text = render_to_string("error.html", {"title": title, "sentence": sentence})
        if check and (not file.exists() or file.read_text("utf-8") != text):
            other.append(file.name)
        elif not check:
            file.write_text(text, "utf-8")
    if other:
        print(f"{', '.join(other)}: not as the product draws them. Run deploy/nginx/write_pages.py.", file=sys.stderr)
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
