"""What `manage.py check --deploy` says about the database and the settings of a deployment, and how to mend each."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError, connection

from hitl.own_settings import SECTIONS
from postgresql.rights import exceeding, silenced_triggers

OWN_ROLE = (
    "Make a role of its own and name the owner in DATABASE_MIGRATE_URL: docs/security/hardening.md, 'Least privilege'."
)
SWITCHED_ON = "As the owner: alter table TABLE enable trigger TRIGGER, and look at what was written meanwhile."
REACHED = "Run it where DATABASE_URL reaches the database, after `manage.py migrate`."
LIMITS = ["RATE_LIMIT_REQUESTS_PER_MINUTE", "RATE_LIMIT_PAGES_PER_MINUTE", "RATE_LIMIT_ANONYMOUS_PER_MINUTE"]
CHATS = ["SLACK_WEBHOOK_URL", "TEAMS_WEBHOOK_URL"]
CONTAINER_MARKS = [Path("/.dockerenv"), Path("/run/.containerenv"), Path("/var/run/secrets/kubernetes.io")]


@register(Tags.security, deploy=True)
def database_role(**_: Any) -> list[CheckMessage]:
    """Warn when web and worker connect as somebody who could undo what the database refuses."""
    return _asked(exceeding, "The role of web and worker {}.", OWN_ROLE, "hitl.W001")


@register(Tags.security, deploy=True)
def database_triggers(**_: Any) -> list[CheckMessage]:
    """Warn of what the database refuses no more."""
    return _asked(silenced_triggers, "The trigger {} is switched off.", SWITCHED_ON, "hitl.W019")


def _asked(find: Callable[[], list[str]], said: str, fix: str, id: str) -> list[CheckMessage]:
    try:
        return [Warning(said.format(what), hint=fix, id=id) for what in find()]
    except DatabaseError:
        connection.close()
        return [
            Warning(f"The database did not answer, so what {id} looks for is not known.", hint=REACHED, id="hitl.W002")
        ]


@dataclass(frozen=True)
class Danger:
    """A setting that is right on one machine and dangerous in a network: `found` says whether, or where."""

    id: str
    says: str
    fix: str
    found: Callable[[], bool | list[str]]


DANGERS = [
    Danger(
        "hitl.W003",
        "BASE_URL is not https: passwords and sessions go over the network as they are.",
        "Put a proxy that ends TLS in front and set BASE_URL=https://the-name-people-use.",
        lambda: not settings.HTTPS,
    ),
    Danger(
        "hitl.W004",
        "TRUSTED_PROXIES is empty: limits and log take everybody for the proxy that ends TLS.",
        "Set TRUSTED_PROXIES to the address or network from which that proxy calls.",
        lambda: settings.HTTPS and not settings.TRUSTED_PROXIES,
    ),
    Danger(
        "hitl.W005",
        "The database is on another machine and nobody makes sure that it is this one",
        "Add ?sslmode=verify-full&sslrootcert=/path/to/ca.pem to the URL.",
        lambda: _unverified_databases(),
    ),
    Danger(
        "hitl.W006",
        "SMTP_SECURITY is none: one-time links go over the network as they are.",
        "Set SMTP_SECURITY to starttls or tls, with the port that goes with it.",
        lambda: bool(settings.SMTP_HOST) and settings.SMTP_SECURITY == "none" and not _is_here(settings.SMTP_HOST),
    ),
    Danger(
        "hitl.W007",
        "SECOND_FACTOR_REQUIRED is off: a password alone signs in.",
        "Set SECOND_FACTOR_REQUIRED=true; everybody is led to adding a factor at the next sign-in.",
        lambda: not settings.SECOND_FACTOR_REQUIRED,
    ),
    Danger(
        "hitl.W008",
        "SECOND_PERSON_REQUIRED is off: one lead loosens the rules alone.",
        "Make a second lead, set SECOND_PERSON_REQUIRED=true and run `manage.py migrate`.",
        lambda: not settings.SECOND_PERSON_REQUIRED,
    ),
    Danger(
        "hitl.W009",
        "ALLOWED_HOSTS lacks the host of BASE_URL: every request under it is refused.",
        "Add it to ALLOWED_HOSTS.",
        lambda: not _is_allowed(settings.HOST),
    ),
    Danger(
        "hitl.W010",
        "ALLOWED_HOSTS is *: whoever sends a request chooses the address that links and redirects lead to.",
        "Name the host of BASE_URL and those by which probes ask.",
        lambda: "*" in settings.ALLOWED_HOSTS,
    ),
    Danger(
        "hitl.W011",
        "The database is the embedded one, in a container: it ends with the container and serves no other replica.",
        "Set DATABASE_URL and DATABASE_MIGRATE_URL to a PostgreSQL of its own.",
        lambda: settings.EMBEDDED and _in_container(),
    ),
    Danger(
        "hitl.W012",
        "Everybody on the machine may read a secret",
        "chmod o= the file (in Kubernetes `defaultMode: 0440` with `fsGroup`), then renew what is in it.",
        lambda: _readable_secrets(),
    ),
    Danger(
        "hitl.W013",
        "METRICS_ALLOWED_IPS lets everybody read /metrics without a token.",
        "Name Prometheus' own network, or none and give it a token with metrics:read.",
        lambda: any(network.prefixlen == 0 for network in settings.METRICS_ALLOWED_IPS),
    ),
    Danger(
        "hitl.W014",
        "TRUSTED_PROXIES is everybody: whoever calls chooses the address that limits and log see.",
        "Name the proxy's own address or network.",
        lambda: any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES),
    ),
    Danger(
        "hitl.W015",
        "DATABASE_MIGRATE_URL is set beside web and worker: who breaks into them owns the log's tables.",
        "Give it to `manage.py migrate` only.",
        lambda: not settings.EMBEDDED and settings.DATABASE_MIGRATE_URL != settings.DATABASE_URL,
    ),
    Danger(
        "hitl.W016",
        "A limit of requests is off, so one caller can take everything",
        "Set it above what the busiest caller sends in a minute.",
        lambda: [name for name in LIMITS if getattr(settings, name) == 0],
    ),
    Danger(
        "hitl.W017",
        "The demo's people can sign in, with passwords that stand in HITL_DATA_DIR/demo-accounts.",
        "Start with an empty database and no --demo.",
        lambda: (settings.HITL_DATA_DIR / "demo-accounts").exists(),
    ),
    Danger(
        "hitl.W018",
        "Pages of a plain http origin are trusted: whoever is in between them and a browser acts in its person's name",
        "Name origins by https.",
        lambda: _plain_origins(),
    ),
    Danger(
        "hitl.W025",
        "Slack is set up by halves",
        "Set what is missing, or take away what needs it: docs/chat.md.",
        lambda: _halves_of_slack(),
    ),
    Danger(
        "hitl.W026",
        "The address of a chat is not https: what goes there can be read on the way, and whoever reads it can send too",
        "Take the address as the chat shows it.",
        lambda: [
            name for name in CHATS if getattr(settings, name) and not getattr(settings, name).startswith("https:")
        ],
    ),
]


@register(Tags.security, deploy=True)
def deployment(**_: Any) -> list[CheckMessage]:
    """Warn of each danger that is there, with where it is."""
    warnings: list[CheckMessage] = []
    for danger in DANGERS:
        if found := danger.found():
            said = danger.says if found is True else f"{danger.says}: {', '.join(found)}."
            warnings.append(Warning(said, hint=danger.fix, id=danger.id))
    return warnings


def _unverified_databases() -> list[str]:
    entries = {
        "DATABASE_URL": settings.DATABASES["default"],
        "DATABASE_REPLICA_URL": settings.DATABASES.get("replica"),
        "DATABASE_MIGRATE_URL": settings.DATABASE_OWNER,
    }
    return [
        name
        for name, entry in entries.items()
        if entry and not _is_here(entry["HOST"]) and entry["OPTIONS"].get("sslmode") != "verify-full"
    ]


def _is_allowed(host: str) -> bool:
    """Return whether Django takes a host, as `ALLOWED_HOSTS` is read by it."""
    name = f"[{host}]" if ":" in host else host
    return any(
        name == allowed or allowed == "*" or allowed.startswith(".") and f".{name}".endswith(allowed)
        for allowed in settings.ALLOWED_HOSTS
    )


def _in_container() -> bool:
    return any(mark.exists() for mark in CONTAINER_MARKS) or "KUBERNETES_SERVICE_HOST" in os.environ


def _readable_secrets() -> list[str]:
    secret = [f"{one.name}_FILE" for section in SECTIONS for one in section.settings if one.is_secret]
    given = [name for name in secret if os.environ.get(name)]
    return [name for name in given if Path(os.environ[name]).stat().st_mode & stat.S_IROTH]


def _plain_origins() -> list[str]:
    if not settings.HTTPS:
        return []
    origins = {"CORS_ORIGINS": settings.CORS_ORIGINS, "CSRF_TRUSTED_ORIGINS": settings.CSRF_TRUSTED_ORIGINS}
    return [name for name, named in origins.items() if any(urlsplit(one).scheme == "http" for one in named)]


def _halves_of_slack() -> list[str]:
    token, secret = bool(settings.SLACK_BOT_TOKEN), bool(settings.SLACK_SIGNING_SECRET)
    channel, webhook = bool(settings.SLACK_CHANNEL), bool(settings.SLACK_WEBHOOK_URL)
    found = {
        "SLACK_CHANNEL without SLACK_BOT_TOKEN": channel and not token,
        "SLACK_SIGNING_SECRET without SLACK_BOT_TOKEN": secret and not token,
        "SLACK_BOT_TOKEN without SLACK_SIGNING_SECRET, so that nobody can link their Slack user": token and not secret,
        "SLACK_BOT_TOKEN without SLACK_CHANNEL, so that no bot tells the team": token and not (channel or webhook),
        "SLACK_WEBHOOK_URL beside SLACK_CHANNEL, which is used instead": webhook and token and channel,
    }
    return [what for what, there in found.items() if there]


def _is_here(host: str) -> bool:
    """Return whether a host is this machine: a socket's directory, a loopback address or its name."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
