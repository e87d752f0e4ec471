"""Which names are somebody's, which look like one another, and which mix scripts to do so. Pure.

The letters are those of Unicode's confusables.txt (UTS 39, Unicode Security Mechanisms), as `confusable_homoglyphs` has
them. ASCII letters are themselves: dev1 and devl are two names that people read every day.
"""

from collections.abc import Collection, Iterable

from confusable_homoglyphs.categories import unique_aliases
from confusable_homoglyphs.confusables import confusables_data

from .submitters import one_person, same

ANYWHERE = {"COMMON", "INHERITED"}
TOGETHER = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "BOPOMOFO"},
    {"LATIN", "HAN", "HANGUL"},
)
"""Scripts that are written together (UTS 39 5.2, highly restrictive)."""


def why_not_free(name: str, email: str, people: Collection[str], machines: Collection[str]) -> str | None:
    """Return why an account with this address may not be given a name, beside what other people are and were called (as
    `same` spells it) and machines are.

    Rules know people by user names and addresses alike, so a name is nobody else's address, and an address only its
    own account's name. The log names machines in the same place.
    """
    try:
        one_person(name)
    except ValueError as error:
        return f"A user name {error}."
    if "@" in name and same(name) != same(email):
        return "A user name that is an e-mail address is the account's own address."
    if same(name) in people:
        return "This is the name or address of somebody else here, or was; choose another one."
    return "A producer or token has this name; choose another one." if machines else None


def why_not(name: str, taken: Iterable[str]) -> str | None:
    """Return why nobody may be given this name, beside those that are taken."""
    if mixes_scripts(name):
        return "A user name is written in one script: letters of two can look like another name."
    rivals = {other for other in taken if not (name.isascii() and other.isascii())}
    mine, folded = lookalikes(name), name.casefold()
    if any(other.casefold() != folded and mine & lookalikes(other) for other in rivals):
        return "This looks like the name of somebody else here; choose another one."
    return None


def mixes_scripts(name: str) -> bool:
    """Return whether a name, or a side of an address, has letters of scripts that are not written together."""
    if name.isascii():
        return False
    sides = [unique_aliases(side) - ANYWHERE for side in name.split("@")]
    return any(len(side) > 1 and not any(side <= together for together in TOGETHER) for side in sides)


def lookalikes(name: str) -> frozenset[str]:
    """Return how a name reads, folded, as it is and in small letters: two that share one look the same."""
    if name.isascii():
        return frozenset({name.casefold()})
    return frozenset("".join(map(_drawn, written)).casefold() for written in (name, name.casefold()))


def _drawn(letter: str) -> str:
    """Return the letter that stands for all that look like this one: the ASCII one, if there is one."""
    glyphs: list[str] = [letter, *(glyph["c"] for glyph in confusables_data.get(letter, ()))]
    plain = [glyph for glyph in glyphs if glyph.isascii()]
    return plain[0] if plain else max(glyphs, key=lambda glyph: len(confusables_data.get(glyph, ())))
