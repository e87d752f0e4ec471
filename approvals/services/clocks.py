"""When a decision warns, breaches, reminds, escalates and expires under a policy version."""

from datetime import datetime, timedelta

from approvals.models import NO_DEADLINE, Decision, PolicyVersion
from approvals.policy.timeouts import reminder_times

CLOCKS = ("sla_warn_at", "sla_due_at", "escalate_at", "expire_at")


def clocks(version: PolicyVersion, now: datetime) -> dict[str, datetime]:
    """Return each clock's time, counted from `now`; NO_DEADLINE where the policy sets none."""

    def after(seconds: int | None) -> datetime:
        return NO_DEADLINE if seconds is None else now + timedelta(seconds=seconds)

    return {
        "sla_warn_at": after(version.sla_warn_seconds),
        "sla_due_at": after(version.sla_due_seconds),
        "escalate_at": after(version.escalate_after_seconds),
        "expire_at": after(version.expire_after_seconds),
    }


def is_timed(decision: Decision) -> bool:
    """Return whether any clock runs; imported patches have no clocks and get none."""
    return any(getattr(decision, clock) != NO_DEADLINE for clock in CLOCKS)


def plan_reminders(decision: Decision, now: datetime) -> None:
    """Set the next reminder of a decision whose expiry was just set; reminders whose time has passed are skipped."""
    times = reminder_times(decision.created_at, decision.expire_at, decision.policy_version.reminder_percents)
    decision.reminders = sum(at <= now for at in times)
    decision.remind_at = times[decision.reminders] if decision.reminders < len(times) else NO_DEADLINE
