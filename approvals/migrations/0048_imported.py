"""Decisions that were made in another system: rows that are added and never changed."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models


FORWARD = """
create trigger approvals_importeddecision_no_change before update or delete on approvals_importeddecision
    for each row execute function approvals_refuse_change();
alter table approvals_importeddecision enable always trigger approvals_importeddecision_no_change;
create trigger approvals_importeddecision_no_truncate before truncate on approvals_importeddecision
    for each statement execute function approvals_refuse_change();
alter table approvals_importeddecision enable always trigger approvals_importeddecision_no_truncate;
"""
BACKWARD = """
drop trigger approvals_importeddecision_no_truncate on approvals_importeddecision;
drop trigger approvals_importeddecision_no_change on approvals_importeddecision;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0047_moments"),
    ]

    operations = [
        migrations.CreateModel(
            name="ImportedDecision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "source",
                    models.CharField(
                        choices=[("reference_api", "the reference API"), ("workflow_gates", "the workflow gates")],
                        max_length=20,
                    ),
                ),
                ("source_id", models.CharField(max_length=255)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("approved", "Approved"),
                            ("auto_approved", "Auto-approved"),
                            ("rejected", "Rejected"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "decided_at",
                    models.DateTimeField(help_text="As the other system says; null where it does not.", null=True),
                ),
                ("imported_at", models.DateTimeField()),
                ("heading", models.CharField(max_length=500)),
                (
                    "names",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        help_text="In small letters: by these it is found.",
                        size=None,
                    ),
                ),
                (
                    "record",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="imported", to="approvals.text"
                    ),
                ),
            ],
            options={
                "indexes": [django.contrib.postgres.indexes.GinIndex(fields=["names"], name="imported_by_name")],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "source_id"), name="imported_once"),
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ["reference_api", "workflow_gates"])), name="imported_source"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("outcome__in", ("approved", "auto_approved", "rejected", "cancelled", "expired"))
                        ),
                        name="imported_outcome",
                    ),
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
