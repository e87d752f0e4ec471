"""Whoever upgrades is told of what happens from now on, not of what the log already has."""

from django.db import migrations

TOLD_FROM_NOW = """
insert into notifications_cursor (name, position)
select 'log', max(seq) from audit_leaf having max(seq) is not null
on conflict do nothing
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0050_deployment_requests"),
        ("audit", "0007_search"),
        ("notifications", "0001_initial"),
    ]
    operations = [migrations.RunSQL(TOLD_FROM_NOW, migrations.RunSQL.noop)]
