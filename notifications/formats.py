"""What a webhook's body looks like: ours, and those of two other systems whose receivers are already there. Pure.

A body is made of an item of the feed as its reader sees it (`api.answers.FeedItem`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

Item = Mapping[str, Any]
APPROVED = ("approved", "auto_approved")
TRIED = "test"
"""The status of an item that somebody sends to try an endpoint."""


@dataclass(frozen=True, slots=True)
class About:
    """What a body says beside the item: the delivery's id, for whom it is, and the page of the patch."""

    delivery: UUID
    audience: str
    page: str


@dataclass(frozen=True, slots=True)
class Format:
    """One format; `address` is where a body goes, made of the endpoint's URL."""

    title: str
    compose: Callable[[Item, About], dict[str, Any]]
    address: Callable[[str, str], str] = lambda url, body: url
    is_hex_signed: bool = False


def _standard(item: Item, about: About) -> dict[str, Any]:
    """Return what Standard Webhooks recommends: a type, when it happened, and the item."""
    return {"type": f"decision.{item['status']}", "timestamp": item["at"], "data": dict(item)}


def _reference(item: Item, about: About) -> dict[str, Any]:
    """Return the reference API's callback. It knows two ends: what is not, or no longer, approved is rejected."""
    by, rest = item["decided_by"] or "", {"timestamp": item["at"], "patch_id": item["patch_id"]}
    if item["status"] in APPROVED:
        return {"decision_id": item["decision_id"], "approved_by": by, **rest}
    return {"decision_id": item["decision_id"], "rejected_by": by, "reason": item["status"], **rest}


def _reference_address(url: str, body: str) -> str:
    said = json.loads(body)
    name = quote(said["patch_id"], safe="")
    return f"{url.rstrip('/')}/api/patches/{name}/{'approved' if 'approved_by' in said else 'rejected'}"


def _workflow(item: Item, about: About) -> dict[str, Any]:
    """Return the message of a workflow gate's system, with the item as its metadata."""
    data = {
        "notificationId": str(about.delivery),
        "approvalRequestId": item["decision_id"],
        "recipient": about.audience,
        "subject": f"{item['patch_id']}: {item['status']}",
        "body": f"{item['patch_id']} is {item['status'].replace('_', ' ')}.",
        "approvalUrl": about.page,
    }
    event = f"approval.{item['status']}"
    return {"event": event, "timestamp": item["at"], "data": data, "metadata": dict(item)}


FORMATS = {
    "standard": Format("Standard Webhooks", _standard),
    "s1": Format("Callback of the reference API", _reference, _reference_address),
    "s3": Format("Message of workflow approvals", _workflow, is_hex_signed=True),
}
