"""What limits on guessing turned away, until one entry sums it up."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("approvals", "0032_known_submitter")]
    operations = [
        migrations.CreateModel(
            name="Lockout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=60, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("sign-in", "Sign-in"),
                            ("code", "Code at sign-in"),
                            ("proof", "Proof of a signed-in person"),
                        ],
                        max_length=7,
                    ),
                ),
                ("address", models.GenericIPAddressField(null=True)),
                ("tries", models.PositiveIntegerField()),
                ("first_at", models.DateTimeField(db_index=True)),
                ("last_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
