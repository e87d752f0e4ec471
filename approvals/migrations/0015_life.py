"""Levels of escalation on a decision; the shipped policies, whose columns are complete here."""

import django.contrib.postgres.fields
from django.db import migrations, models

from approvals.services.defaults import install_defaults


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0012_rules"),
    ]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="asked",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=150),
                default=list,
                help_text="Groups and people the escalations asked so far.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="escalation_next",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="Place of the level that comes next in the policy's further levels."
            ),
        ),
        migrations.RunPython(lambda apps, editor: install_defaults(apps), migrations.RunPython.noop),
    ]
