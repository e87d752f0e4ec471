"""What deployers fetch and report, which nothing changes or deletes."""

import django.db.models.deletion
from django.db import migrations, models


FORWARD = """
create trigger approvals_outcomereport_no_change before update or delete on approvals_outcomereport
    for each row execute function approvals_refuse_change();
alter table approvals_outcomereport enable always trigger approvals_outcomereport_no_change;
create trigger approvals_outcomereport_no_truncate before truncate on approvals_outcomereport
    for each statement execute function approvals_refuse_change();
alter table approvals_outcomereport enable always trigger approvals_outcomereport_no_truncate;
create trigger approvals_difffetch_no_change before update or delete on approvals_difffetch
    for each row execute function approvals_refuse_change();
alter table approvals_difffetch enable always trigger approvals_difffetch_no_change;
create trigger approvals_difffetch_no_truncate before truncate on approvals_difffetch
    for each statement execute function approvals_refuse_change();
alter table approvals_difffetch enable always trigger approvals_difffetch_no_truncate;
"""
BACK = """
drop trigger approvals_difffetch_no_truncate on approvals_difffetch;
drop trigger approvals_difffetch_no_change on approvals_difffetch;
drop trigger approvals_outcomereport_no_truncate on approvals_outcomereport;
drop trigger approvals_outcomereport_no_change on approvals_outcomereport;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0048_imported"),
    ]

    operations = [
        migrations.CreateModel(
            name="DiffFetch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("deployer", models.CharField(max_length=100)),
                ("fetched_at", models.DateTimeField()),
                (
                    "decision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="fetches", to="approvals.decision"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "diff fetches",
                "constraints": [models.UniqueConstraint(fields=("decision", "deployer"), name="fetched_once")],
            },
        ),
        migrations.CreateModel(
            name="OutcomeReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("deployer", models.CharField(max_length=100)),
                ("deployed_sha256", models.CharField(max_length=64)),
                (
                    "result",
                    models.CharField(
                        choices=[("deployed", "Deployed"), ("failed", "Failed"), ("rolled_back", "Rolled back")],
                        max_length=11,
                    ),
                ),
                (
                    "alarm",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("differs", "Digest differs"),
                            ("not_approved", "Deployed without approval"),
                            ("revoked", "Deployed after revocation"),
                        ],
                        max_length=12,
                    ),
                ),
                ("deployed_at", models.DateTimeField()),
                ("reported_at", models.DateTimeField()),
                (
                    "decision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="outcomes", to="approvals.decision"
                    ),
                ),
                (
                    "note",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.text"
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.apitoken"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("alarm", ""), _negated=True), fields=["alarm", "-id"], name="outcome_alarms"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("decision", "deployer", "deployed_sha256", "result", "deployed_at"), name="outcome_once"
                    )
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACK),
    ]
