"""Users in the admin: every change with its entry, nobody their own rights, nobody's password, nothing deleted.

What adds deciders waits on the Policies page for a second person; the rest of the form is saved at once. What changes
how somebody signs in holds their account (`accounts.services.recovery`).
"""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path

from approvals.accounts.services import account_changes, identity, owners, recovery, rights
from approvals.models import User
from approvals.policy.deciders import Rights
from approvals.queries.deciders import lock_groups, rights_of
from approvals.queries.people import why_not_a_name
from approvals.services import second_person

from . import links
from .asking import WAITS, ask, changed, check, reason_field
from .kinds import Kept, acting, signed_in

RIGHTS = ("is_active", "is_staff", "is_superuser", "groups")
NAMES = ("username", "email")
"""What patches and gates name people by: for another's the account is held, and nobody holds their own."""
OWN_NAMES = "Your own user name and e-mail address are another administrator's to change."
OWN_RIGHTS = "Nobody changes their own groups and rights: ask another administrator."
RULES = (
    "What a person may decide comes from their groups alone; a superuser administers and decides nothing. "
    "Accounts are never deleted: take 'active' away, and the person is signed out at their next request."
)
SIGN_IN = (
    "Another user name or e-mail address signs them out, and their account decides nothing until they have confirmed "
    "it and a second lead has agreed. Nobody sets a password for somebody else: send a one-time link."
)
ALWAYS_KEPT = ("password", "last_login", "signed_out_everywhere", "former_names", *owners.HOLD)
"""Columns that no form shows: written as they are now, not as they were when the form was opened."""


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
            raise forms.ValidationError("A user with that user name already exists; capitals make no difference.")
        return name

    def clean_email(self) -> str:
        """Refuse a new user name that is not this account's own, once its address is known."""
        name, email = self.cleaned_data.get("username"), self.cleaned_data["email"]
        if name and "username" in self.changed_data and (why := why_not_a_name(name, email, self.instance.pk)):
            self.add_error("username", why)
        return str(email)


class NewPersonForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new account has no password: its person sets one by a one-time link, or comes from the provider."""

    class Meta:
        model = User
        fields = ("username", "email", "first_name", "last_name")

    clean_username, clean_email = PersonForm.clean_username, PersonForm.clean_email


@admin.register(User)
class UserAdmin(Kept, DjangoUserAdmin):  # type: ignore[type-arg]
    """Everything about an account but its single permissions, which no rule reads."""

    form = PersonForm
    add_form = NewPersonForm
    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_staff", "is_superuser")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    filter_horizontal = ("groups",)
    actions = ("remove_factors", "sign_out")
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "description": "Groups, rights and the one-time link are on the next page.",
                "fields": ("username", "email", "first_name", "last_name"),
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        may = self.has_change_permission(request, obj) and obj.pk != signed_in(request).pk
        asks = may and second_person.required()
        own = obj.pk == signed_in(request).pk
        rules = OWN_RIGHTS if own else f"{RULES} {WAITS if asks else ''}"
        return (
            (None, {"fields": ("username", "password"), "description": OWN_NAMES if own else SIGN_IN}),
            ("Person", {"fields": ("first_name", "last_name", "email", "time_zone", "theme", "single_keys")}),
            ("Rights", {"fields": (*RIGHTS, "reason") if asks else RIGHTS, "description": rules}),
            ("Dates", {"fields": ("last_login", "date_joined")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        dates = ("last_login", "date_joined")
        if obj is not None and obj.pk == signed_in(request).pk:
            return (*dates, *RIGHTS, *NAMES)
        return dates if signed_in(request).is_superuser else (*dates, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only a superuser changes a superuser, and nobody whose own account is held changes anybody else."""
        if signed_in(request).held_since is not None and (obj is None or obj.pk != signed_in(request).pk):
            return False
        if obj is not None and obj.is_superuser and not signed_in(request).is_superuser:
            return False
        return super().has_change_permission(request, obj)

    @admin.action(permissions=["change"], description="Remove the second factors of the selected people")
    def remove_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """For those who lost phone, key and recovery codes; one's own go by proving them, on one's account page."""
        people, by = self._others(request, queryset), signed_in(request)
        done = sum(recovery.remove_factors(user, user=by, **acting(request)) for user in people)
        words = "they are signed out everywhere and decide nothing until they and a second lead have agreed"
        self.message_user(request, f"Second factors of {done} removed; {words}.")

    @admin.action(permissions=["change"], description="Sign the selected people out everywhere")
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        people = self._others(request, queryset)
        for user in people:
            identity.sign_out_everywhere(user, **acting(request))
        self.message_user(request, f"{len(people)} signed out everywhere.")

    def _others(self, request: HttpRequest, queryset: QuerySet[User]) -> list[User]:
        """Return those selected whom this administrator may change, never themself."""
        mine = signed_in(request).pk
        return [user for user in queryset if user.pk != mine and self.has_change_permission(request, user)]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Do nothing yet: `save_related` writes account, groups and entry together."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        user: User = form.instance
        old, waits, ways = None, rights.NO_PENDING_CHANGE, [recovery.NEW]
        if change:
            kept = User.objects.select_for_update().get(pk=user.pk)
            old = account_changes.user_facts(kept)
            lock_groups(form.asked().groups)
            alone, waits = rights.split_person(kept, form.asked())
            form.keep(alone)
            ways = ways_in(kept, user)
            for column in ALWAYS_KEPT:
                setattr(user, column, getattr(kept, column))
        else:
            user.set_unusable_password()
        super().save_model(request, user, form, change)
        super().save_related(request, form, formsets, change)
        form.changed_data = changed(form, old, account_changes.user_facts(user))
        if form.changed_data or not change:
            account_changes.record_user_change(user, old, fields=form.changed_data if change else (), **acting(request))
        if ways and user.pk != signed_in(request).pk:
            why = form.cleaned_data.get("reason", "")
            recovery.hold_and_sign_out(user, ways, reason=why, user=signed_in(request), **acting(request))
        ask(self, request, form, waits)

    def get_urls(self) -> list[Any]:
        """Django's, with the one-time link at the address of its form for somebody's password."""
        page = self.admin_site.admin_view(partial(links.page, of=self))
        return [path("<id>/password/", page, name="auth_user_password_change"), *super().get_urls()]


def ways_in(old: User, new: User) -> list[str]:
    """Return in words which of the names change by which somebody signs in; capitals make no difference."""
    ways = {recovery.ADDRESS: (old.email, new.email), recovery.NAME: (old.username, new.username)}
    return [words for words, (before, after) in ways.items() if before.casefold() != after.casefold()]
