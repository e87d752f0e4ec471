"""The worker's jobs in the admin, only to read: procrastinate's own page has inline styles that our policy forbids."""

import json
from typing import Any

import procrastinate.contrib.django.admin  # noqa: F401  registers its page, so it comes before ours
from django.contrib import admin
from django.db.models import QuerySet
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob

from .kinds import Record

admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class JobAdmin(Record):
    """A failed job is retried by the worker or by procrastinate's command, never here."""

    list_display = ("id", "task_name", "status", "attempts", "queue_name", "scheduled_at")
    list_filter = ("status", "queue_name")
    list_select_related = ("worker",)
    search_fields = ("task_name",)
    search_help_text = "A task's name, exactly or without its module: expire."
    fields = readonly_fields = (
        "id", "task_name", "arguments", "status", "attempts", "priority", "queue_name", "lock", "queueing_lock",
        "scheduled_at", "abort_requested", "worker", "events",
    )  # fmt: skip
    ordering = ("-id",)

    def found(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(task_name__endswith=text)

    @admin.display(description="Arguments")
    def arguments(self, job: Any) -> str:
        return json.dumps(job.args, ensure_ascii=False)[:2000]

    @admin.display(description="What happened")
    def events(self, job: Any) -> str:
        seen = ProcrastinateEvent.objects.filter(job=job).order_by("-at")[:50]
        return (
            "; ".join(f"{event.type} at {event.at:%Y-%m-%d %H:%M:%S %Z}" for event in seen if event.at) or "nothing yet"
        )
