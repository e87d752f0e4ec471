"""The permissions that code asks for, as `app.codename` (templates ask `perms` for the same); the shipped groups."""

REVIEW_DECISION = "approvals.review_decision"
LEAD_DECISION = "approvals.lead_decision"
COMMENT_DECISION = "approvals.comment_decision"
VIEW_DECISION = "approvals.view_decision"
VIEW_DIFF = "approvals.view_diff"
VIEW_ANALYTICS = "approvals.view_analytics"
VIEW_POLICY = "approvals.view_policy"
ADD_POLICY = "approvals.add_policy"
CHANGE_POLICY = "approvals.change_policy"
CHANGE_USER = "approvals.change_user"
CHANGE_APITOKEN = "approvals.change_apitoken"
CHANGE_GROUP = "auth.change_group"
ADD_GROUP = "auth.add_group"
CHANGE_ENDPOINT = "notifications.change_endpoint"
VIEW_ENTRY = "audit.view_entry"

SHIPPED_GROUPS = frozenset({"viewer", "reviewer", "security-leads", "policy-admin", "auditor"})
