"""Write docs/settings.md: every setting of the product with what it takes, its default and its meaning."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hitl.environment import Section
from hitl.own_settings import SECTIONS

INTRODUCTION = """\
# Settings

Written by `manage.py write_settings_reference` from `hitl/own_settings.py`.

Each comes from the environment, from `NAME` or from the file that `NAME_FILE` names: a secret had better come from a
file that only the product's user reads. A wrong value stops the start with a sentence. `manage.py check --deploy`, run
with the environment of web and worker, says what is dangerous and how to mend it.
"""


class Command(BaseCommand):
    help = "Write docs/settings.md, the reference of all settings."

    def handle(self, *args: Any, **options: Any) -> None:
        """Replace the file."""
        (settings.BASE_DIR / "docs/settings.md").write_text(reference(SECTIONS), "utf-8")


def reference(sections: list[Section]) -> str:
    """Return the page in Markdown."""
    return "\n".join([INTRODUCTION, *(_table(section) for section in sections)])


def _table(section: Section) -> str:
    rows = [f"| `{one.name}` | {one.default} | {one.takes} | {one.meaning} |" for one in section.settings]
    head = ["| setting | default | takes | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {section.title}", "", *head, *rows, ""])
