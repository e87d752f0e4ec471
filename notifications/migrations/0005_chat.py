"""Messages in chats that can be changed, and whose Slack user is whose."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0002_deliveries_page"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="closing",
            field=models.CharField(blank=True, db_default="", max_length=300),
        ),
        migrations.AddField(
            model_name="delivery",
            name="receipt",
            field=models.CharField(blank=True, db_default="", max_length=60),
        ),
        migrations.AddField(
            model_name="hours",
            name="slack_code",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
        migrations.AddField(
            model_name="hours",
            name="slack_code_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="hours",
            name="slack_home",
            field=models.CharField(blank=True, db_default="", max_length=30),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(models.Q(("receipt", ""), _negated=True), ("closing", "")),
                fields=["notice"],
                name="delivery_open_message",
            ),
        ),
        migrations.AddConstraint(
            model_name="hours",
            constraint=models.UniqueConstraint(
                condition=models.Q(("slack_id", ""), _negated=True),
                fields=("slack_home", "slack_id"),
                name="slack_user_once",
            ),
        ),
    ]
