"""A policy may ask for a second factor to approve: a code or a security key, not the password."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("approvals", "0033_lockouts")]
    operations = [
        migrations.AddField(
            model_name="policyversion",
            name="second_factor",
            field=models.BooleanField(
                default=False,
                help_text="Approving asks for a code of the app or a security key; a password or a fresh sign-in is not "
                "enough.",
            ),
        ),
    ]
