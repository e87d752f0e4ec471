"""Deployments of GitHub that wait for a decision."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0049_outcomes"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeploymentRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("delivery", models.CharField(max_length=100, unique=True)),
                ("body_sha256", models.CharField(max_length=64, unique=True)),
                ("repository", models.CharField(max_length=255)),
                ("environment", models.CharField(max_length=255)),
                ("installation", models.BigIntegerField()),
                ("callback_url", models.CharField(max_length=2000)),
                ("received_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("answered", "Answered"), ("given_up", "Given up")],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("try_at", models.DateTimeField()),
                ("give_up_at", models.DateTimeField(help_text="A day after the first try.", null=True)),
                (
                    "answer",
                    models.CharField(blank=True, help_text="What GitHub was told: approved or rejected.", max_length=8),
                ),
                ("answered_at", models.DateTimeField(null=True)),
                ("fault", models.CharField(blank=True, help_text="Why the last try failed.", max_length=300)),
                (
                    "decision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deployment_requests",
                        to="approvals.decision",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")), fields=["try_at"], name="deployment_request_due"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("answer__in", ["approved", "rejected"]),
                                ("answered_at__isnull", False),
                                ("state", "answered"),
                            ),
                            models.Q(
                                ("answer", ""), ("answered_at__isnull", True), ("state__in", ["waiting", "given_up"])
                            ),
                            _connector="OR",
                        ),
                        name="deployment_request_answer",
                    )
                ],
            },
        ),
    ]
