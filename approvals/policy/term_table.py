"""The terms of a policy: for each column of `PolicyVersion` that says what the policy does, how the form asks for it,
how pages tell it, and what makes it looser. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from approvals.diff.summary import MARK_TITLES
from approvals.models import AutoApproval, ExpireAction, PolicyVersion

Values = dict[str, Any]
"""Terms by their names, as entries and proposals keep them."""


class Section(Enum):
    """Where the form shows a term."""

    COVERS = "Covers"
    AUTOMATIC = "Automatic approval"
    PEOPLE = "Approval by people"
    CLOCKS = "Clocks"


class Widget(Enum):
    """How the form asks for a term: as Django would for the column, or otherwise."""

    COLUMN = "column"
    CODE = "code"
    GROUPS = "groups"
    MARKS = "marks"


Rule = Callable[[Values, Values], str]
"""Returns why the new terms are looser than the old ones, '' where they are not; `rules.py` has other rules."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term. `label` names its field, `title` its row on a page; `words` tell a version's value, given the install's
    least ML confidence. A term that is told in another's row has no title and no words but says which one."""

    name: str
    section: Section
    label: str
    title: str
    words: Callable[[PolicyVersion, Decimal], str] | None
    looser: Rule
    widget: Widget = Widget.COLUMN
    told_in: str = ""


def span(seconds: int | None) -> str:
    """Return a length of time in its largest whole unit, such as `10 min`; `never` for none."""
    if seconds is None:
        return "never"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _automatic(version: PolicyVersion, floor: Decimal) -> str:
    own, mode = version.auto_approve_threshold, AutoApproval(version.auto_approval)
    if mode == AutoApproval.OFF:
        return mode.label
    threshold = f"at {max(own, floor).normalize():f} or above"
    if floor > own:
        threshold += f" (AUTO_APPROVE_THRESHOLD; the policy's own {own.normalize():f} is less and does not count)"
    return f"{mode.label.split(':')[0]}, {threshold}"


def _level(level: dict[str, Any]) -> str:
    asked = ", ".join([*level.get("groups", []), *level.get("people", [])])
    return f"after {span(level.get('after_seconds'))} {asked}" + (" while unopened" if level.get("unopened") else "")


def _plain(name: str) -> Callable[[PolicyVersion, Decimal], str]:
    return lambda version, _: str(getattr(version, name))


def _either(name: str, yes: str, no: str) -> Callable[[PolicyVersion, Decimal], str]:
    return lambda version, _: yes if getattr(version, name) else no


def _listed(name: str, none: str, titles: dict[str, str] | None = None) -> Callable[[PolicyVersion, Decimal], str]:
    return lambda version, _: ", ".join((titles or {}).get(one, one) for one in getattr(version, name)) or none


def _span(name: str) -> Callable[[PolicyVersion, Decimal], str]:
    return lambda version, _: span(getattr(version, name))


# What makes each term looser. Terms kept before a column was added say nothing of it, or None: hence `get`.


def never(_old: Values, _new: Values) -> str:
    """The rule of terms of which no value lets more through than another."""
    return ""


def _match(old: Values, new: Values) -> str:
    moved = old["match"].strip() != new["match"].strip()
    return "Its condition changes: patches move between policies." if moved else ""


def _fewer_approvals(old: Values, new: Values) -> str:
    before, now = old["required_approvals"], new["required_approvals"]
    return f"Fewer approvals: {now} instead of {before}." if now < before else ""


def _dropped_groups(old: Values, new: Values) -> str:
    dropped = set(old["required_groups"]) - set(new["required_groups"])
    return f"No approval from {', '.join(sorted(dropped))} is asked for any more." if dropped else ""


def _ends_in_approval(old: Values, new: Values) -> bool:
    return bool(old["expire_action"] == ExpireAction.APPROVE == new["expire_action"])


def _other_deciders(old: Values, new: Values) -> str:
    before, now = set(old["decider_groups"]), set(new["decider_groups"])
    if before and (not now or now - before):
        return "More people may decide."
    fewer = _ends_in_approval(old, new) and before != now
    return "Fewer people may object before patches that nobody decides are approved." if fewer else ""


