"""HTML as assertions read it: on one line, however the templates lay it out."""

import re

from django.http import HttpResponse


def one_line(answer: HttpResponse | str) -> str:
    """Return an answer's HTML with every run of blanks as one, and none before the end of a tag."""
    html = answer if isinstance(answer, str) else answer.content.decode()
    return re.sub(r" (?=/?>)", "", " ".join(html.split()))
