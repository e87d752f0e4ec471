"""Digests of the changed lines alone, by which patches that change the same lines are found.

Older patches get theirs by `manage.py fill_same_lines`: reading a million diffs would hold up a deployment.
"""

import django.contrib.postgres.fields
from django.db import migrations, models
from django.db.models import Q

DIGESTS = ("change_sha256", "change_spaceless_sha256", "change_files_sha256")
INDEXES = {"change_sha256": "patch_by_lines", "change_spaceless_sha256": "patch_by_spaceless_lines"}


class Migration(migrations.Migration):
    dependencies = [("approvals", "0023_vulnerability_names")]

    operations = [
        *[migrations.AddField("patch", name, models.CharField(max_length=64, null=True)) for name in DIGESTS],
        migrations.AddField(
            "patch",
            "mark_codes",
            django.contrib.postgres.fields.ArrayField(models.CharField(max_length=50), null=True),
        ),
        *[
            migrations.AddIndex(
                "patch", models.Index(fields=[column], name=name, condition=Q(**{f"{column}__isnull": False}))
            )
            for column, name in INDEXES.items()
        ],
    ]
