"""What a policy's terms about time may say: pure functions that return None or the sentence the author reads.

What terms there are is in `term_table.py`.
"""

import re
from collections.abc import Sequence
from typing import Any

from approvals.models import ExpireAction

from .conditions import TEXT

LEVELS, NAMES = 9, 20
LONGEST = 30 * 86_400  # seconds: what waits longer than a month waits for nobody
KEYS = {"after_seconds", "groups", "people", "unopened"}
ONLY_LOW = re.compile(r"""(?:severity|priority)\s*==\s*(?:'low'|"low")""")


def wrong_levels(levels: Any, first_after: int | None) -> str | None:
    """Return what is wrong with the levels after the first; `first_after` is when level 1 is due, in seconds."""
    if not isinstance(levels, list):
        return "Further levels are a list, one object a level."
    if not levels:
        return None
    if len(levels) > LEVELS:
        return f"A policy may have {LEVELS} levels after the first."
    if first_after is None:
        return "Further levels follow the first: say after how many seconds level 1 is asked."
    for number, level in enumerate(levels, start=2):
        if sentence := _wrong_level(level):
            return f"Level {number}: {sentence}"
    return None


def wrong_reminders(percents: Sequence[int]) -> str | None:
    if list(percents) != sorted({percent for percent in percents if 1 <= percent <= 99}):
        return "Reminders are shares from 1 to 99 percent, each once, in rising order."
    return None


def wrong_end(action: str, expires_after: int | None, match: str) -> str | None:
    """Return why a policy may not do this when the time ends."""
    if action == ExpireAction.EXPIRE:
        return None
    if expires_after is None:
        return "Without a time to expiry nothing happens at its end."
    if action == ExpireAction.APPROVE and not names_only_low(match):
        return (
            "Only low severity is approved when the time ends: the condition must ask for severity == 'low' or "
            "priority == 'low', joined to everything else with &&."
        )
    return None


def names_only_low(match: str) -> bool:
    """Return whether a condition plainly holds for low severity only. What cannot be told at sight counts as no."""
    code = TEXT.sub(lambda text: " " * len(text[0]), match)  # brackets and signs inside a text join nothing
    parts, depth, begin = [], 0, 0
    for place, char in enumerate(code):
        depth += (char in "([{") - (char in ")]}")
        if depth == 0 and (code.startswith("||", place) or char == "?"):
            return False
        if depth == 0 and code.startswith("&&", place):
            parts.append(match[begin:place])
            begin = place + 2
    parts.append(match[begin:])
    return any(ONLY_LOW.fullmatch(part.strip()) for part in parts)


def named_in(levels: list[dict[str, Any]], key: str) -> set[str]:
    """Return the groups or people that any level names."""
    return {name for level in levels for name in level.get(key, [])}


def _wrong_level(level: Any) -> str | None:
    if not isinstance(level, dict):
        return "write an object with after_seconds, groups, people and unopened."
    if unknown := sorted(level.keys() - KEYS):
        return f"there is no {', '.join(unknown)}; a level has after_seconds, groups, people and unopened."
    after = level.get("after_seconds")
    if type(after) is not int or not 1 <= after <= LONGEST:
        return f"after_seconds is a whole number from 1 to {LONGEST:,}, counted from the level before."
    for key in ("groups", "people"):
        names = level.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
            return f"{key} is a list of names."
        if len(names) > NAMES:
            return f"{key} may have {NAMES} names."
    if not level.get("groups") and not level.get("people"):
        return "name at least one group or person to ask."
    if not isinstance(level.get("unopened", False), bool):
        return "unopened is true or false."
    return None
