"""The audit log in the admin: to read and search, never to change."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from .models import Entry
from .queries import body_of


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Read-only."""

    list_display = ("id", "type", "at", "actor", "object_type", "object_id")
    list_filter = ("type", "actor_kind", ("at", admin.DateFieldListFilter))
    search_fields = ("object_id__exact", "actor_id__exact", "context__actor_label__startswith")
    fields = ("uuid", "type", "at", "actor", "object_type", "object_id", "object_n", "content", "hash")
    readonly_fields = fields
    list_select_related = ("context",)
    show_full_result_count = False
    ordering = ("-id",)

    @admin.display(description="Actor")
    def actor(self, entry: Entry) -> str:
        context = getattr(entry, "context", None)
        return f"{context.actor_label} ({entry.actor_id})" if context and context.actor_label else entry.actor_id

    @admin.display(description="Body")
    def content(self, entry: Entry) -> str:
        return json.dumps(body_of(entry), indent=2, ensure_ascii=False)

    @admin.display(description="Leaf hash")
    def hash(self, entry: Entry) -> str:
        return bytes(entry.leaf_hash).hex()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