def _asked_later(old: Values, new: Values) -> str:
    if not _ends_in_approval(old, new):
        return ""
    before, now = old["escalate_after_seconds"], new["escalate_after_seconds"]
    if before is None or (now is not None and now <= before):
        return ""
    asked = f"after {span(now)} instead of" if now else "never, not after"
    return f"Leads are asked {asked} {span(before)} about patches that time approves."


def _others_asked(old: Values, new: Values) -> str:
    before = old.get("escalation")
    changed = before and before != new.get("escalation") and _ends_in_approval(old, new)
    return "Whom further levels ask, or when, changes for patches that time approves." if changed else ""


def _more_rejections(old: Values, new: Values) -> str:
    before, now = old["deny_threshold"], new["deny_threshold"]
    return f"{now} people must reject instead of {before}." if now > before else ""


def _unknown_submitter(old: Values, new: Values) -> str:
    dropped = old.get("known_submitter") and not new.get("known_submitter")
    return "What somebody unknown here submitted no longer needs a security lead." if dropped else ""


def _no_step_up(old: Values, new: Values) -> str:
    dropped = old["step_up"] and not new["step_up"] and not new.get("second_factor")
    return "Approving no longer asks for a fresh sign-in." if dropped else ""


def _no_second_factor(old: Values, new: Values) -> str:
    dropped = old.get("second_factor") and not new.get("second_factor")
    return "Approving no longer asks for a second factor." if dropped else ""


def _ends_candidates(old: Values, new: Values) -> str:
    begins = new.get("supersede_candidates") and not old.get("supersede_candidates")
    return "An approval ends other candidates, whether anybody has looked at them or not." if begins else ""


def _enforced(terms: Values) -> bool:
    return bool(terms["auto_approval"] == AutoApproval.ENFORCE)


def _while_enforced(rule: Rule) -> Rule:
    """Return a rule of automatic approval, which counts only where it was enforced and stays so."""
    return lambda old, new: rule(old, new) if _enforced(old) and _enforced(new) else ""


def _enforcing(old: Values, new: Values) -> str:
    begins = _enforced(new) and not _enforced(old)
    return "Patches that meet every condition are approved without a person." if begins else ""


def _lower_threshold(old: Values, new: Values) -> str:
    before, now = old["auto_approve_threshold"], new["auto_approve_threshold"]
    return f"The threshold falls from {before} to {now}." if float(now) < float(before) else ""


def _fewer_spot_checks(old: Values, new: Values) -> str:
    before, now = old["spot_check_percent"], new["spot_check_percent"]
    return f"Fewer spot checks: {now} % instead of {before} %." if now < before else ""


def _more_slack(old: Values, new: Values) -> str:
    before, now = old["location_slack"], new["location_slack"]
    return f"Changes may lie {now} lines outside the declared locations instead of {before}." if now > before else ""


def _more_marks(old: Values, new: Values) -> str:
    more = set(new["allowed_marks"]) - set(old["allowed_marks"])
    return f"Patches with these marks may be approved without a person: {', '.join(sorted(more))}." if more else ""


def _gate_conditions(old: Values, new: Values) -> str:
    begins = _enforced(new) and new["gate_conditions"] and not (_enforced(old) and old["gate_conditions"])
    return "Workflow gates whose own conditions hold are approved without a person." if begins else ""


def _approved_at_the_end(old: Values, new: Values) -> str:
    begins = new["expire_action"] == ExpireAction.APPROVE != old["expire_action"]
    return "Patches that nobody decides in time are approved." if begins else ""


def _less_time_to_object(old: Values, new: Values) -> str:
    if not _ends_in_approval(old, new):
        return ""
    before, now = old["expire_after_seconds"], new["expire_after_seconds"]
    sooner = now is not None and (before is None or now < before)
    return f"Patches that nobody decides are approved after {span(now)} instead of {span(before)}." if sooner else ""


