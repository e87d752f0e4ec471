"""Tries at passwords and codes, signing out everywhere, and the cache that remembers an app's used codes."""

from django.db import migrations, models

# As Django's createcachetable makes it for CACHES["default"].
CACHE = """
create table approvals_cache (
    cache_key varchar(255) primary key, value text not null, expires timestamptz not null
);
create index approvals_cache_expires on approvals_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0015_life")]
    operations = [
        migrations.RunSQL(CACHE, "drop table approvals_cache"),
        migrations.AddField(
            model_name="user",
            name="signed_out_everywhere",
            field=models.PositiveIntegerField(default=0, editable=False, help_text="How often."),
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=60)),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["key", "at"], name="attempt_by_key"),
                    models.Index(fields=["at"], name="attempt_by_age"),
                ],
            },
        ),
    ]
