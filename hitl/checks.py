"""What `manage.py check --deploy` says about the database."""

from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError, connection

from hitl.postgresql.rights import exceeding

HINT = "Make a role of its own and name the owner in DATABASE_MIGRATE_URL: docs/operating.md, 'Least privilege'."


@register(Tags.security, deploy=True)
def database_role(**_: Any) -> list[CheckMessage]:
    """Warn when web and worker connect as somebody who could undo what the database refuses."""
    try:
        found = exceeding()
    except DatabaseError:
        connection.close()
        return [Warning("The database did not answer, so the rights of its role are not known.", id="hitl.W002")]
    return [Warning(f"The role of web and worker {what}.", hint=HINT, id="hitl.W001") for what in found]