_COVERS, _AUTOMATIC, _PEOPLE, _CLOCKS = Section
# fmt: off
_TABLE = (
    Term("match", _COVERS, "Condition (CEL)",
         "Covers", _plain("match"), _match, Widget.CODE),
    Term("auto_approval", _AUTOMATIC, "Mode",
         "Automatic approval", _automatic, _enforcing),
    Term("auto_approve_threshold", _AUTOMATIC, "Least ML confidence",
         "", None, _while_enforced(_lower_threshold), told_in="auto_approval"),
    Term("spot_check_percent", _AUTOMATIC, "Spot checks, percent",
         "Spot checks", lambda version, _: f"{version.spot_check_percent} %" if version.spot_check_percent else "none",
         _while_enforced(_fewer_spot_checks)),
    Term("location_slack", _AUTOMATIC, "Lines outside the declared locations",
         "Outside declared locations", lambda version, _: f"{version.location_slack} lines",
         _while_enforced(_more_slack)),
    Term("allowed_marks", _AUTOMATIC, "Marks that do not stop it",
         "Marks that do not stop it", _listed("allowed_marks", "none", MARK_TITLES),
         _while_enforced(_more_marks), Widget.MARKS),
    Term("gate_conditions", _AUTOMATIC, "Let a gate's own conditions approve it",
         "Workflow gates", _either("gate_conditions", "approved by the conditions they are sent with",
                                   "wait for people"), _gate_conditions),
    Term("required_approvals", _PEOPLE, "Approvals",
         "Approvals", _plain("required_approvals"), _fewer_approvals),
    Term("required_groups", _PEOPLE, "At least one from each of",
         "One from each of", _listed("required_groups", "no group"), _dropped_groups, Widget.GROUPS),
    Term("known_submitter", _PEOPLE, "An unknown submitter needs a lead",
         "Unknown submitter", _either("known_submitter", "needs a security lead", "no difference"), _unknown_submitter),
    Term("decider_groups", _PEOPLE, "Who decides",
         "Who decides", _listed("decider_groups", "every reviewer"), _other_deciders, Widget.GROUPS),
    Term("deny_threshold", _PEOPLE, "Rejections that end it",
         "Rejections that end it", _plain("deny_threshold"), _more_rejections),
    Term("step_up", _PEOPLE, "Ask for a fresh sign-in to approve",
         "Fresh sign-in to approve", _either("asks_again", "asked for", "not asked for"), _no_step_up),
    Term("second_factor", _PEOPLE, "Ask for a code or security key to approve",
         "Second factor to approve", _either("second_factor", "asked for", "not asked for"), _no_second_factor),
    Term("supersede_candidates", _PEOPLE, "An approval ends the other candidates",
         "Other candidates", _either("supersede_candidates", "end when one is approved", "wait on"),
         _ends_candidates),
    Term("sla_warn_seconds", _CLOCKS, "SLA warning",
         "SLA warning", _span("sla_warn_seconds"), never),
    Term("sla_due_seconds", _CLOCKS, "SLA breach",
         "SLA breach", _span("sla_due_seconds"), never),
    Term("escalate_after_seconds", _CLOCKS, "Escalate to the leads",
         "Escalates to the leads", _span("escalate_after_seconds"), _asked_later),
    Term("escalation", _CLOCKS, "Further levels (JSON)",
         "Further levels", lambda version, _: "; ".join(map(_level, version.escalation)) or "none", _others_asked,
         Widget.CODE),
    Term("reminder_percents", _CLOCKS, "Reminders, percent of the time to its end",
         "Reminders", lambda version, _: ", ".join(f"{share} %" for share in version.reminder_percents) or "none",
         never),
    Term("expire_after_seconds", _CLOCKS, "End",
         "Ends", _span("expire_after_seconds"), _less_time_to_object),
    Term("expire_action", _CLOCKS, "When the time ends",
         "When time ends", lambda version, _: ExpireAction(version.expire_action).label, _approved_at_the_end),
)
# fmt: on
TERMS: dict[str, Term] = {term.name: term for term in _TABLE}
"""Every term by its name, in the order of the form and of the pages."""


def names_in(section: Section) -> tuple[str, ...]:
    return tuple(name for name, term in TERMS.items() if term.section == section)


def described(version: PolicyVersion, floor: Decimal) -> dict[str, str]:
    """Return what a version says as title and words; `floor` is the install's least ML confidence."""
    return {term.title: term.words(version, floor) for term in TERMS.values() if term.words}
