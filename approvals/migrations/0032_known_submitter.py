"""A policy may ask that whoever submitted a patch is a known account; else a lead approves it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0031_account_proposals"),
    ]

    operations = [
        migrations.AddField(
            model_name="policyversion",
            name="known_submitter",
            field=models.BooleanField(
                default=False,
                help_text="Whoever submitted or triggered it must be a known account; a security lead approves the rest.",
            ),
        ),
    ]
