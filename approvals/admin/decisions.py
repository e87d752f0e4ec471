"""Decisions in the admin: to read, and to cancel, escalate or revoke several at once with a reason."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.template.response import TemplateResponse

from approvals.errors import Refusal
from approvals.forms import ReasonForm
from approvals.models import NO_DEADLINE, Channel, Decision, FeedEntry, PatchKind, Revocation
from approvals.policy.visible_fields import VISIBLE
from approvals.queries.history import of_kind
from approvals.services import lifecycle

from .kinds import Record, acting, signed_in
from .records import UNLISTED, decisions_found

MOST = 100
"""More in one request would hold the page for too long."""

Act = Callable[[HttpRequest, Decision, str], object]


SIGHT = {name: name for name in VISIBLE} | {"decided_by_user": "decided_by", "patch": "patch_id"}
"""A decision's columns as `policy.visible_fields` calls them; those it does not have are clocks and bookkeeping."""


class KindFilter(admin.SimpleListFilter):
    """Patches or workflow gates, under the words of the queue and the history."""

    title = parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(PatchKind.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Decision]) -> QuerySet[Decision]:
        return queryset.filter(of_kind(self.value() or "")) if self.value() in PatchKind.values else queryset


@admin.register(Decision)
class DecisionAdmin(Record):
    """Read-only but for the three actions, which the services grant to leads by group, not to superusers."""

    list_display = (
        "patch", "kind", "status", "priority", "approved_by", "escalation_level", "created_at", "due", "decided_by",
        "decided_at", "decision_id",
    )  # fmt: skip
    list_filter = ("status", KindFilter, "priority", "decided_by_kind", "channel", "created_at", "decided_at")
    list_select_related = ("patch",)
    sight = SIGHT
    unlisted = ("trace", *(f"patch__{column}" for column in UNLISTED))
    search_fields = ("decision_id", "patch")
    search_help_text = "A decision's id, a patch's digest, or words: patch id, CVE, package, title, producer."
    fields = (
        "decision_id", "alias", "patch", "status", "decided_by_kind", "decided_by", "decided_by_user", "decided_at",
        "channel", "cause", "category", "reason", "priority", "policy_version", "required_approvals",
        "required_groups", "approvals", "bypass", "would_auto_approve", "trace", "created_at", "warns", "due",
        "escalates", "expires", "expire_action", "escalation_level",
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-id",)
    actions = ("cancel", "escalate", "revoke")

    def found(self, rows: QuerySet[Decision], text: str) -> QuerySet[Decision]:
        return rows & decisions_found(text)

    def view_on_site(self, obj: Any) -> str:
        return resolve_url("patch-detail", obj.decision_id)

    @admin.display(description="Kind")
    def kind(self, decision: Decision) -> str:
        return decision.patch.get_kind_display()

    @admin.display(description="Approvals")
    def approved_by(self, decision: Decision) -> str:
        return f"{decision.approvals} of {decision.required_approvals}"

    @admin.display(description="SLA warns")
    def warns(self, decision: Decision) -> datetime | None:
        return _deadline(decision.sla_warn_at)

    @admin.display(description="SLA due", ordering="sla_due_at")
    def due(self, decision: Decision) -> datetime | None:
        return _deadline(decision.sla_due_at)

    @admin.display(description="Escalates")
    def escalates(self, decision: Decision) -> datetime | None:
        return _deadline(decision.escalate_at)

    @admin.display(description="Expires")
    def expires(self, decision: Decision) -> datetime | None:
        return _deadline(decision.expire_at)

    @admin.action(description="Cancel selected decisions", permissions=["view"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Decision]) -> HttpResponse:
        return self._each(request, queryset, "cancel", "cancelled", _cancel)

    @admin.action(description="Escalate selected decisions", permissions=["view"])
    def escalate(self, request: HttpRequest, queryset: QuerySet[Decision]) -> HttpResponse:
        return self._each(request, queryset, "escalate", "escalated to the security leads", _escalate)

    @admin.action(description="Revoke selected approvals", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Decision]) -> HttpResponse:
        return self._each(request, queryset, "revoke", "revoked; deployers see it in the feed", _revoke)

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Decision], action: str, done: str, act: Act
    ) -> HttpResponse:
        """Ask for a reason first; then act on each decision by itself and say what happened to it."""
        chosen = list(queryset.order_by("id")[: MOST + 1])
        if len(chosen) > MOST:
            self.message_user(request, f"Choose at most {MOST} decisions; nothing was changed.", messages.ERROR)
            return redirect("admin:approvals_decision_changelist")
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, chosen, action, form)
        for decision in chosen:
            name = f"{decision.patch} ({decision.decision_id})"
            try:
                act(request, decision, form.cleaned_data["reason"])
            except Refusal as error:
                self.message_user(request, f"{name}: not done. {error.detail}", messages.ERROR)
            else:
                self.message_user(request, f"{name}: {done}.", messages.SUCCESS)
        return redirect("admin:approvals_decision_changelist")

    def _ask(self, request: HttpRequest, chosen: list[Decision], action: str, form: ReasonForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.capitalize()} {len(chosen)} decision{'s' if len(chosen) > 1 else ''}",
            "opts": self.opts,
            "decisions": chosen,
            "action": action,
            "form": form,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, "admin/approvals/decision/reason.html", context, status=status)


def _cancel(request: HttpRequest, decision: Decision, reason: str) -> object:
    user = signed_in(request)
    return lifecycle.cancel(decision.decision_id, reason, user=user, channel=Channel.ADMIN, **acting(request))


def _escalate(request: HttpRequest, decision: Decision, reason: str) -> object:
    return lifecycle.escalate(
        decision.decision_id, reason, user=signed_in(request), channel=Channel.ADMIN, **acting(request)
    )


def _revoke(request: HttpRequest, decision: Decision, reason: str) -> object:
    return lifecycle.revoke(
        decision.decision_id, reason, user=signed_in(request), channel=Channel.ADMIN, **acting(request)
    )


def _deadline(at: datetime) -> datetime | None:
    return None if at == NO_DEADLINE else at


@admin.register(Revocation)
class RevocationAdmin(Record):
    sight = {
        "decision": "decision_id",
        "revoked_by": "revocation.revoked_by",
        "revoked_by_user": "revocation.revoked_by",
        "reason": "revocation.reason",
        "revoked_at": "revocation.revoked_at",
    }
    list_display = ("decision", "revoked_by", "revoked_at")
    list_filter = ("revoked_at",)
    list_select_related = ("decision",)
    unlisted = ("decision__trace",)
    search_fields = ("decision",)
    search_help_text = "A decision's id, a patch's digest, or words of the patch."
    fields = readonly_fields = ("decision", "revoked_by", "revoked_by_user", "reason", "revoked_at")
    ordering = ("-id",)

    def found(self, rows: QuerySet[Revocation], text: str) -> QuerySet[Revocation]:
        return rows.filter(decision__in=decisions_found(text))


@admin.register(FeedEntry)
class FeedEntryAdmin(Record):
    list_display = ("position", "decision", "status", "at")
    list_filter = ("status",)
    list_select_related = ("decision",)
    unlisted = ("decision__trace",)
    search_fields = ("position", "decision")
    search_help_text = "A position, a decision's id, a patch's digest, or words of the patch."
    fields = readonly_fields = ("position", "decision", "status", "at")
    ordering = ("-position",)

    def found(self, rows: QuerySet[FeedEntry], text: str) -> QuerySet[FeedEntry]:
        if text.isdecimal() and len(text) < 19:
            return rows.filter(position=int(text))
        return rows.filter(decision__in=decisions_found(text))
