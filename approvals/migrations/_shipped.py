"""What every install starts with: groups with their permissions, and the shipped policies. Frozen, like the migrations
that install it; safe to run again."""

import hashlib
from decimal import Decimal
from typing import Any

import rfc8785
from django.apps.registry import Apps
from django.db.models.functions import Now

MINUTE, HOUR, DAY = 60, 3600, 86_400

POLICY_RIGHTS = [
    ("approvals", "policy", "view_policy"),
    ("approvals", "policy", "add_policy"),
    ("approvals", "policy", "change_policy"),
    ("approvals", "policyversion", "view_policyversion"),
]
GROUPS: dict[str, list[tuple[str, str, str]]] = {
    "viewer": [("approvals", "decision", "view_decision"), ("approvals", "decision", "view_analytics")],
    "reviewer": [
        ("approvals", "decision", "view_decision"),
        ("approvals", "decision", "view_analytics"),
        ("approvals", "decision", "view_diff"),
        ("approvals", "decision", "comment_decision"),
        ("approvals", "decision", "review_decision"),
    ],
    "security-leads": [
        ("approvals", "decision", "view_decision"),
        ("approvals", "decision", "view_analytics"),
        ("approvals", "decision", "view_diff"),
        ("approvals", "decision", "comment_decision"),
        ("approvals", "decision", "review_decision"),
        ("approvals", "decision", "lead_decision"),
        *POLICY_RIGHTS,
        ("audit", "entry", "view_entry"),
    ],
    "policy-admin": [
        ("approvals", "decision", "view_decision"),
        ("approvals", "decision", "view_analytics"),
        *POLICY_RIGHTS,
        ("audit", "entry", "view_entry"),
    ],
    "auditor": [
        ("approvals", "decision", "view_decision"),
        ("approvals", "decision", "view_analytics"),
        ("approvals", "decision", "view_diff"),
        ("approvals", "policy", "view_policy"),
        ("approvals", "policyversion", "view_policyversion"),
        ("audit", "entry", "view_entry"),
    ],
}

NOT_TERMS = {"name", "is_default"}
REMINDERS = [50, 80, 95]
# product.md, 'Defaults as shipped': SLA warns at 80 %, reminders at 50, 80 and 95 % of the time to expiry.
POLICIES: list[dict[str, Any]] = [
    {
        "name": "critical-two-person",
        "match": "priority == 'critical'",
        "required_approvals": 2,
        "required_groups": ["security-leads"],
        "step_up": True,
        "sla_warn_seconds": 4 * MINUTE,
        "sla_due_seconds": 5 * MINUTE,
        "escalate_after_seconds": HOUR,
        "expire_after_seconds": DAY,
        "reminder_percents": REMINDERS,
    },
    {
        "name": "high",
        "match": "priority == 'high'",
        "sla_warn_seconds": 8 * MINUTE,
        "sla_due_seconds": 10 * MINUTE,
        "escalate_after_seconds": 4 * HOUR,
        "expire_after_seconds": DAY,
        "reminder_percents": REMINDERS,
    },
    {
        "name": "medium",
        "match": "priority == 'medium'",
        "sla_warn_seconds": 12 * MINUTE,
        "sla_due_seconds": 15 * MINUTE,
        "escalate_after_seconds": DAY,
        "expire_after_seconds": 7 * DAY,
        "reminder_percents": REMINDERS,
    },
    {
        "name": "low",
        "match": "priority == 'low'",
        "expire_after_seconds": 7 * DAY,
        "reminder_percents": REMINDERS,
    },
    {
        "name": "default",
        "match": "true",
        "is_default": True,
        "expire_after_seconds": 7 * DAY,
        "reminder_percents": REMINDERS,
    },
]


def version_digest(columns: dict[str, Any]) -> str:
    """Return the hex SHA-256 of a policy version's canonical content, by which entries name it."""
    content = {key: str(value) if isinstance(value, Decimal) else value for key, value in columns.items()}
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def install_defaults(apps: Apps) -> None:
    """Create groups, permissions, policies and the kill switch where missing; an administrator's changes stay."""
    _groups(apps)
    _policies(apps)
    if "killswitch" in apps.all_models["approvals"]:  # the table is newer than the first migration that calls this
        apps.get_model("approvals", "KillSwitch").objects.get_or_create(pk=1)


def _groups(apps: Apps) -> None:
    group_model = apps.get_model("auth", "Group")
    for name, permissions in GROUPS.items():
        group, created = group_model.objects.get_or_create(name=name)
        if created:
            group.permissions.set([_permission(apps, *permission) for permission in permissions])


def let_leads_change_policies(apps: Apps) -> None:
    """Give the leads of an existing install the policy permissions that a new install gives them."""
    if leads := apps.get_model("auth", "Group").objects.filter(name="security-leads").first():
        leads.permissions.add(*(_permission(apps, *permission) for permission in POLICY_RIGHTS))


def _permission(apps: Apps, app: str, model: str, codename: str) -> Any:
    """Return a permission; create it if Django's post_migrate has not run yet (a first `migrate`)."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename=codename, defaults={"name": codename.replace("_", " ").capitalize()}
    )
    return permission


def _policies(apps: Apps) -> None:
    policy_model, version_model = apps.get_model("approvals", "Policy"), apps.get_model("approvals", "PolicyVersion")
    existing = {field.name for field in version_model._meta.get_fields()}
    if policy_model.objects.exists() or not existing >= {name for shipped in POLICIES for name in shipped} - NOT_TERMS:
        return  # called by a migration before all columns exist; a later migration calls again
    for position, shipped in enumerate(POLICIES, start=1):
        columns = {key: value for key, value in shipped.items() if key not in NOT_TERMS}
        is_default = shipped.get("is_default", False)
        policy = policy_model.objects.create(
            name=shipped["name"], position=1_000_000 if is_default else position * 10, is_default=is_default
        )
        policy.current = version_model.objects.create(
            policy=policy,
            version=1,
            sha256=version_digest({"name": shipped["name"], "version": 1, **columns}),
            created_by="HITL",
            created_at=Now(),
            **columns,
        )
        policy.save(update_fields=["current"])
