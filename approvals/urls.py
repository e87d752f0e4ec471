"""The pages' addresses."""

from allauth.account.views import account_inactive, signup
from allauth.mfa.base.views import reauthenticate
from allauth.mfa.recovery_codes.views import download_recovery_codes, generate_recovery_codes, view_recovery_codes
from allauth.mfa.totp.views import activate_totp, deactivate_totp
from allauth.mfa.webauthn.views import add_webauthn, reauthenticate_webauthn, remove_webauthn
from allauth.socialaccount.views import login_cancelled, login_error
from django.urls import include, path

from approvals.accounts.views import account_page, confirm, password, sign_in, single_sign_on
from approvals.accounts.views.second_factor import by_ones_own, proving, recorded
from approvals.analytics.views import analytics
from approvals.views import (
    absence,
    bulk,
    bypasses,
    comment,
    content,
    decide,
    deliveries,
    deployments,
    endpoints,
    export,
    facets,
    history,
    imported,
    lifecycle,
    patch,
    policies,
    proposals,
    queue,
    revocation,
    slack,
    text,
    updates,
    workbench,
)

patches = "patches/<uuid:decision_id>"

urlpatterns = [
    # /
    path("", queue.queue, name="queue"),
    path("cards", updates.cards, name="queue-cards"),
    path("counts", updates.counts, name="queue-counts"),
    path("facets/<slug:name>", facets.facet, name="facet"),
    path("bulk", bulk.bulk, name="bulk"),
    path("views", workbench.save_view, name="view-save"),
    path("views/<int:view_id>/delete", workbench.delete_view, name="view-delete"),
    path("history", history.history, name="history"),
    path("history/imported", imported.index, name="imported"),
    path("history/imported/<int:imported_id>", imported.detail, name="imported-detail"),
    path("history.csv", export.history_csv, name="history-csv"),
    path("revoke", revocation.revoke, name="revoke"),
    path("deployments", deployments.deployments, name="deployments"),
    path("analytics", analytics, name="analytics"),
    # /deliveries
    path("deliveries", deliveries.deliveries, name="deliveries"),
    path("deliveries/replay", deliveries.replay, name="deliveries-replay"),
    path("deliveries/endpoints/new", endpoints.new, name="endpoint-new"),
    path("deliveries/endpoints/<int:endpoint_id>", endpoints.edit, name="endpoint"),
    path("deliveries/endpoints/<int:endpoint_id>/secret", endpoints.replace_secret, name="endpoint-secret"),
    path("deliveries/endpoints/<int:endpoint_id>/<slug:action>", endpoints.act, name="endpoint-act"),
    # /policies
    path("policies", policies.index, name="policies"),
    path("policies/new", policies.edit, name="policy-new"),
    path("policies/switch", policies.switch, name="policy-switch"),
    path("policies/proposals/<int:proposal_id>/<slug:answer>", proposals.decide, name="proposal-decide"),
    path("policies/<int:policy_id>", policies.detail, name="policy-detail"),
    path("policies/<int:policy_id>/edit", policies.edit, name="policy-edit"),
    # /bypasses
    path("bypasses", bypasses.index, name="bypasses"),
    path("bypasses/<int:bypass_id>/<slug:answer>", bypasses.decide, name="bypass-decide"),
    path("bypasses/uses/<uuid:decision_id>", bypasses.review, name="bypass-review"),
    # /patches/<decision_id>
    path(patches, patch.detail, name="patch-detail"),
    path(f"{patches}/files/<slug:key>", patch.file, name="patch-file"),
    path(f"{patches}/text/<slug:part>", text.text, name="patch-text"),
    path(f"{patches}/compare/<int:revision>", content.compare, name="patch-compare"),
    path(f"{patches}/compare/<uuid:other_id>", content.compare_patches, name="patch-compare-patches"),
    path(f"{patches}/raw", content.raw, name="patch-raw"),
    path(f"{patches}/panel", updates.panel, name="patch-panel"),
    path(f"{patches}/outcome", updates.outcome, name="patch-outcome"),
    path(f"{patches}/decide", decide.decide, name="patch-decide"),
    path(f"{patches}/confirm", confirm.elsewhere, name="patch-confirm"),
    path(f"{patches}/comments", comment.comment, name="patch-comment"),
    path(f"{patches}/escalate", lifecycle.act, {"name": "escalate"}, name="patch-escalate"),
    path(f"{patches}/extend", lifecycle.extend, name="patch-extend"),
    path(f"{patches}/cancel", lifecycle.act, {"name": "cancel"}, name="patch-cancel"),
    path(f"{patches}/revoke", lifecycle.act, {"name": "revoke"}, name="patch-revoke"),
    path(f"{patches}/withdraw", lifecycle.act, {"name": "withdraw"}, name="patch-withdraw"),
    path(f"{patches}/viewed", workbench.tick, name="patch-viewed"),
    path(f"{patches}/presence", workbench.presence, name="patch-presence"),
    path(f"{patches}/<str:action>", patch.card_action, name="card-action"),
    # /accounts; allauth reaches ours by the names it knows
    path("accounts/", account_page.page, name="account"),
    path("accounts/sign-out-everywhere", account_page.sign_out_everywhere, name="sign-out-everywhere"),
    path("accounts/sessions/<int:pk>/end", account_page.end_session, name="session-end"),
    path("accounts/password", password.password, name="password"),
    path("accounts/link/<str:secret>", password.link, name="link"),
    path("accounts/confirm-change", account_page.confirm_change, name="confirm-change"),
    path("accounts/tokens", account_page.issue_token, name="token-issue"),
    path("accounts/tokens/<int:pk>/revoke", account_page.revoke_token, name="token-revoke"),
    path("accounts/login", sign_in.SignIn.as_view(), name="login"),
    path("accounts/logout", sign_in.sign_out, name="logout"),
    path("accounts/login", sign_in.SignIn.as_view(), name="account_login"),
    path("accounts/logout", sign_in.sign_out, name="account_logout"),
    path("accounts/inactive", account_inactive, name="account_inactive"),
    path("accounts/signup", signup, name="account_signup"),
    path("accounts/confirm", confirm.confirm, name="confirm"),
    path("accounts/confirm", confirm.confirm, name="account_reauthenticate"),
    path("accounts/2fa/totp/activate/", recorded(by_ones_own(activate_totp)), name="mfa_activate_totp"),
    path("accounts/2fa/totp/deactivate/", recorded(by_ones_own(deactivate_totp)), name="mfa_deactivate_totp"),
    path(
        "accounts/2fa/recovery-codes/generate/",
        recorded(by_ones_own(generate_recovery_codes)),
        name="mfa_generate_recovery_codes",
    ),
    path("accounts/2fa/recovery-codes/", by_ones_own(view_recovery_codes), name="mfa_view_recovery_codes"),
    path(
        "accounts/2fa/recovery-codes/download/",
        by_ones_own(download_recovery_codes),
        name="mfa_download_recovery_codes",
    ),
    path("accounts/2fa/webauthn/add/", recorded(by_ones_own(add_webauthn)), name="mfa_add_webauthn"),
    path(
        "accounts/2fa/webauthn/keys/<int:pk>/remove/",
        recorded(by_ones_own(remove_webauthn)),
        name="mfa_remove_webauthn",
    ),
    path("accounts/2fa/reauthenticate/", proving(reauthenticate), name="mfa_reauthenticate"),
    path("accounts/2fa/webauthn/reauthenticate/", proving(reauthenticate_webauthn), name="mfa_reauthenticate_webauthn"),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/oidc/<str:provider_id>/login/", single_sign_on.login, name="openid_connect_login"),
    path("accounts/oidc/<str:provider_id>/login/callback/", single_sign_on.callback, name="openid_connect_callback"),
    path("accounts/oidc/cancelled", login_cancelled, name="socialaccount_login_cancelled"),
    path("accounts/oidc/error", login_error, name="socialaccount_login_error"),
    path("accounts/theme", sign_in.theme, name="theme"),
    path("accounts/absence", absence.absence, name="absence"),
    path("accounts/absence/<int:delegation_id>/end", absence.end, name="absence-end"),
    path("accounts/keys", sign_in.keys, name="keys"),
    path("accounts/slack", account_page.slack_code, name="slack-code"),
    path("accounts/slack/unlink", account_page.unlink_slack, name="slack-unlink"),
    # /chat: what chats send, signed by them
    path("chat/slack", slack.receive, name="chat-slack"),
]
