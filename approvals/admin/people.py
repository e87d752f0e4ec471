"""Users and groups in the admin: every change with its entry, nobody their own rights, nothing deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from approvals.models import Decision, PolicyVersion, Status, User
from approvals.services import access, identity
from approvals.services.defaults import GROUPS

from .kinds import Kept, acting, signed_in

RIGHTS = ("is_active", "is_staff", "is_superuser", "groups")
OWN_RIGHTS = "Nobody changes their own groups and rights: ask another administrator."
RULES = (
    "What a person may decide comes from their groups alone; a superuser administers and decides nothing. "
    "Accounts are never deleted: take 'active' away, and the person is signed out at their next request."
)
GROUP_RULES = (
    "The shipped groups, and those a policy or a waiting decision asks for, keep their name. "
    "Groups are never deleted, and nobody changes the permissions of a group they are in."
)


@contextmanager
def password_recorded(request: HttpRequest, user: User) -> Iterator[None]:
    """Run a password form of Django's and write the entry in its transaction, if there is a new password."""
    if request.method != "POST":
        yield
        return
    with transaction.atomic():
        before = User.objects.select_for_update().get(pk=user.pk)
        old = access.user_facts(before)
        yield
        after = User.objects.get(pk=user.pk)
        if after.password != before.password:
            access.record_user_change(after, old, fields=["password"], **acting(request))


class PersonForm(UserChangeForm):  # type: ignore[type-arg]
    class Meta(UserChangeForm.Meta):
        model = User

    def clean_username(self) -> str:
        """Refuse at the field what the database would refuse: two spellings of one name."""
        name: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("A user with that user name exists; capitals make no difference.")
        return name


class NewPersonForm(AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta(AdminUserCreationForm.Meta):
        model = User
        fields = ("username", "email", "first_name", "last_name")


@admin.register(User)
class UserAdmin(Kept, DjangoUserAdmin):  # type: ignore[type-arg]
    """Everything about an account but its single permissions, which no rule reads."""

    form = PersonForm
    add_form = NewPersonForm
    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_staff", "is_superuser")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    filter_horizontal = ("groups",)
    actions = ("remove_factors",)
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "description": "Groups and rights are on the next page.",
                "fields": (
                    "username", "email", "first_name", "last_name", "usable_password", "password1", "password2"
                ),
            },
        ),
    )  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        rules = OWN_RIGHTS if obj.pk == signed_in(request).pk else RULES
        return (
            (None, {"fields": ("username", "password")}),
            ("Person", {"fields": ("first_name", "last_name", "email", "time_zone", "theme", "single_keys")}),
            ("Rights", {"fields": RIGHTS, "description": rules}),
            ("Dates", {"fields": ("last_login", "date_joined")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        dates = ("last_login", "date_joined")
        if obj is not None and obj.pk == signed_in(request).pk:
            return (*dates, *RIGHTS)
        return dates if signed_in(request).is_superuser else (*dates, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only a superuser changes a superuser: a new password would be a way to become one."""
        if obj is not None and obj.is_superuser and not signed_in(request).is_superuser:
            return False
        return super().has_change_permission(request, obj)

    @admin.action(permissions=["change"], description="Remove the second factors of the selected people")
    def remove_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """For those who lost phone, key and recovery codes; one's own go by proving them, on one's account page."""
        may = [
            user for user in queryset if user.pk != signed_in(request).pk and self.has_change_permission(request, user)
        ]
        done = sum(identity.remove_factors(user, **acting(request)) for user in may)
        self.message_user(request, f"Second factors of {done} removed; they are signed out everywhere.")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Do nothing yet: `save_related` writes account, groups and entry together."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        user: User = form.instance
        old = access.user_facts(User.objects.select_for_update().get(pk=user.pk)) if change else None
        super().save_model(request, user, form, change)
        super().save_related(request, form, formsets, change)
        if form.has_changed():
            access.record_user_change(user, old, fields=form.changed_data if change else (), **acting(request))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        user = self.get_object(request, unquote(id))
        if user is None:
            return super().user_change_password(request, id, form_url)
        with password_recorded(request, user):
            return super().user_change_password(request, id, form_url)


class GroupAdmin(Kept, DjangoGroupAdmin):
    """What the members of a group may do."""

    fieldsets = ((None, {"fields": ("name", "permissions"), "description": GROUP_RULES}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        if obj is None:
            return []
        own = signed_in(request).groups.filter(pk=obj.pk).exists()
        return (["name"] if keeps_its_name(obj) else []) + (["permissions"] if own else [])

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        """Do nothing yet: `save_related` writes name, permissions and entry together."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        group: Group = form.instance
        old = access.group_facts(Group.objects.select_for_update().get(pk=group.pk)) if change else None
        super().save_model(request, group, form, change)
        super().save_related(request, form, formsets, change)
        if form.has_changed():
            access.record_group_change(group, old, **acting(request))


def keeps_its_name(group: Group) -> bool:
    """Return whether another name would leave something asking for a group that is not there."""
    asked = {"required_groups__contains": [group.name]}
    return (
        group.name in GROUPS
        or PolicyVersion.objects.filter(current_of__isnull=False, **asked).exists()
        or Decision.objects.filter(status=Status.PENDING, **asked).exists()
    )


admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)
