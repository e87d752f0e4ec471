"""Groups in the admin: what their members may; every change with its entry, nothing deleted."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from approvals.accounts.services import account_changes, rights
from approvals.permissions import SHIPPED_GROUPS
from approvals.queries.deciders import is_asked_for, permission_rows, permissions_of, spelled
from approvals.services import second_person

from .asking import WAITS, ask, changed, check, reason_field
from .kinds import Kept, acting, signed_in

FIELDS = ("name", "permissions")
GROUP_RULES = (
    "The shipped groups, and those a policy or a waiting decision asks for, keep their name. "
    "Groups are never deleted, and nobody changes the permissions of a group they are in."
)


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]
    reason = reason_field()

    class Meta:
        model = Group
        fields = FIELDS

    def asked(self) -> frozenset[str]:
        """Return the permissions the form asks for; where it does not show them they stay."""
        if "permissions" in self.cleaned_data:
            return spelled(self.cleaned_data["permissions"].select_related("content_type"))
        return permissions_of(self.instance)

    def keep(self, alone: frozenset[str]) -> None:
        """Leave to save only what one person may grant."""
        if "permissions" in self.cleaned_data:
            self.cleaned_data["permissions"] = permission_rows(alone)

    def clean_name(self) -> str:
        """Refuse the name that something asks for and no group has: its members would decide from now on."""
        name: str = self.cleaned_data["name"]
        if self.instance.pk and name != self.instance.name and is_asked_for(name):
            raise forms.ValidationError("A policy or a waiting decision asks for a group of this name.")
        return name

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            check(self, rights.split_group(self.instance, self.asked())[1])
        return values


class GroupAdmin(Kept, DjangoGroupAdmin):
    """What the members of a group may do."""

    form = GroupForm

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody whose account is held says what others may do."""
        return signed_in(request).held_since is None and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return signed_in(request).held_since is None and super().has_change_permission(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        may = obj is None or self.has_change_permission(request, obj)
        if second_person.required() and may and not is_in(request, obj):
            return ((None, {"fields": (*FIELDS, "reason"), "description": f"{GROUP_RULES} {WAITS}"}),)
        return ((None, {"fields": FIELDS, "description": GROUP_RULES}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        if obj is None:
            return []
        return (["name"] if keeps_its_name(obj) else []) + (["permissions"] if is_in(request, obj) else [])

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        """Do nothing yet: `save_related` writes name, permissions and entry together."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        group: Group = form.instance
        kept = Group.objects.select_for_update().get(pk=group.pk) if change else group
        old = account_changes.group_facts(kept) if change else None
        alone, waits = rights.split_group(kept, form.asked())
        form.keep(alone)
        super().save_model(request, group, form, change)
        super().save_related(request, form, formsets, change)
        form.changed_data = changed(form, old, account_changes.group_facts(group))
        if form.changed_data or not change:
            account_changes.record_group_change(group, old, **acting(request))
        ask(self, request, form, waits)


def is_in(request: HttpRequest, group: Group | None) -> bool:
    return group is not None and signed_in(request).groups.filter(pk=group.pk).exists()


def keeps_its_name(group: Group) -> bool:
    """Return whether another name would leave something asking for a group that is not there."""
    return group.name in SHIPPED_GROUPS or is_asked_for(group.name)


admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)
