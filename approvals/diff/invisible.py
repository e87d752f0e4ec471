"""Characters that a reader cannot see or that move other text: which they are and what they are called."""

import re
import unicodedata
from functools import lru_cache
from html import escape

# Unicode categories Cc (but tab), Cf, Zl, Zp and the blanks that are not U+0020, then characters drawn as nothing
# though they count as letters or marks (UAX 31, Default_Ignorable_Code_Point), and the noncharacters.
_CLASS = (
    "\x00-\x08\x0a-\x1f\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680\u17b4\u17b5"
    "\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = re.compile(f"[{_CLASS}]")
_RUN = re.compile(f"[{_CLASS}]+")
LONGEST_EXCERPT = 60  # characters of the patch quoted in a sentence
IN_FULL = 20  # characters of a text that are drawn by code and name

# Unicode gives control characters no names of their own; these are the aliases of NameAliases.txt.
_CONTROLS = (
    ("NULL", "START OF HEADING", "START OF TEXT", "END OF TEXT", "END OF TRANSMISSION", "ENQUIRY", "ACKNOWLEDGE")
    + ("ALERT", "BACKSPACE", "CHARACTER TABULATION", "LINE FEED", "LINE TABULATION", "FORM FEED", "CARRIAGE RETURN")
    + ("SHIFT OUT", "SHIFT IN", "DATA LINK ESCAPE", "DEVICE CONTROL ONE", "DEVICE CONTROL TWO", "DEVICE CONTROL THREE")
    + ("DEVICE CONTROL FOUR", "NEGATIVE ACKNOWLEDGE", "SYNCHRONOUS IDLE", "END OF TRANSMISSION BLOCK", "CANCEL")
    + ("END OF MEDIUM", "SUBSTITUTE", "ESCAPE", "FILE SEPARATOR", "GROUP SEPARATOR", "RECORD SEPARATOR")
    + ("UNIT SEPARATOR",)
)


def has_invisible(text: str) -> bool:
    """Tell whether a text contains a character that a reader cannot see."""
    return INVISIBLE.search(text) is not None


@lru_cache(maxsize=1024)
def drawn(character: str) -> str:
    """Return the markup that shows an invisible character by its code and name."""
    return f'<span class="ctl" title="{_name(character)}">U+{ord(character):04X}</span>'


class Drawing:
    """Draws the invisible characters of a text escaped: each of the first ones by its code and name, of later ones a
    run at a time and without names, so that no text becomes many times as long as it is."""

    def __init__(self) -> None:
        self.left = IN_FULL

    def html(self, text: str) -> str:
        """Return one part of the text; parts share the number of characters that are drawn in full."""
        return _RUN.sub(self._run, escape(text))

    def _run(self, match: re.Match[str]) -> str:
        run = match[0]
        full, rest = run[: self.left], run[self.left :]
        self.left -= len(full)
        html = "".join(drawn(character) for character in full)
        if not rest:
            return html
        codes = f"U+{ord(rest[0]):04X}" if rest.count(rest[0]) == len(rest) else "invisible"
        return f'{html}<span class="ctl">{codes}{f" × {len(rest):,}" if len(rest) > 1 else ""}</span>'


def plainly(text: str) -> str:
    """Return text for an attribute: its invisible characters by their codes, for there is no drawing inside one."""
    return INVISIBLE.sub(lambda match: f"‹U+{ord(match[0]):04X}›", text)


def quoted(text: str) -> str:
    """Return an excerpt of the patch fit for a sentence: short, on one line, the invisible by its code."""
    short = text if len(text) <= LONGEST_EXCERPT else f"{text[:LONGEST_EXCERPT]}…"
    return INVISIBLE.sub(lambda match: " " if match[0] == "\n" else f"‹U+{ord(match[0]):04X}›", short)


def _name(character: str) -> str:
    code = ord(character)
    if code < len(_CONTROLS):
        return _CONTROLS[code]
    if 0x7F <= code < 0xA0:
        return "DELETE" if code == 0x7F else "C1 CONTROL CHARACTER"
    return unicodedata.name(character, "UNASSIGNED OR TAG CHARACTER" if code >= 0xE0000 else "CHARACTER WITHOUT A NAME")
