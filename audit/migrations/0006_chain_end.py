"""The end of an object's chain of entries, for statements that read it together with other things."""

from django.db import migrations

# PostgreSQL plans it as a part of the statement that calls it; with `set` or `security definer` it would not.
CHAIN_END = """
create function audit_chain_end(wanted_type text, wanted_id text) returns table (next_n integer, leaf text)
language sql stable parallel safe as $$
    select entry.object_n + 1, encode(entry.leaf_hash, 'hex')
    from audit_entry entry
    where entry.object_type = wanted_type and entry.object_id = wanted_id and entry.object_n is not null
    order by entry.object_n desc limit 1;
$$
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_outbox")]
    operations = [migrations.RunSQL(CHAIN_END, "drop function audit_chain_end(text, text);")]
