"""The policies in force."""

from functools import lru_cache
from typing import Any

from django.conf import settings

from approvals.diff.summary import MARK_TITLES
from approvals.models import AutoApproval, ExpireAction, PolicyVersion
from audit.statements import query_prepared

CURRENT_VERSIONS_SQL = """
select version.id, version.sha256, policy.name
from approvals_policy policy join approvals_policyversion version on version.id = policy.current_id
where policy.enabled order by policy.position
"""


def current_versions() -> list[PolicyVersion]:
    """Return the current version of every enabled policy, in the order in which they are tried; one narrow query.

    The rows of a version are read once a process: a trigger refuses any change of them, and the cache key has their
    digest.
    """
    return list(_versions(tuple(query_prepared(CURRENT_VERSIONS_SQL))))


def version_of(key: int, sha256: str, policy: str) -> PolicyVersion:
    """Return the version with this key and digest, of the policy that has this name now; one query a process."""
    return _versions(((key, sha256, policy),))[0]


@lru_cache(maxsize=64)
def _versions(current: tuple[tuple[int, str, str], ...]) -> list[PolicyVersion]:
    found = PolicyVersion.objects.select_related("policy").in_bulk([key for key, _, _ in current])
    return [found[key] for key, _, _ in current]


def described(version: PolicyVersion) -> dict[str, str]:
    """Return what a version says as label and words, in the order a page shows it."""
    own, floor = version.auto_approve_threshold, settings.AUTO_APPROVE_THRESHOLD
    threshold = f"at {max(own, floor).normalize():f} or above"
    if floor > own:
        threshold += f" (AUTO_APPROVE_THRESHOLD; the policy's own {own.normalize():f} is less and does not count)"
    mode = AutoApproval(version.auto_approval)
    return {
        "Covers": version.match,
        "Automatic approval": mode.label.split(":")[0] + ("" if mode == AutoApproval.OFF else f", {threshold}"),
        "Spot checks": f"{version.spot_check_percent} %" if version.spot_check_percent else "none",
        "Outside declared locations": f"{version.location_slack} lines",
        "Marks that do not stop it": ", ".join(MARK_TITLES.get(code, code) for code in version.allowed_marks) or "none",
        "Workflow gates": "approved by the conditions they are sent with"
        if version.gate_conditions
        else "wait for people",
        "Approvals": str(version.required_approvals),
        "One from each of": ", ".join(version.required_groups) or "no group",
        "Unknown submitter": "needs a security lead" if version.known_submitter else "no difference",
        "Who decides": ", ".join(version.decider_groups) or "every reviewer",
        "Rejections that end it": str(version.deny_threshold),
        "Fresh sign-in to approve": "asked for" if version.asks_again else "not asked for",
        "Second factor to approve": "asked for" if version.second_factor else "not asked for",
        "SLA warning": span(version.sla_warn_seconds),
        "SLA breach": span(version.sla_due_seconds),
        "Escalates to the leads": span(version.escalate_after_seconds),
        "Further levels": "; ".join(_level(level) for level in version.escalation) or "none",
        "Reminders": ", ".join(f"{percent} %" for percent in version.reminder_percents) or "none",
        "Ends": span(version.expire_after_seconds),
        "When time ends": ExpireAction(version.expire_action).label,
    }


def _level(level: dict[str, Any]) -> str:
    asked = ", ".join([*level.get("groups", []), *level.get("people", [])])
    return f"after {span(level.get('after_seconds'))} {asked}" + (" while unopened" if level.get("unopened") else "")


def span(seconds: int | None) -> str:
    """Return a length of time in its largest whole unit, such as `10 min`; `never` for none."""
    if seconds is None:
        return "never"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
