"""Which rights of people and groups add deciders, or those who may make some; they need a second person. Pure.

Who may decide a patch is in `rules.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from approvals.permissions import ADD_POLICY, CHANGE_GROUP, CHANGE_POLICY, CHANGE_USER, LEAD_DECISION, REVIEW_DECISION

DECIDES = {
    REVIEW_DECISION: "decide patches",
    LEAD_DECISION: "decide as security leads",
    ADD_POLICY: "write policies",
    CHANGE_POLICY: "change policies",
}
ADMINISTERS = {
    CHANGE_USER: "change people's groups",
    CHANGE_GROUP: "change what groups may do",
}
MAY = DECIDES | ADMINISTERS
"""The permissions that count, and what they let members do."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What one account has."""

    active: bool = True
    staff: bool = False
    superuser: bool = False
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Team:
    """What a group's members may, and what asks for them: policies, by name, and whether a pending decision does."""

    permissions: frozenset[str] = frozenset()
    policies: tuple[str, ...] = ()
    decision: bool = False

    @property
    def counts(self) -> bool:
        return bool(self.permissions & MAY.keys() or self.policies or self.decision)


def given_alone(old: Rights, new: Rights, teams: Mapping[str, Team]) -> tuple[Rights, list[str]]:
    """Return what of the new rights one person may give alone, and why not the rest, one sentence each.

    `teams` has every group of either. Taking away never waits.
    """
    joined = sorted(name for name in new.groups - old.groups if teams[name].counts)
    groups = new.groups - set(joined)
    superuser = new.superuser and old.superuser
    counting = sorted(name for name in groups if teams[name].counts)
    powers = ["a superuser"] if superuser else []
    # Whoever is switched off decides nothing, and whoever is not staff changes nobody's groups.
    back = [*powers, *(f"a member of {name}" for name in counting)]
    reach = [*powers, *(f"a member of {name}" for name in counting if teams[name].permissions & ADMINISTERS.keys())]
    active = new.active and (old.active or not back)
    staff = new.staff and (old.staff or not reach)
    why = [_joins(name, teams[name]) for name in joined]
    if new.superuser and not superuser:
        why.append("They become a superuser, who may change everybody's groups.")
    if new.active and not active:
        why.append(f"They are active again, as {_and(back)}.")
    if new.staff and not staff:
        why.append(f"They come into the administration, as {_and(reach)}.")
    return Rights(active, staff, superuser, groups), why


def granted_alone(old: Iterable[str], new: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """Return which of a group's new permissions one person may grant alone, and why not the rest."""
    held = (set(new) - set(old)) & MAY.keys()
    return frozenset(new) - held, [f"Its members may {MAY[name]}." for name in MAY if name in held]


def _joins(name: str, team: Team) -> str:
    may = [words for permission, words in MAY.items() if permission in team.permissions]
    said = [f"whose members may {_and(may)}"] if may else []
    asking = [*(f"the policy {policy}" for policy in team.policies), *(["a waiting decision"] if team.decision else [])]
    said += [f"which is asked for by {_and(asking)}"] if asking else []
    return f"They join {name}, {', and '.join(said)}."


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
