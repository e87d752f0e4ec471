"""HTML as assertions read it: on one line, however the templates lay it out."""

import re

from django.http import HttpResponse

INLINE = "a|b|bdi|code|del|em|i|ins|kbd|mark|small|span|strong|time"
"""The elements beside which a blank shows; beside any other one it is layout."""
BLOCK = re.compile(rf" ?(</?(?!(?:{INLINE})\b)[a-z][^<>]*>) ?")


def one_line(answer: HttpResponse | str) -> str:
    """Return an answer's HTML without the blanks that no reader sees: one for a run, none beside a block's tags."""
    html = answer if isinstance(answer, str) else answer.content.decode()
    return BLOCK.sub(r"\1", re.sub(r" (?=/?>)", "", " ".join(html.split())))
