from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("approvals", "0039_policies_by_two")]
    operations = [
        migrations.AlterField(
            model_name="lockout",
            name="kind",
            field=models.CharField(
                choices=[
                    ("sign-in", "Sign-in"),
                    ("code", "Code at sign-in"),
                    ("proof", "Proof of a signed-in person"),
                    ("refused", "Sign-in below the limits"),
                ],
                max_length=7,
            ),
        ),
    ]
