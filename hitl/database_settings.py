"""How Django reaches PostgreSQL: the entries of DATABASES, and how long each kind of work may take."""

import sys
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from hitl import own_settings as own
from postgresql.bounded import BoundedConnection
from postgresql.limits import EXPORT_ADVICE, REACHING, SEARCH_ADVICE, Limits, kind_of_work

# Pages ask many short questions at once: compiling one, or taking the other cores for it, costs more than it saves.
SHORT_QUERIES = "-c jit=off -c max_parallel_workers_per_gather=0"
WORK = kind_of_work(sys.argv)
DATABASE_LIMITS = {
    "web": Limits(own.DB_WEB_STATEMENT_SECONDS, own.DB_WEB_LOCK_SECONDS),
    "worker": Limits(own.DB_WORKER_STATEMENT_SECONDS, own.DB_WORKER_LOCK_SECONDS),
    "search": Limits(own.DB_SEARCH_STATEMENT_SECONDS, own.DB_WEB_LOCK_SECONDS, SEARCH_ADVICE),
    "export": Limits(own.DB_EXPORT_STATEMENT_SECONDS, own.DB_WEB_LOCK_SECONDS, EXPORT_ADVICE),
    "migration": Limits(0, own.DB_MIGRATE_LOCK_SECONDS),  # behind who waits, all others wait
    "command": Limits(0, 0),  # imports: somebody watches them and stops them
}


def database_entry(url: str, work: str = WORK, setting: str = "DATABASE_URL") -> dict[str, Any]:
    """Return Django's DATABASES entry of a postgresql:// URL; its query string becomes connection options."""
    try:
        parts = urlsplit(url)
        port = str(parts.port or "")
    except ValueError:  # not shown: it may hold a password
        parts, port = urlsplit(""), ""
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{setting} must look like postgresql://user:password@host:5432/name.")
    query = dict(parse_qsl(parts.query))
    limits = DATABASE_LIMITS[work]
    query["options"] = " ".join(filter(None, [SHORT_QUERIES, limits.options, query.get("options")]))
    if own.DB_POOL_MIN_SIZE > own.DB_POOL_MAX_SIZE:
        raise ImproperlyConfigured("DB_POOL_MIN_SIZE must not be above DB_POOL_MAX_SIZE.")
    return {
        "ENGINE": "postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or query.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": port,
        "CONN_MAX_AGE": 0,
        "LIMITS": limits,
        # timeout: a page must fail in seconds, not hang, when the database is gone.
        "OPTIONS": {
            **REACHING,
            **query,
            "prepare_threshold": 5,
            "pool": {
                "min_size": own.DB_POOL_MIN_SIZE,
                "max_size": own.DB_POOL_MAX_SIZE,
                "timeout": 5,
                "max_idle": 60,
                "connection_class": BoundedConnection,
            },
        },
    }
