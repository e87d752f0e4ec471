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
from approvals.policy.term_table import TERMS, Section, Term, Widget, names_in
from approvals.services import policies, second_person

from .kinds import Kept, acting

SWITCHES = ("name", "position", "enabled")
AUTOMATIC, PEOPLE, CLOCKS = (names_in(one) for one in (Section.AUTOMATIC, Section.PEOPLE, Section.CLOCKS))
COUNTED_FROM = "In seconds from the patch's arrival (60 a minute, 3600 an hour, 86400 a day); empty means never."


class GroupNames(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Groups to tick, whose names are the value."""

    def __init__(self, **options: Any) -> None:
        rows, ticks = Group.objects.order_by("name"), forms.CheckboxSelectMultiple
        super().__init__(rows, to_field_name="name", required=False, widget=ticks, **options)

    def clean(self, value: Any) -> Any:
        return sorted(group.name for group in super().clean(value))


def field_of(term: Term) -> Any:
    """Return the form field of a term."""
    column: Any = PolicyVersion._meta.get_field(term.name)
    told = {"label": term.label, "help_text": column.help_text}
    if term.widget == Widget.GROUPS:
        return GroupNames(**told)
    if term.widget == Widget.MARKS:
        marks, ticks = list(MARK_TITLES.items()), forms.CheckboxSelectMultiple
        return forms.MultipleChoiceField(required=False, choices=marks, widget=ticks, **told)
    if term.widget == Widget.CODE:
        told["widget"] = forms.Textarea(attrs={"rows": 3, "cols": 80, "spellcheck": "false"})
    return column.formfield(**told)


TermsForm: Any = type("TermsForm", (forms.Form,), {name: field_of(term) for name, term in TERMS.items()})


class PolicyForm(forms.ModelForm, TermsForm):  # type: ignore[misc, type-arg]
    """A policy's place and switch, and its current version's terms."""

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        required=False,
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80}),
        help_text="Needed for a change that loosens the policy, which then waits for a second person.",
    )

    class Meta:
        model = Policy
        fields = SWITCHES
        labels = {"position": "Place, the lowest is asked first", "enabled": "Switched on"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if current := self.instance.current:
            self.initial.update({name: getattr(current, name) for name in TERMS}, seen=current.version)

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
            others = {field.name for field in PolicyVersion._meta.fields} - set(TERMS)
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
                self.add_error(wrong["loc"][-1], lines)
        return values

    def check_reason(self, reason: str) -> None:
        """Raise Invalid where this loosens the policy and does not say why."""
        second_person.check_change(self.as_asked(), self.terms(), reason)

    def terms(self) -> dict[str, Any]:
        """Return the columns of the version these words make."""
        return {name: self.cleaned_data[name] for name in TERMS}

    def as_asked(self) -> Policy:
        switches = {name: self.cleaned_data[name] for name in SWITCHES}
        return Policy(pk=self.instance.pk, is_default=self.instance.is_default, **switches)


class VersionInline(admin.TabularInline):  # type: ignore[type-arg]
    """What the policy said before, who said so and when."""

    model = PolicyVersion
    verbose_name_plural = "versions, the newest first"
    fields = ("version", "created_at", "created_by", *TERMS, "sha256")
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
            (Section.COVERS.value, {"fields": names_in(Section.COVERS)}),
            (Section.AUTOMATIC.value, {"fields": AUTOMATIC}),
            (Section.PEOPLE.value, {"fields": PEOPLE}),
            (Section.CLOCKS.value, {"fields": CLOCKS, "description": COUNTED_FROM}),
        )

    def save_model(self, request: HttpRequest, obj: Policy, form: Any, change: bool) -> None:
        user = cast(User, request.user)
        reason = form.cleaned_data["reason"]
        if second_person.change_policy(obj, form.terms(), reason=reason, user=user, **acting(request)):
            messages.warning(request, "This loosens the policy: it waits on the Policies page for a second person.")
