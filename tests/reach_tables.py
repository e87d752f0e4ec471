"""Who is let in where: every address with its methods, for every role and kind of token. What is not here lets nobody
in."""

# Nobody is nobody signed in, bare in no group, admin a superuser in none, staff of the administration with no right.
PEOPLE = "nobody bare viewer reviewer lead auditor policies staff admin"
# The producer whose patches and gates are named, another one, and people's own tokens.
MACHINES = "own producer deployer auditing monitor personal-viewer personal personal-lead"
CALLERS = f"nobody bare viewer reviewer lead auditor admin {MACHINES}"
ADMINISTRATION = "nobody lead staff admin"

SIGNED_IN = PEOPLE.removeprefix("nobody ")
VIEWERS = "viewer reviewer lead auditor policies admin"
RULES = "lead auditor policies admin"
DECIDERS = "reviewer lead personal personal-lead"
READERS = "viewer reviewer lead auditor own producer deployer auditing personal-viewer personal personal-lead"
OWN_READERS = READERS.replace(" producer", "")
ENDERS = "lead own personal-lead"
LEADS = "lead personal-lead"
FACTORS = ["totp/activate/", "recovery-codes/generate/", "webauthn/add/", "authenticate/"]
OF_API = {
    CALLERS: "GET hitl/openapi.json, GET hitl/docs",
    "own producer": "POST hitl/patches, POST hitl/patches/bulk, POST hitl/admin/create-decision, POST api/approvals, "
    "POST hitl/adapters/sarif",
    READERS: "GET hitl/patches/pending, GET hitl/decisions, GET hitl/decisions/<decision_id>, GET hitl/events, "
    "GET api/approvals, GET api/approvals/pending, GET api/approvals/history, GET api/approvals/stats, "
    "GET hitl/adapters/sarif",
    OWN_READERS: "GET hitl/patches/<patch_id>, GET api/approvals/<gate_id>, GET hitl/adapters/vex/<form>",
    OWN_READERS.replace("viewer ", "", 1).replace("personal-viewer ", ""): "GET hitl/patches/<patch_id>/diff",
    DECIDERS: "POST hitl/patches/<patch_id>/approve, POST hitl/patches/<patch_id>/reject, "
    "POST hitl/patches/<patch_id>/request-changes, POST hitl/patches/<patch_id>/withdraw, "
    "POST hitl/patches/<patch_id>/comment, POST hitl/patches/<patch_id>/escalate, POST hitl/decisions/bulk, "
    "POST api/approvals/<gate_id>/approve, POST api/approvals/<gate_id>/reject",
    LEADS: "POST hitl/patches/<patch_id>/extend, POST hitl/patches/<patch_id>/revoke",
    ENDERS: "POST hitl/patches/<patch_id>/cancel, POST api/approvals/<gate_id>/cancel",
    "deployer": "POST hitl/decisions/<decision_id>/acknowledge, POST hitl/patches/<patch_id>/outcome",
    "viewer reviewer lead auditor auditing monitor personal-viewer personal personal-lead": (
        "GET hitl/analytics/summary"
    ),
    "lead auditor auditing personal-lead": "GET hitl/analytics/audit-logs",
}
"""Who is let in where, of CALLERS; the methods as `nobody` finds them."""
OF_PAGES = {
    VIEWERS: "GET , GET cards, GET counts, GET facets/<slug:name>, GET bulk, POST bulk, POST views, GET history, "
    "GET deployments, GET vulnerabilities/<path:name>, GET history/imported, "
    "POST views/<int:view_id>/delete, GET history.csv, GET analytics, GET accounts/absence, POST accounts/absence, "
    + ", ".join(
        f"{method} patches/<uuid:decision_id>{rest}"
        for method, rest in [
            ("GET", ""),
            ("GET", "/compare/<int:revision>"),
            ("GET", "/compare/<uuid:other_id>"),
            ("GET", "/panel"),
            ("GET", "/outcome"),
            ("GET", "/<str:action>"),
            ("POST", "/confirm"),
            ("POST", "/withdraw"),
            ("POST", "/viewed"),
            ("POST", "/presence"),
        ]
    ),
    RULES: "GET audit/, GET audit/entries, GET audit/entries/<uuid:entry_id>, GET policies, POST policies/switch, "
    "POST policies/proposals/<int:proposal_id>/<slug:answer>, GET policies/<int:policy_id>, GET bypasses, "
    "POST bypasses, POST bypasses/<int:bypass_id>/<slug:answer>",
    "admin": "GET notices/templates, GET notices/templates/<slug:kind>, GET notices/templates/<slug:kind>/html, "
    "POST notices/templates/<slug:kind>/send, "
    "GET deliveries/endpoints/new, POST deliveries/endpoints/new, GET deliveries/endpoints/<int:endpoint_id>, "
    "POST deliveries/endpoints/<int:endpoint_id>, POST deliveries/endpoints/<int:endpoint_id>/secret, "
    "POST deliveries/endpoints/<int:endpoint_id>/<slug:action>",
    "lead admin": "GET revoke, POST revoke, GET deliveries, POST deliveries/replay",
    "lead policies admin": "GET policies/new, POST policies/new, GET policies/<int:policy_id>/edit, "
    "POST policies/<int:policy_id>/edit",
    "reviewer lead auditor": "GET history/imported/<int:imported_id>, "
    "GET patches/<uuid:decision_id>/text/<slug:part>, GET patches/<uuid:decision_id>/raw",
    "reviewer lead": "POST patches/<uuid:decision_id>/decide, POST patches/<uuid:decision_id>/comments, "
    "POST patches/<uuid:decision_id>/escalate",
    "lead": "POST patches/<uuid:decision_id>/extend, POST patches/<uuid:decision_id>/cancel, "
    "POST patches/<uuid:decision_id>/revoke",
    SIGNED_IN: "GET inbox, GET inbox/bell, POST inbox/next, POST inbox/read, GET accounts/notifications, "
    "POST accounts/notifications, GET accounts/, GET accounts/password, POST accounts/password, "
    "POST accounts/confirm-change, POST accounts/tokens, POST accounts/slack, POST accounts/slack/unlink, "
    "GET accounts/confirm, POST accounts/confirm, "
    "GET accounts/2fa/, GET accounts/2fa/webauthn/, "
    + ", ".join(f"{method} accounts/2fa/{rest}" for method in ("GET", "POST") for rest in FACTORS),
    "reviewer": "POST accounts/sessions/<int:pk>/end, POST accounts/tokens/<int:pk>/revoke, "
    "POST accounts/absence/<int:delegation_id>/end, POST inbox/<int:item_id>/open, POST inbox/<int:item_id>/read",
    PEOPLE: "GET accounts/login, POST accounts/login, GET accounts/inactive, GET accounts/signup, "
    "POST accounts/signup, GET accounts/oidc/cancelled, POST accounts/theme, POST accounts/keys",
}
DONE = {
    **{caller: OF_API[caller] for caller in ("own producer", DECIDERS, LEADS, ENDERS, "deployer")},
    VIEWERS: "GET history.csv",
    "lead": "POST policies/proposals/<int:proposal_id>/<slug:answer>, POST bypasses/<int:bypass_id>/<slug:answer>, "
    "POST patches/<uuid:decision_id>/extend, POST patches/<uuid:decision_id>/cancel",
    "reviewer lead": "POST patches/<uuid:decision_id>/decide, POST patches/<uuid:decision_id>/escalate",
    SIGNED_IN: "POST accounts/sign-out-everywhere, POST accounts/tokens, POST accounts/logout",
    "reviewer": OF_PAGES["reviewer"].partition(", POST inbox")[0],
    "staff admin": "POST admin/logout/",
    "admin": "POST admin/approvals/producer/add/, POST admin/auth/group/add/, "
    "POST admin/approvals/user/<id>/password/, POST admin/auth/group/<path:object_id>/change/, "
    "POST deliveries/endpoints/<int:endpoint_id>/secret, POST deliveries/endpoints/<int:endpoint_id>/<slug:action>",
}
"""Who leaves an entry of something done, where the fields that all forms are sent are enough for it."""
