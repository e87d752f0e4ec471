"""How templates are read: laid out for people, sent without the layout."""

import re

from django.template import Origin
from django.template.loaders import filesystem

CONTROL = (
    r"\{% (?:if|elif|else|endif|for|empty|endfor|with|endwith|load|extends|block|endblock|set)\b(?:(?!%\})[^\n])*%\}"
)
CONTROL_LINE = re.compile(rf"^[ \t]*((?:{CONTROL}|\{{#[^\n]*?#\}})+)\n", re.MULTILINE)
BLOCK_END = re.compile(r"(</(?:details|div|form|li|p|section|summary|td|th|tr|ul)>)\n")
TAG_END = re.compile(r"\n(?=/?>)")
INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)


def sent_text(text: str) -> str:
    """Return a template without what stands in it for whoever reads it: indentation, line breaks that show nothing.

    They are a third of a page. A line break that separates words stays: only those in a tag's end, after the end of a
    block and after a line of control tags go, and the line before such a line has one. Nothing may depend on a blank at
    the start of a line: `pre` and `textarea` hold no line of a template's own.
    """
    text = TAG_END.sub("", INDENTATION.sub("", text))
    return BLOCK_END.sub(r"\1", CONTROL_LINE.sub(r"\1", text))


class Loader(filesystem.Loader):
    """Reads a template of Django's engine as `sent_text`."""

    def get_contents(self, origin: Origin) -> str:
        return sent_text(super().get_contents(origin))
