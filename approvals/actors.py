"""The audit log's actors, made from a request by the edges."""

from typing import TypedDict

from django.http import HttpRequest

from approvals.models import ApiToken, TokenKind, User
from audit.log import Actor
from audit.models import ActorKind


def person_actor(request: HttpRequest, user: User, authn: str = "session") -> Actor:
    """Return the actor for a person; the pseudonym goes into entries, the name beside them."""
    return Actor(f"user:{user.pk}", ActorKind.HUMAN, user.username, authn, **_origin(request))


def token_actor(request: HttpRequest, token: ApiToken) -> Actor:
    """Return the actor for a machine: a producer by its name, any other token by its own."""
    name = token.producer.name if token.kind == TokenKind.PRODUCER and token.producer else token.name
    return Actor(f"token:{token.prefix}", ActorKind.SERVICE, name, "token", **_origin(request))


def nobody(request: HttpRequest) -> Actor:
    """Return the actor for somebody who has not proved who they are."""
    return Actor("anonymous", ActorKind.HUMAN, "", "", **_origin(request))


def provider(request: HttpRequest) -> Actor:
    """Return the actor for what the single sign-on provider says of somebody, such as their groups."""
    return Actor("provider:sso", ActorKind.SERVICE, "Single sign-on", "oidc", **_origin(request))


def github(request: HttpRequest) -> Actor:
    """Return the actor for what GitHub's webhook says, which its signature proves."""
    return Actor("webhook:github", ActorKind.SERVICE, "GitHub", "signature", **_origin(request))


def command(name: str) -> Actor:
    """Return the actor for a management command: whoever has a shell on the machine."""
    return Actor(f"command:{name}", ActorKind.SERVICE, f"manage.py {name}", "shell")


class Origin(TypedDict):
    """Where a request came from, as the middleware saw it."""

    request_id: str
    ip_address: str | None
    user_agent: str


def _origin(request: HttpRequest) -> Origin:
    return {
        "request_id": getattr(request, "request_id", ""),
        "ip_address": getattr(request, "client_ip", None),
        "user_agent": request.headers.get("User-Agent", ""),
    }
