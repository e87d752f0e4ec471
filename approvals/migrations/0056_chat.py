"""People also decide in the dialog of a chat: reviews and decisions say so."""

from django.db import migrations, models

CHANNELS = [
    ("page", "Page"),
    ("card", "Card"),
    ("bulk", "Bulk"),
    ("api", "API"),
    ("chat", "Chat"),
    ("admin", "Admin"),
    ("timer", "Timer"),
    ("intake", "Intake"),
]
BY_PERSON = """
alter table approvals_decision drop constraint decision_approved_by_person,
    add constraint decision_approved_by_person check (
        status <> 'approved' or decided_by_kind = 'human' and channel in ({})
    ) not valid
"""
FORMER = "'page', 'card', 'bulk', 'api'"
# Reads the whole table, beside what reads and writes it, which is why it is a transaction of its own.
VALIDATE = "alter table approvals_decision validate constraint decision_approved_by_person"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("approvals", "0054_told_from_now"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(BY_PERSON.format(f"{FORMER}, 'chat'"), BY_PERSON.format(FORMER)),
                migrations.RunSQL(VALIDATE, migrations.RunSQL.noop),
            ],
            state_operations=[
                migrations.RemoveConstraint(model_name="decision", name="decision_approved_by_person"),
                migrations.AddConstraint(
                    model_name="decision",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "approved"), _negated=True),
                            models.Q(
                                ("channel__in", ["page", "card", "bulk", "api", "chat"]),
                                ("decided_by_kind", "human"),
                            ),
                            _connector="OR",
                        ),
                        name="decision_approved_by_person",
                    ),
                ),
            ],
        ),
        migrations.AlterField(
            model_name="decision",
            name="channel",
            field=models.CharField(blank=True, choices=CHANNELS, max_length=6),
        ),
        migrations.AlterField(
            model_name="review",
            name="channel",
            field=models.CharField(choices=CHANNELS, max_length=6),
        ),
        migrations.AlterField(
            model_name="review",
            name="displayed",
            field=models.CharField(
                choices=[("page", "Patch page"), ("card", "Queue card"), ("api", "API"), ("chat", "Dialog in a chat")],
                max_length=4,
            ),
        ),
    ]
