"""The two kinds of admin pages: what is edited through services and never deleted, and what is only read."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import DateTimeField, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from approvals.actors import person_actor
from approvals.errors import Refusal
from approvals.models import User
from approvals.policy.visible_fields import reader_among, sees
from approvals.queries.people import reviewer_shown
from audit.log import Actor


def signed_in(request: HttpRequest) -> User:
    """Return the person behind an admin page."""
    assert isinstance(request.user, User)
    return request.user


def acting(request: HttpRequest) -> dict[str, Any]:
    """Return the two arguments every service wants from an edge: who, and when."""
    actor: Actor = person_actor(request, signed_in(request))
    return {"actor": actor, "now": timezone.now()}


class Kept(admin.ModelAdmin):  # type: ignore[type-arg]
    """Edited through a service, whose refusal is a sentence on the same page; never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refusal as error:  # the form checks first, so this lost a race; the transaction is rolled back
            self.message_user(request, f"{error.detail} Nothing was saved.", messages.ERROR)
            return redirect(request.get_full_path())


class Slim(ChangeList):
    """A list that leaves out the columns it does not show: some hold a megabyte."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        assert isinstance(self.model_admin, Record)
        return super().get_queryset(request, exclude_parameters).defer(*self.model_admin.unlisted)

    def get_filters_params(self, params: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
        """Return the filters; a date without a time zone is one of the reader's."""
        times = {field.name for field in self.model._meta.get_fields() if isinstance(field, DateTimeField)}
        return {
            name: [_in_a_zone(value) for value in values] if name.partition("__")[0] in times else values
            for name, values in super().get_filters_params(params).items()
        }


def _in_a_zone(value: str) -> str:
    try:
        at = parse_datetime(value)
        return timezone.make_aware(at).isoformat() if at and timezone.is_naive(at) else value
    except (ValueError, OverflowError):
        return value  # the filter says what is wrong with it


class Record(admin.ModelAdmin):  # type: ignore[type-arg]
    """Only read. Searches are look-ups that an index answers: `found` gets what was typed, in lists that have
    `search_fields`; others have no search.

    `sight` says what columns are in `policy.visible_fields`; who may not see one gets no such field, column or filter.
    """

    unlisted: tuple[str, ...] = ()
    sight: Mapping[str, str] = {}
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def found(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip() if self.search_fields else ""
        return (self.found(queryset, text) if text else queryset), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Slim

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self._seen(request, super().get_fields(request, obj))

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self._seen(request, super().get_list_display(request))

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return self._seen(request, super().get_list_filter(request))

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse addresses that filter by what the person may not see: each answer would tell a little of it."""
        return bool(self._seen(request, [lookup.partition("__")[0]])) and super().lookup_allowed(lookup, value, request)

    def _seen(self, request: HttpRequest, names: Iterable[Any]) -> list[Any]:
        reader = reader_among(reviewer_shown(signed_in(request)).permissions)
        return [name for name in names if name not in self.sight or sees(reader, self.sight[name])]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
