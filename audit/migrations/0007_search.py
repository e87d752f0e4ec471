"""Indexes for the searches of the audit page. The log stays open for writing while they are made."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Func
from django.db.models.functions import Upper
from django.contrib.postgres.search import SearchVectorField

# As patches are searched: a word is what stands between signs. An index may use nothing that a setting changes.
WORDS = r"""
create function audit_words(label text) returns tsvector language sql immutable strict parallel safe as $$
    select to_tsvector('simple'::regconfig, regexp_replace(lower(label), '[^[:alnum:]]+', ' ', 'g'));
$$
"""
# PostgreSQL takes any beginning of a word for common and would go back through the log for it; the settings leave it the
# index. They also keep it from planning this as a part of what calls it.
ABOUT = """
create function audit_about(words tsquery) returns setof bigint
language sql stable set enable_seqscan to off set enable_indexscan to off as $$
    select entry_id from audit_context where audit_words(object_label) @@ words;
$$
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0006_chain_end")]
    operations = [
        migrations.RunSQL("set lock_timeout = 0;", migrations.RunSQL.noop),  # such an index waits and blocks nobody
        migrations.RunSQL(WORDS, "drop function audit_words(text);"),
        AddIndexConcurrently(
            "context",
            models.Index(
                OpClass(Upper("actor_label"), name="varchar_pattern_ops"), F("entry").desc(), name="context_by_actor"
            ),
        ),
        AddIndexConcurrently(
            "context",
            GinIndex(
                Func("object_label", function="audit_words", output_field=SearchVectorField()),
                name="context_by_words",
            ),
        ),
        migrations.RunSQL(ABOUT, "drop function audit_about(tsquery);"),
        migrations.RunSQL("analyze audit_context;", migrations.RunSQL.noop),
    ]
