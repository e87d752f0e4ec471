"""What the service answers, as values: the fields that callers branch on by name, the whole answer as `raw`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PENDING = "pending"
APPROVED = frozenset({"approved", "auto_approved"})


@dataclass(frozen=True)
class Trace:
    """One condition of the policy: what it asks, what it met, and `pass`, `fail` or `absent`."""

    text: str
    value: str
    outcome: str


@dataclass(frozen=True)
class Objection:
    """What one person who refused says: of the whole patch, or at a line of one of its files.

    `category` comes with a rejection; `side` is `old` or `new`, the file that has the line. `text` is None when erased.
    """

    category: str | None
    text: str | None
    file: str | None
    line: int | None
    side: str | None


@dataclass(frozen=True)
class Submission:
    """What became of a patch that was sent. `created` is false for a replay of content that was there already."""

    decision_id: str
    patch_id: str
    revision: int
    patch_sha256: str
    status: str
    priority: str
    trace: tuple[Trace, ...]
    warnings: tuple[str, ...]
    created: bool
    raw: dict[str, Any]

    @classmethod
    def read(cls, answer: dict[str, Any], *, created: bool) -> Submission:
        return cls(
            decision_id=answer["decision_id"],
            patch_id=answer["patch_id"],
            revision=answer["revision"],
            patch_sha256=answer["patch_sha256"],
            status=answer["status"],
            priority=answer["priority"],
            trace=_trace(answer),
            warnings=tuple(warning["message"] for warning in answer.get("parse_warnings") or []),
            created=created,
            raw=answer,
        )


@dataclass(frozen=True)
class Outcome:
    """How a decision stands. `approved` is true only for an approval in force: everything else deploys nothing."""

    id: str
    status: str
    decided_by: str | None
    decided_at: str | None
    category: str | None
    reason: str | None
    comment: str | None
    url: str
    raw: dict[str, Any]

    @property
    def pending(self) -> bool:
        return self.status == PENDING

    @property
    def approved(self) -> bool:
        return self.status in APPROVED


@dataclass(frozen=True)
class Decision(Outcome):
    """The decision on one revision of a patch."""

    patch_id: str
    revision: int
    producer: str
    patch_sha256: str
    canonical_sha256: str | None
    priority: str
    trace: tuple[Trace, ...]

    @classmethod
    def read(cls, answer: dict[str, Any], base_url: str) -> Decision:
        return cls(
            **_outcome(answer),
            id=answer["decision_id"],
            url=f"{base_url}/patches/{answer['decision_id']}",
            patch_id=answer["patch_id"],
            revision=answer["revision"],
            producer=answer["producer"],
            patch_sha256=answer["patch_sha256"],
            canonical_sha256=answer["canonical_sha256"],
            priority=answer["priority"],
            trace=_trace(answer),
        )

    @property
    def objections(self) -> tuple[Objection, ...]:
        """Why it was rejected or is to be changed, where this token may read it."""
        return _objections(self.raw)

    @property
    def comments(self) -> tuple[dict[str, Any], ...]:
        """What people wrote on it: `text`, `author`, and `file`, `line`, `side` where they meant a line."""
        return tuple(self.raw.get("comments") or ())


@dataclass(frozen=True)
class Approval(Outcome):
    """A workflow's request for an approval, without a diff. `digest` is of the request that people see."""

    digest: str
    expires_at: str | None
    notes: tuple[str, ...]

    @classmethod
    def read(cls, answer: dict[str, Any], base_url: str) -> Approval:
        return cls(
            **_outcome(answer),
            id=answer["id"],
            url=base_url + answer["url"],
            digest=answer["digest"],
            expires_at=answer["expires_at"],
            notes=tuple(answer.get("notes") or ()),
        )


@dataclass(frozen=True)
class FeedItem:
    """One change of a decision to a status other than pending; `position` counts from 1 without a gap."""

    position: int
    decision_id: str
    patch_id: str
    kind: str
    revision: int
    producer: str
    patch_sha256: str
    canonical_sha256: str | None
    status: str
    at: str
    bypass: bool
    raw: dict[str, Any]

    @property
    def objections(self) -> tuple[Objection, ...]:
        """Why it was rejected or is to be changed, where this token may read it."""
        return _objections(self.raw)

    @classmethod
    def read(cls, answer: dict[str, Any]) -> FeedItem:
        names = [name for name in cls.__dataclass_fields__ if name != "raw"]
        return cls(**{name: answer[name] for name in names}, raw=answer)

    @property
    def deployable(self) -> bool:
        """Whether this item, by itself, allows a deployment; a later one may take it back."""
        return self.kind == "patch" and self.status in APPROVED


def _outcome(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what both kinds of answers say under the same names."""
    names = ("status", "decided_by", "decided_at", "category", "reason", "comment")
    return {name: answer[name] for name in names} | {"raw": answer}


def _objections(answer: dict[str, Any]) -> tuple[Objection, ...]:
    """Return them; none from a service that is older than they are."""
    names = ("category", "text", "file", "line", "side")
    return tuple(Objection(*(row[name] for name in names)) for row in answer.get("objections") or [])


def _trace(answer: dict[str, Any]) -> tuple[Trace, ...]:
    return tuple(Trace(row["text"], row["value"], row["outcome"]) for row in answer.get("trace") or [])
