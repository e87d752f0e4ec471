"""What `manage.py check --deploy` says about the database and the settings of a deployment."""

from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError, connection

from postgresql.rights import exceeding

HINT = "Make a role of its own and name the owner in DATABASE_MIGRATE_URL: docs/operating.md, 'Least privilege'."
WHERE = "docs/security/design.md says why and what to set."


@register(Tags.security, deploy=True)
def database_role(**_: Any) -> list[CheckMessage]:
    """Warn when web and worker connect as somebody who could undo what the database refuses."""
    try:
        found = exceeding()
    except DatabaseError:
        connection.close()
        return [Warning("The database did not answer, so the rights of its role are not known.", id="hitl.W002")]
    return [Warning(f"The role of web and worker {what}.", hint=HINT, id="hitl.W001") for what in found]


@register(Tags.security, deploy=True)
def deployment(*, database: dict[str, Any] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn of settings that are right on one machine and weak in a network."""
    to = settings.DATABASES["default"] if database is None else database
    weak = {
        "W003": (not settings.HTTPS, "BASE_URL is not https: passwords and sessions go over the network as they are."),
        "W004": (
            settings.HTTPS and not settings.TRUSTED_PROXIES,
            "TRUSTED_PROXIES is empty: limits and log take everybody for the proxy that ends TLS.",
        ),
        "W005": (
            not _is_here(to["HOST"]) and to["OPTIONS"].get("sslmode") != "verify-full",
            "The database is on another machine and DATABASE_URL does not say sslmode=verify-full.",
        ),
        "W006": (
            bool(settings.SMTP_HOST) and settings.SMTP_SECURITY == "none" and not _is_here(settings.SMTP_HOST),
            "SMTP_SECURITY is none: one-time links go over the network as they are.",
        ),
        "W007": (not settings.SECOND_FACTOR_REQUIRED, "SECOND_FACTOR_REQUIRED is off: a password alone signs in."),
        "W008": (
            not settings.SECOND_PERSON_REQUIRED,
            "SECOND_PERSON_REQUIRED is off: one lead loosens the rules alone.",
        ),
    }
    return [Warning(said, hint=WHERE, id=f"hitl.{id}") for id, (found, said) in weak.items() if found]


def _is_here(host: str) -> bool:
    """Return whether a host is this machine: a socket's directory, a loopback address or its name."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
