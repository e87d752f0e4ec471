"""What the clock does to a decision nobody makes: reminders, levels of escalation, the end of the time. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from approvals.models import NO_DEADLINE, ExpireAction, Priority, Severity

from .evaluate import AT_LEAST, SAME_CHANGE, SWITCHED_ON

LEADS = "security-leads"
"""The group that level 1 asks, and every level after the last one a policy names."""


class Step(NamedTuple):
    """What the next level of a chain comes to: who is asked (nobody where it is passed over), and what is next."""

    asked: list[str]
    next_level: int
    next_at: datetime


def reminder_times(begin: datetime, end: datetime, percents: Sequence[int]) -> list[datetime]:
    """Return when these shares of a time have passed; nothing where it has no end."""
    if end == NO_DEADLINE:
        return []
    return [begin + (end - begin) * percent / 100 for percent in percents]


def next_step(
    chain: Sequence[dict[str, Any]], *, level: int, next_level: int, at: datetime, opened: bool, timed: bool
) -> Step:
    """Return what happens when a decision at this level is raised at `at`.

    `chain` are the policy's levels after the first, `next_level` the place in it that comes next. A level marked
    `unopened` asks nobody once somebody has opened the patch. Without `timed` nothing more is due by itself.
    """
    if level == 0:
        return Step([LEADS], 0, _due(chain, 0, at, timed))
    if next_level >= len(chain):
        return Step([LEADS], next_level, NO_DEADLINE)
    here = chain[next_level]
    asked = [] if opened and here.get("unopened") else [*here.get("groups", []), *here.get("people", [])]
    return Step(asked, next_level + 1, _due(chain, next_level + 1, at, timed))


def _due(chain: Sequence[dict[str, Any]], place: int, at: datetime, timed: bool) -> datetime:
    if not timed or place >= len(chain):
        return NO_DEADLINE
    return at + timedelta(seconds=chain[place]["after_seconds"])


def no_approval_by_time(
    action: str,
    *,
    sent: str,
    effective: str,
    priority: Priority,
    known_exploited: bool,
    manual_review: bool,
    enabled: bool,
    enforced: bool,
    objected: bool,
    trusted: bool,
    others: int,
    trace: Sequence[dict[str, str]],
) -> str | None:
    """Return why the end of the time does not approve, or None: only what is low in every respect is approved.

    `sent` and `effective` are severities, `enabled` is whether anything is approved automatically at all, `enforced`
    whether the policy does so, `objected` whether people refused it, `trusted` whether its producer is still, `others`
    how many other candidates wait. `trace` is that of automatic approval: all
    of it must hold but the height of the confidence.
    """
    if action != ExpireAction.APPROVE:
        return "its policy does not say so"
    if not enabled:
        return "automatic approval is switched off"
    if sent != Severity.LOW or effective != Severity.LOW:
        return f"its severity is {effective if effective != Severity.LOW else sent}"
    if priority != Priority.LOW:
        return f"its priority is {priority.name.lower()}"
    if not enforced:
        return "its policy does not approve automatically"
    if others:
        return "another candidate waits"
    if known_exploited:
        return "it is known to be exploited"
    if manual_review:
        return "a manual review was asked for"
    if objected:
        return "somebody refused it"
    asked = {row["text"] for row in trace}
    unmet = next((row["text"] for row in trace if not _holds(row)), None if SAME_CHANGE in asked else SAME_CHANGE)
    if unmet:
        return f"this does not hold: {unmet}"
    return None if trusted else "its producer is not trusted any more"


def _holds(row: dict[str, str]) -> bool:
    """Tell whether a condition holds; the height of the confidence need not, and the switch is asked now."""
    if row["text"].startswith(AT_LEAST):
        return row["outcome"] != "absent"
    return row["outcome"] == "pass" or row["text"] == SWITCHED_ON
