"""When approvals add up to a decision. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Approver:
    """One person who approves, with the groups they are in now (not when the patch came)."""

    id: int
    groups: frozenset[str]


def missing(approvers: Iterable[Approver], required: int, groups: Collection[str]) -> list[str]:
    """Return what still stands between these approvals and a decision, one sentence each; empty when reached.

    Distinct people count once. Each required group needs an approval of a present member of it; an approval that is
    missing anyway may be that one.
    """
    people = {approver.id: approver for approver in approvers}.values()
    absent = [group for group in groups if not any(group in person.groups for person in people)]
    short = max(0, required - len(people))
    if not short or short < len(absent):
        return [f"an approval from {group}" for group in absent]
    if not absent:
        return [f"{short} more approval{'s' if short > 1 else ''}"]
    if short == 1:
        return [f"1 more approval, from {absent[0]}"]
    return [f"{short} more approvals, {' and '.join(f'one from {group}' for group in absent)}"]


def must_come_from(approvers: Iterable[Approver], required: int, groups: Collection[str]) -> list[str]:
    """Return the groups from which every approval that is still missing must come; empty while anybody's helps."""
    people = {approver.id: approver for approver in approvers}.values()
    absent = [group for group in groups if not any(group in person.groups for person in people)]
    return absent if len(absent) >= required - len(people) else []
