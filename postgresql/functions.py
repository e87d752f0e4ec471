"""The functions and views of this product in the database, functions with the triggers that call them, as PostgreSQL
writes them."""

from django.db import connection

APPS = ("approvals", "audit")
# Each function whose name begins with an app's, with all triggers that call it.
FUNCTIONS_WITH_TRIGGERS = """
select split_part(function.proname, '_', 1), function.proname, pg_get_functiondef(function.oid),
       array(
           select pg_get_triggerdef(trigger.oid, true)
           from pg_trigger trigger
           where trigger.tgfoid = function.oid and not trigger.tgisinternal
           order by trigger.tgrelid::regclass::text, trigger.tgname
       )
from pg_proc function
where function.pronamespace = 'public'::regnamespace and function.prokind = 'f'
  and split_part(function.proname, '_', 1) = any(%(apps)s)
order by function.proname
"""
VIEWS = """
select split_part(relname, '_', 1), relname,
       format(E'CREATE VIEW %%I WITH (%%s) AS\n%%s', relname, array_to_string(reloptions, ', '),
              rtrim(pg_get_viewdef(oid, true), ';'))
from pg_class
where relnamespace = 'public'::regnamespace and relkind = 'v' and split_part(relname, '_', 1) = any(%(apps)s)
order by relname
"""


def definitions() -> dict[str, str]:
    """Return the text of each view, and of each function and its triggers, by the path of its file, such as
    `audit/sql/audit_x.sql`."""
    with connection.cursor() as cursor:
        cursor.execute(FUNCTIONS_WITH_TRIGGERS, {"apps": list(APPS)})
        functions = [(app, name, [function, *triggers]) for app, name, function, triggers in cursor.fetchall()]
        cursor.execute(VIEWS, {"apps": list(APPS)})
        views = [(app, name, [view]) for app, name, view in cursor.fetchall()]
    return {
        f"{app}/sql/{name}.sql": "".join(f"{text.strip()};\n" for text in texts)
        for app, name, texts in (*functions, *views)
    }
