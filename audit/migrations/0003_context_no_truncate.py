"""The erasable side table keeps its rows: truncating it is refused like everywhere in the log."""

from django.db import migrations

FORWARD = """
create trigger audit_context_no_truncate before truncate on audit_context
    for each statement execute function audit_refuse_change();
alter table audit_context enable always trigger audit_context_no_truncate;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [migrations.RunSQL(FORWARD, "drop trigger audit_context_no_truncate on audit_context;")]
