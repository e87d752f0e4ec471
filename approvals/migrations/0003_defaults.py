"""Install the shipped groups and policies."""

from django.db import migrations

from ._shipped import install_defaults


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0002_guards"),
        ("audit", "0002_append_only"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(lambda apps, editor: install_defaults(apps), migrations.RunPython.noop)]
