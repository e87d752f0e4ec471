"""The functions of this product in the database and the triggers that call them, as PostgreSQL writes them."""

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


def definitions() -> dict[str, str]:
    """Return the text of each function and its triggers by the path of its file, such as `audit/sql/audit_x.sql`."""
    with connection.cursor() as cursor:
        cursor.execute(FUNCTIONS_WITH_TRIGGERS, {"apps": list(APPS)})
        return {
            f"{app}/sql/{name}.sql": "".join(f"{text.strip()};\n" for text in (function, *triggers))
            for app, name, function, triggers in cursor.fetchall()
        }
