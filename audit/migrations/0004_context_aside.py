"""What of an entry's data may name people stands beside it and can be erased, as the other columns of the side table."""

from django.db import migrations, models

GUARD = """
create or replace function audit_context_erase_only() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or new.entry_id <> old.entry_id
        or new.actor_label not in (old.actor_label, '') or new.object_label not in (old.object_label, '')
        or (new.ip_address is not null and new.ip_address is distinct from old.ip_address)
        or new.user_agent not in (old.user_agent, '')
        {more}
    then
        raise exception 'audit_context can only be erased' using errcode = '42501';
    end if;
    return new;
end $$;
"""
MORE = "or new.aside not in (old.aside, '') or new.salt not in (old.salt, '')"


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_context_no_truncate")]
    operations = [
        migrations.AddField("context", "aside", models.TextField(blank=True, default="")),
        migrations.AddField("context", "salt", models.BinaryField(default=b"")),
        # A column without a default would make the old program's INSERT fail while both run.
        migrations.RunSQL(
            "alter table audit_context alter aside set default '', alter salt set default ''",
            "alter table audit_context alter aside drop default, alter salt drop default",
        ),
        migrations.RunSQL(GUARD.format(more=MORE), GUARD.format(more="")),
    ]
