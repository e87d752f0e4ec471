"""How far each deployer is in the feed; alarms with a table of their own, so that one needs no report; an index of the feed
that nothing reads any more."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

KINDS = [
    ("differs", "Digest differs"),
    ("not_approved", "Deployed without approval"),
    ("revoked", "Deployed after revocation"),
    ("never_fetched", "Approved, never fetched"),
]
FORWARD = """
create trigger approvals_raisedalarm_no_change before update or delete on approvals_raisedalarm
    for each row execute function approvals_refuse_change();
alter table approvals_raisedalarm enable always trigger approvals_raisedalarm_no_change;
create trigger approvals_raisedalarm_no_truncate before truncate on approvals_raisedalarm
    for each statement execute function approvals_refuse_change();
alter table approvals_raisedalarm enable always trigger approvals_raisedalarm_no_truncate;
insert into approvals_raisedalarm (decision_id, kind, report_id, raised_at)
    select decision_id, alarm, id, reported_at from approvals_outcomereport where alarm <> '' order by id;
insert into approvals_deployercursor (deployer, acknowledged)
    select deployer, max(feed_entry_id) from approvals_acknowledgement group by deployer;
"""
BACK = """
drop trigger approvals_raisedalarm_no_truncate on approvals_raisedalarm;
drop trigger approvals_raisedalarm_no_change on approvals_raisedalarm;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0050_deployment_requests")]
    operations = [
        migrations.CreateModel(
            name="DeployerCursor",
            fields=[
                ("deployer", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("read", models.BigIntegerField(null=True)),
                ("read_at", models.DateTimeField(null=True)),
                ("acknowledged", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="RaisedAlarm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=KINDS, max_length=13)),
                ("raised_at", models.DateTimeField()),
                (
                    "decision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="alarms", to="approvals.decision"
                    ),
                ),
                (
                    "report",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="raised",
                        to="approvals.outcomereport",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("decision",), name="alarmed_once", condition=Q(report=None)),
                    models.CheckConstraint(
                        condition=Q(kind="never_fetched", report=None)
                        | (~Q(kind="never_fetched") & Q(report__isnull=False)),
                        name="alarm_has_its_report",
                    ),
                ],
                "indexes": [models.Index(fields=["kind", "-id"], name="alarms_by_kind")],
            },
        ),
        migrations.RemoveIndex(model_name="outcomereport", name="outcome_alarms"),
        migrations.RemoveIndex(model_name="feedentry", name="feed_by_status"),
        migrations.RunSQL(FORWARD, BACK),
    ]
