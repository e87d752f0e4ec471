"""Made-up facts of every kind, for the page that shows templates where nothing of a kind was told yet. Pure."""

from datetime import datetime, timedelta
from typing import Any

from .kinds import COLLECTED, KINDS
from .models import Notice

WHY = "this is an example: nothing of this kind was told here yet"
PATCH: dict[str, Any] = {
    "title": "Bind the user name instead of pasting it into the statement",
    "patch_id": "EXAMPLE-0001",
    "revision": 2,
    "package": "example-forms",
    "vulnerability": "CVE-2000-0001",
    "priority": "high",
    "severity": "high",
    "policy": "Example policy",
    "approvals": 1,
    "required_approvals": 2,
}
OWN: dict[str, dict[str, Any]] = {
    "changes_requested": {"by": "Alice Example", "category": "incomplete"},
    "decided": {"by": "Alice Example"},
    "revoked": {"by": "Alice Example"},
    "deployment_alarm": {"alarm": "Digest differs", "by": "example-deployer"},
    "second_person": {"by": "Alice Example"},
}


def example(kind: str, now: datetime) -> Notice:
    """Return a notice of a kind that is stored nowhere and says that it is made up."""
    facts: dict[str, Any] = {"headline": f"Example: {KINDS[kind].title.lower()}", "link": "/", "why": WHY}
    if kind in COLLECTED:
        facts["items"] = [
            {"kind": one, "headline": f"Example: {KINDS[one].title.lower()}", "link": "/", "why": WHY, "at": _at(now)}
            for one in ("decision_required", "decided")
        ]
        if kind == "weekly_digest":
            facts["figures"] = [["Waiting", "3"], ["Decided", "12"], ["Median time to a decision", "2 h 10 min"]]
    elif kind == "stand_in":
        facts |= {"by": "Alice Example", "starts_at": _at(now), "until": _at(now + timedelta(days=3))}
    elif kind.startswith("bypass"):
        facts |= {"title": "example-forms", "by": "Alice Example", "until": _at(now + timedelta(hours=1))}
    else:
        facts |= PATCH | OWN.get(kind, {})
        if KINDS[kind].asks:
            facts |= {"due_at": _at(now + timedelta(minutes=42)), "expires_at": _at(now + timedelta(hours=20))}
    return Notice(key=f"example:{kind}", kind=kind, subject="example", facts=facts, at=now)


def _at(at: datetime) -> str:
    return at.isoformat()
