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

    Distinct people count once. Each required group needs an approval of a present member of it.
    """
    people = {approver.id: approver for approver in approvers}.values()
    sentences = []
    if (short := required - len(people)) > 0:
        sentences.append(f"{short} more approval{'s' if short > 1 else ''}")
    sentences += [f"an approval from {group}" for group in groups if not any(group in p.groups for p in people)]
    return sentences
