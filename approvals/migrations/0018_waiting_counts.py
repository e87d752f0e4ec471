"""Indexes for the counts of the queue's tabs under filters that much of the queue passes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0017_workbench"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="waiting",
            index=models.Index(fields=["severity", "priority"], name="waiting_by_severity"),
        ),
        migrations.AddIndex(
            model_name="waiting",
            index=models.Index(fields=["ecosystem", "priority"], name="waiting_by_ecosystem"),
        ),
        migrations.AddIndex(
            model_name="waiting",
            index=models.Index(fields=["wargaming", "priority"], name="waiting_by_wargaming"),
        ),
        migrations.AddIndex(
            model_name="waiting",
            index=models.Index(fields=["priority", "confidence"], name="waiting_by_confidence"),
        ),
    ]
