"""What the description of the API says beyond ninja: who may call, how each operation refuses, its headers.

Every rule stands once, in a table, and is applied to each operation by what it is; a route says only what it answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from pydantic.json_schema import models_json_schema

from .answers import BulkLine, Problem
from .caller import LEGACY_PATH, NeedsProducer, SignedByGitHub

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as ninja describes it."""

    path: str
    method: str
    said: dict[str, Any]

    @property
    def writes(self) -> bool:
        return self.method == "post"

    @property
    def reads_json(self) -> bool:
        return JSON in self.said.get("requestBody", {}).get("content", {})

    @property
    def names_an_item(self) -> bool:
        return "{" in self.path

    @property
    def is_retried_by_key(self) -> bool:
        return self.writes and not self.path.endswith("/bulk")

    @property
    def may_conflict(self) -> bool:
        """Others may act meanwhile, two producers have the same patch_id, a key be in use right now."""
        return self.is_retried_by_key or "{patch_id}" in self.path


def _always(asked: Operation) -> bool:
    return True


SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token: `hitl_<id>_<secret>`."},
    "admin_token": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Admin-Token",
        "description": "A producer token as callers of the reference API send it.",
    },
    "github_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Hub-Signature-256",
        "description": "HMAC-SHA-256 of the body under `GITHUB_WEBHOOK_SECRET`, as GitHub sends it.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "A person who signed in.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "Beside the session cookie, with every POST: the value of the `csrftoken` cookie.",
    },
}

HEADERS = {
    "Age": ("How many seconds old the answer may be, where it comes from a replica.", {"type": "integer"}),
    "X-Total-Count": ("How many match: exact to 1,000, then `1000+`.", {"type": "string"}),
    "Link": ('`<…>; rel="next"` (RFC 8288) while there are more rows.', {"type": "string"}),
    "Location": ("The path of the decision.", {"type": "string"}),
    "Retry-After": ("Seconds to wait.", {"type": "integer"}),
}

PARAMETERS = {
    "Idempotency-Key": (
        "Retry under the same key within 24 hours and get the first answer; another body under it is 422.",
        {"type": "string", "maxLength": 255},
    ),
    "Last-Event-ID": (
        "Replays what came after this event, up to ten minutes back; beyond that `reset` comes first.",
        {"type": "string"},
    ),
}

REFUSALS: dict[int, tuple[str, Callable[[Operation], bool]]] = {
    400: ("The body is not JSON in UTF-8", lambda asked: asked.reads_json),
    401: ("Nobody we know", _always),
    403: ("Not for this caller, or a rule on this item", _always),
    404: ("Not there", lambda asked: asked.names_an_item),
    409: ("Decided or changed meanwhile (`current` says how), or not clear which", lambda asked: asked.may_conflict),
    413: ("The body is too large", lambda asked: asked.writes),
    415: ("Another Content-Type or Content-Encoding", lambda asked: asked.writes),
    422: ("Not valid; `errors` names each field", _always),
    429: ("Too many; `Retry-After` says when to come back", _always),
    503: ("The database or a place for a stream is not to be had; try again", _always),
}
WITH_RETRY_AFTER = {429, 503}


class DescribedAPI(NinjaAPI):
    """Ninja's API with the tables above in its description."""

    def get_root_path(self, path_params: dict[str, Any]) -> str:
        """Return where the API begins: its routes are whole addresses. Ninja would look up its own root, which
        `hitl.urls` leaves out."""
        return "/"

    def get_openapi_schema(self, **where: Any) -> OpenAPISchema:
        description = super().get_openapi_schema(**where)
        for path, operations in description["paths"].items():
            for method, said in operations.items():
                _complete(Operation(path, method, said))
        description["components"] |= _components()
        unrouted = models_json_schema(
            [(Problem, "serialization"), (BulkLine, "serialization")], ref_template="#/components/schemas/{model}"
        )
        description["components"]["schemas"] |= unrouted[1]["$defs"]
        return description


def with_headers(*names: str, statuses: tuple[int, ...] = (200,)) -> dict[str, Any]:
    """Return what a route adds to its description: the headers of its answers."""
    return {"responses": dict.fromkeys(statuses, {"headers": {name: reference("headers", name) for name in names}})}


def with_body(media: str, body: dict[str, Any], *parameters: str) -> dict[str, Any]:
    """Return what a route adds whose answer is no JSON: its body, and the headers that it reads."""
    return {
        "responses": {200: {"content": {media: {"schema": body}}}},
        "parameters": [reference("parameters", name) for name in parameters],
    }


def _complete(asked: Operation) -> None:
    asked.said["security"] = _security(asked)
    if asked.is_retried_by_key:
        asked.said["parameters"].append(reference("parameters", "Idempotency-Key"))
    asked.said["responses"] |= {
        status: reference("responses", f"Problem{status}") for status, (_, occurs) in REFUSALS.items() if occurs(asked)
    }


def _security(asked: Operation) -> list[dict[str, list[str]]]:
    """Return the ways to say who calls; ninja names the class of the route's auth."""
    if {SignedByGitHub.__name__: []} in asked.said["security"]:
        return [{"github_signature": []}]
    ways: list[dict[str, list[str]]] = [{"bearer": []}]
    if {NeedsProducer.__name__: []} not in asked.said["security"]:
        ways.append({"session": [], "csrf": []} if asked.writes else {"session": []})
    if asked.path == LEGACY_PATH:
        ways.append({"admin_token": []})
    return ways


def _components() -> dict[str, Any]:
    return {
        "securitySchemes": SECURITY,
        "headers": {name: {"description": words, "schema": kind} for name, (words, kind) in HEADERS.items()},
        "parameters": {
            name: {"name": name, "in": "header", "required": False, "description": words, "schema": kind}
            for name, (words, kind) in PARAMETERS.items()
        },
        "responses": {f"Problem{status}": _refusal(status, words) for status, (words, _) in REFUSALS.items()},
    }


def _refusal(status: int, words: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "description": words,
        "content": {"application/problem+json": {"schema": reference("schemas", "Problem")}},
    }
    if status in WITH_RETRY_AFTER:
        said["headers"] = {"Retry-After": reference("headers", "Retry-After")}
    return said


def reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
