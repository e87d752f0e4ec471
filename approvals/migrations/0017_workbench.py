"""Comments on lines of the old file: what was said so far stands on the new one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0016_identity"),
    ]

    operations = [
        migrations.AddField(
            model_name="comment",
            name="side",
            field=models.CharField(
                choices=[("old", "Old file"), ("new", "New file")],
                default="new",
                help_text="The file that has the line.",
                max_length=3,
            ),
        ),
        migrations.AddConstraint(
            model_name="comment",
            constraint=models.CheckConstraint(condition=models.Q(("side__in", ["old", "new"])), name="comment_side"),
        ),
    ]
