"""Policies in the admin: saving publishes a new version, rearranges, or both; versions are only read."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from approvals.diff.summary import MARK_TITLES
from approvals.errors import Invalid
from approvals.models import MAX_REASON, Policy, PolicyVersion, User
from approvals.services import policies, second_person

from .kinds import Kept, acting

SWITCHES = ("name", "position", "enabled")
CLOCKS = (
    "sla_warn_seconds", "sla_due_seconds", "escalate_after_seconds", "escalation", "reminder_percents",
    "expire_after_seconds", "expire_action",
)  # fmt: skip
AUTOMATIC = (
    "auto_approval", "auto_approve_threshold", "spot_check_percent", "location_slack", "allowed_marks",
    "gate_conditions",
)  # fmt: skip
PEOPLE = (
    "required_approvals", "required_groups", "known_submitter", "decider_groups", "deny_threshold", "step_up",
    "second_factor",
)  # fmt: skip
COUNTED_FROM = "In seconds from the patch's arrival (60 a minute, 3600 an hour, 86400 a day); empty means never."


LABELS = {
    "match": "Condition (CEL)",
    "auto_approval": "Mode",
    "auto_approve_threshold": "Least ML confidence",
    "spot_check_percent": "Spot checks, percent",
    "location_slack": "Lines outside the declared locations",
    "allowed_marks": "Marks that do not stop it",
    "gate_conditions": "Let a gate's own conditions approve it",
    "required_approvals": "Approvals",
    "required_groups": "At least one from each of",
    "known_submitter": "An unknown submitter needs a lead",
    "decider_groups": "Who decides",
    "deny_threshold": "Rejections that end it",
    "step_up": "Ask for a fresh sign-in to approve",
    "second_factor": "Ask for a code or security key to approve",
    "sla_warn_seconds": "SLA warning",
    "sla_due_seconds": "SLA breach",
    "escalate_after_seconds": "Escalate to the leads",
    "escalation": "Further levels (JSON)",
    "reminder_percents": "Reminders, percent of the time to its end",
    "expire_after_seconds": "End",
    "expire_action": "When the time ends",
    "position": "Place, the lowest is asked first",
    "enabled": "Switched on",
}


def term(name: str, **options: Any) -> Any:
    """Return the form field of a version's column."""
    return PolicyVersion._meta.get_field(name).formfield(**options)  # type: ignore[union-attr]


