from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("approvals", "0034_second_factor")]
    operations = [
        migrations.AddField(
            model_name="killswitch",
            name="second_person_required",
            field=models.BooleanField(
                default=True,
                db_default=True,
                editable=False,
                help_text="SECOND_PERSON_REQUIRED, as `manage.py migrate` last found it.",
            ),
        ),
    ]
