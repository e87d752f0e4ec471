"""When a decision warns, breaches, escalates and expires under a policy version."""

from datetime import datetime, timedelta

from approvals.models import NO_DEADLINE, PolicyVersion

CLOCKS = ("sla_warn_at", "sla_due_at", "escalate_at", "expire_at")


def clocks(version: PolicyVersion, now: datetime) -> dict[str, datetime]:
    """Return each clock's time, counted from `now`; NO_DEADLINE where the policy gives none."""

    def after(seconds: int | None) -> datetime:
        return NO_DEADLINE if seconds is None else now + timedelta(seconds=seconds)

    return {
        "sla_warn_at": after(version.sla_warn_seconds),
        "sla_due_at": after(version.sla_due_seconds),
        "escalate_at": after(version.escalate_after_seconds),
        "expire_at": after(version.expire_after_seconds),
    }
