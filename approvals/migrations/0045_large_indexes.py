"""Indexes for what grew with the database, made while it is in use."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Func, Q

TOOK = F("decided_at") - F("created_at")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("approvals", "0044_tallies")]
    operations = [
        migrations.RunSQL("set lock_timeout = 0;", migrations.RunSQL.noop),  # such an index waits and blocks nobody
        AddIndexConcurrently(
            "decision",
            models.Index(
                "status",
                F("decided_at").desc(),
                F("id").desc(),
                name="history_by_status",
                condition=~Q(status="pending"),
            ),
        ),
        AddIndexConcurrently(
            "decision",
            models.Index(
                Func(TOOK, function="approvals_took"),
                TOOK,
                include=["created_at", "decided_at"],
                name="decision_by_time_taken",
                condition=Q(decided_by_kind="human") & ~Q(status="cancelled"),
            ),
        ),
        AddIndexConcurrently(
            "decision",
            models.Index(
                "created_at",
                include=["status", "priority", "decided_by_kind", "decided_at", "sla_due_at"],
                name="decision_arrived",
            ),
        ),
        RemoveIndexConcurrently("decision", "decision_by_arrival"),
        migrations.RunSQL("analyze approvals_decision;", migrations.RunSQL.noop),
    ]
