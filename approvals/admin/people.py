"""Users in the admin: every change with its entry, nobody their own rights, nothing deleted.

What adds deciders waits on the Policies page for a second person; the rest of the form is saved at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from approvals.models import User
from approvals.policy.deciders import Rights
from approvals.queries.deciders import rights_of
from approvals.services import access, identity, rights, second_person

from .asking import WAITS, ask, changed, check, reason_field
from .kinds import Kept, acting, signed_in

RIGHTS = ("is_active", "is_staff", "is_superuser", "groups")
OWN_RIGHTS = "Nobody changes their own groups and rights: ask another administrator."
RULES = (
    "What a person may decide comes from their groups alone; a superuser administers and decides nothing. "
    "Accounts are never deleted: take 'active' away, and the person is signed out at their next request."
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
    reason = reason_field()

    class Meta(UserChangeForm.Meta):
        model = User

    def asked(self) -> Rights:
        """Return the rights the form asks for; what it does not show stays."""
        now, given = rights_of(User.objects.get(pk=self.instance.pk)), self.cleaned_data
        flags = {name: given.get(column, getattr(now, name)) for name, column in rights.FLAGS.items()}
        groups = frozenset(group.name for group in given["groups"]) if "groups" in given else now.groups
        return Rights(groups=groups, **flags)

    def keep(self, alone: Rights) -> None:
        """Leave to save only what one person may give."""
        for name, column in rights.FLAGS.items():
            setattr(self.instance, column, getattr(alone, name))
        if "groups" in self.cleaned_data:
            self.cleaned_data["groups"] = [each for each in self.cleaned_data["groups"] if each.name in alone.groups]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            check(self, rights.split_person(self.instance, self.asked())[1])
        return values

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
        may = self.has_change_permission(request, obj) and obj.pk != signed_in(request).pk
        asks = may and second_person.required()
        rules = OWN_RIGHTS if obj.pk == signed_in(request).pk else f"{RULES} {WAITS if asks else ''}"
        return (
            (None, {"fields": ("username", "password")}),
            ("Person", {"fields": ("first_name", "last_name", "email", "time_zone", "theme", "single_keys")}),
            ("Rights", {"fields": (*RIGHTS, "reason") if asks else RIGHTS, "description": rules}),
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
        old, waits = None, rights.NOTHING
        if change:
            kept = User.objects.select_for_update().get(pk=user.pk)
            old = access.user_facts(kept)
            alone, waits = rights.split_person(kept, form.asked())
            form.keep(alone)
        super().save_model(request, user, form, change)
        super().save_related(request, form, formsets, change)
        form.changed_data = changed(form, old, access.user_facts(user))
        if form.changed_data or not change:
            access.record_user_change(user, old, fields=form.changed_data if change else (), **acting(request))
        ask(self, request, form, waits)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        user = self.get_object(request, unquote(id))
        if user is None:
            return super().user_change_password(request, id, form_url)
        if user.pk == signed_in(request).pk:  # this form does not ask for the present one
            return redirect("password")
        with password_recorded(request, user):
            return super().user_change_password(request, id, form_url)