def groups(name: str) -> forms.ModelMultipleChoiceField:  # type: ignore[type-arg]
    """Return the form field of a column that lists groups by name."""
    return forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"),
        to_field_name="name",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=PolicyVersion._meta.get_field(name).help_text,  # type: ignore[union-attr]
    )


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A policy's place and switch, and its current version's terms."""

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    match = term("match", widget=forms.Textarea(attrs={"rows": 3, "cols": 80, "spellcheck": "false"}))
    auto_approval = term("auto_approval")
    auto_approve_threshold = term("auto_approve_threshold")
    required_approvals = term("required_approvals")
    required_groups = groups("required_groups")
    known_submitter = term("known_submitter")
    decider_groups = groups("decider_groups")
    deny_threshold = term("deny_threshold")
    step_up = term("step_up")
    second_factor = term("second_factor")
    spot_check_percent = term("spot_check_percent")
    location_slack = term("location_slack")
    allowed_marks = forms.MultipleChoiceField(
        required=False,
        choices=list(MARK_TITLES.items()),
        widget=forms.CheckboxSelectMultiple,
        help_text=PolicyVersion._meta.get_field("allowed_marks").help_text,
    )
    gate_conditions = term("gate_conditions")
    sla_warn_seconds = term("sla_warn_seconds")
    sla_due_seconds = term("sla_due_seconds")
    escalate_after_seconds = term("escalate_after_seconds")
    escalation = term("escalation", widget=forms.Textarea(attrs={"rows": 3, "cols": 80, "spellcheck": "false"}))
    reminder_percents = term("reminder_percents")
    expire_after_seconds = term("expire_after_seconds")
    expire_action = term("expire_action")
    reason = forms.CharField(
        required=False,
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80}),
        help_text="Needed for a change that loosens the policy, which then waits for a second person.",
    )

    class Meta:
        model = Policy
        fields = SWITCHES

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, words in LABELS.items():
            if name in self.fields:
                self.fields[name].label = words
        if current := self.instance.current:
            self.initial.update({name: getattr(current, name) for name in policies.TERMS}, seen=current.version)

    def clean_required_groups(self) -> list[str]:
        return sorted(group.name for group in self.cleaned_data["required_groups"])

    def clean_decider_groups(self) -> list[str]:
        return sorted(group.name for group in self.cleaned_data["decider_groups"])

    def clean_escalation(self) -> list[dict[str, Any]]:
        return self.cleaned_data["escalation"] or []

    def clean(self) -> dict[str, Any]:
        """Show at its field what the services would refuse."""
        values = super().clean() or {}
        if self.errors:
            return values
        current = self.instance.current
        if current and values["seen"] != current.version:
            raise ValidationError(
                f"{current.created_by} published version {current.version} after you opened this page. "
                "Nothing was saved; open it again and look at the present terms."
            )
        try:
            others = {field.name for field in PolicyVersion._meta.fields} - set(policies.TERMS)
            PolicyVersion(**self.terms()).clean_fields(exclude=others)
            policies.check_terms(self.instance, self.terms())
            policies.check_place(self.as_asked())
            self.check_reason(values["reason"])
        except ValidationError as error:
            self.add_error(None, error)
        except Invalid as error:
            # Lines with a bar repeat the condition to point at a column, which the words name too.
            lines = [line for line in error.detail.splitlines() if not line.startswith("|")]
            for wrong in error.errors or []:
                self.add_error(wrong["loc"][0], lines)
        return values

    def check_reason(self, reason: str) -> None:
        """Raise Invalid where this loosens the policy and does not say why."""
        second_person.check_change(self.as_asked(), self.terms(), reason)

    def terms(self) -> dict[str, Any]:
        """Return the columns of the version these words make."""
        return {name: self.cleaned_data[name] for name in policies.TERMS}

    def as_asked(self) -> Policy:
        switches = {name: self.cleaned_data[name] for name in SWITCHES}
        return Policy(pk=self.instance.pk, is_default=self.instance.is_default, **switches)


class VersionInline(admin.TabularInline):  # type: ignore[type-arg]
    """What the policy said before, who said so and when."""

    model = PolicyVersion
    verbose_name_plural = "versions, the newest first"
    fields = (
        "version", "created_at", "created_by", "match", *AUTOMATIC, *PEOPLE, *CLOCKS, "sha256",
    )  # fmt: skip
    extra = max_num = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PolicyVersion]:
        return super().get_queryset(request).select_related("policy").order_by("-version")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Policy)
class PolicyAdmin(Kept):
    """Asked in the order of their positions; the first whose condition holds covers the patch."""

    form = PolicyForm
    list_display = ("name", "position", "enabled", "is_default", "version", "mode", "approvals", "published")
    list_select_related = ("current",)
    search_fields = ("name",)
    ordering = ("position",)
    inlines = (VersionInline,)

    @admin.display(description="Version")
    def version(self, policy: Policy) -> int | None:
        return policy.current.version if policy.current else None

    @admin.display(description="Automatic approval")
    def mode(self, policy: Policy) -> str:
        return policy.current.auto_approval if policy.current else ""

    @admin.display(description="Approvals")
    def approvals(self, policy: Policy) -> str:
        if policy.current is None:
            return ""
        return ", ".join([str(policy.current.required_approvals), *policy.current.required_groups])

    @admin.display(description="Published by")
    def published(self, policy: Policy) -> str:
        return policy.current.created_by if policy.current else ""

    def get_fieldsets(self, request: HttpRequest, obj: Policy | None = None) -> Any:
        """Give readers without the form its name and place; they find the terms among the versions."""
        place = (None, {"fields": (*SWITCHES, "seen"), "description": "Asked by position, the lowest first."})
        if obj is not None and not self.has_change_permission(request, obj):
            return ((None, {"fields": SWITCHES}),)
        return (
            place,
            ("Why", {"fields": ("reason",)}),
            ("Covers", {"fields": ("match",)}),
            ("Automatic approval", {"fields": AUTOMATIC}),
            ("Approval by people", {"fields": PEOPLE}),
            ("Clocks", {"fields": CLOCKS, "description": COUNTED_FROM}),
        )

    def save_model(self, request: HttpRequest, obj: Policy, form: Any, change: bool) -> None:
        user = cast(User, request.user)
        reason = form.cleaned_data["reason"]
        if second_person.change_policy(obj, form.terms(), reason=reason, user=user, **acting(request)):
            messages.warning(request, "This loosens the policy: it waits on the Policies page for a second person.")
