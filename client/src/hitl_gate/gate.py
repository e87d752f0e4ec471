"""The gate as a program sees it: submit, ask for an approval, wait, follow the feed, fetch what was approved."""

from __future__ import annotations

import base64
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from .answers import Approval, Decision, FeedItem, Outcome, Submission
from .cursor import Cursor
from .errors import DeploymentAlarm, FeedGap, NotDecided, NotReachable, Refused, WrongBytes
from .http import Connection

WAIT = 60  # seconds: the longest `wait=` that the service takes
PAGE = 1_000  # feed items in one answer
FIRST_PAUSE = 0.5  # seconds between two questions where the service does not wait itself
Decided = TypeVar("Decided", bound=Outcome)


class Gate:
    """A service and the token of one producer, deployer or person.

    `patience`: seconds for which a call goes on trying while the service is away or busy.
    `allow_http`: take http to another machine too, inside a network that is closed otherwise.
    """

    def __init__(self, url: str, token: str, *, patience: float = 60.0, allow_http: bool = False) -> None:
        self._connection = Connection(url, token, patience=patience, allow_http=allow_http)

    @classmethod
    def from_environment(cls, *, patience: float = 60.0) -> Gate:
        """Return the gate of HITL_URL, with the token in HITL_TOKEN or in the file HITL_TOKEN_FILE.

        HITL_ALLOW_HTTP=1 allows http to another machine. Raises ValueError where one of them is missing or wrong.
        """
        url, token = os.environ.get("HITL_URL", ""), os.environ.get("HITL_TOKEN", "")
        if not url:
            raise ValueError("Set HITL_URL to the address of HITL, such as https://hitl.example.org")
        if not token and (file := os.environ.get("HITL_TOKEN_FILE")):
            try:
                token = Path(file).read_text(encoding="ascii").strip()
            except (OSError, UnicodeError) as error:
                raise ValueError(f"The token file {file} cannot be read: {error}") from error
        if not token:
            raise ValueError("Set HITL_TOKEN_FILE to a file that holds the token, or HITL_TOKEN to the token")
        return cls(url, token, patience=patience, allow_http=os.environ.get("HITL_ALLOW_HTTP") == "1")

    def submit(self, document: Mapping[str, Any], diff: bytes | None = None, *, key: str | None = None) -> Submission:
        """Send one patch: the document of `POST /hitl/patches`, its diff in it or beside it as bytes.

        Content that is there already is a replay: calling this again is safe. Raises Refused, NotReachable.
        """
        body = dict(document)
        if diff is not None:
            body["diff_base64"] = base64.b64encode(diff).decode("ascii")
        status, answer = self._connection.json("POST", "/hitl/patches", body, key=key or uuid.uuid4().hex)
        return Submission.read(answer, created=status == 201)

    def ask(
        self,
        title: str,
        *,
        workflow_id: str,
        job_id: str,
        execution_id: str,
        key: str | None = None,
        **terms: Any,
    ) -> Approval:
        """Ask people to approve one step of a workflow. The three ids name it: the same question again is a replay.

        `terms` are further fields of `POST /api/approvals`, such as `context` and `timeout_ms`.
        Raises Refused, NotReachable.
        """
        ids = {"workflow_id": workflow_id, "job_id": job_id, "execution_id": execution_id}
        body = {"title": title, **ids, **terms}
        _, answer = self._connection.json("POST", "/api/approvals", body, key=key or uuid.uuid4().hex)
        return Approval.read(answer, self._connection.url)

    def decision(self, decision_id: str) -> Decision:
        """Return how a decision stands now. Raises Refused (404 where there is none), NotReachable."""
        return self._decision(decision_id, 0)

    def approval(self, approval_id: str) -> Approval:
        """Return how a workflow's approval stands now. Raises Refused, NotReachable."""
        return self._approval(approval_id, 0)

    def wait(self, decision_id: str, seconds: float) -> Decision:
        """Return the decision as soon as it is no longer pending.

        Raises NotDecided after `seconds`, NotReachable where the service was away at their end, Refused.
        """
        return self._until_decided(lambda wait: self._decision(decision_id, wait), seconds)

    def wait_for_approval(self, approval_id: str, seconds: float) -> Approval:
        """Return a workflow's approval as soon as it is no longer pending; raises as `wait` does."""
        return self._until_decided(lambda wait: self._approval(approval_id, wait), seconds)

    def watch(self, cursor: Path, *, follow: bool = True) -> Iterator[FeedItem]:
        """Yield every item of the feed after the position in the file `cursor`, in order; without one from the first.

        An item counts as handled, and its position is written, when the next one is asked for: what was handled is not
        yielded again after a restart, and what was not, is. Without `follow` it ends when all are handled.
        Raises FeedGap, Refused, NotReachable, ValueError for a cursor of another service.
        """
        kept = Cursor.open(cursor, self._connection.url)
        while True:
            items = self.feed(kept.position, wait=WAIT if follow else 0)
            for item in items:
                yield item
                kept.advance(item.position)
            if not items and not follow:
                return

    def feed(self, after: int, *, limit: int = PAGE, wait: int = 0) -> list[FeedItem]:
        """Return up to `limit` items after a position, waiting up to `wait` seconds (0 to 60) for the first.

        Raises FeedGap where one is missing, Refused, NotReachable.
        """
        query = urlencode({"after": after, "limit": limit, "wait": wait})
        _, answer = self._connection.json("GET", f"/hitl/decisions?{query}", seconds=wait + 30.0)
        items = [FeedItem.read(row) for row in answer]
        for expected, item in enumerate(items, after + 1):
            if item.position != expected:
                raise FeedGap(f"The feed goes on with position {item.position}, where {expected} should be.")
        return items

    def acknowledge(self, item: FeedItem) -> None:
        """Say that this deployer has acted on an item, above all on a revocation. Raises Refused, NotReachable."""
        path = f"/hitl/decisions/{item.decision_id}/acknowledge"
        self._connection.json("POST", path, {"position": item.position}, key=f"acknowledge-{item.position}")

    def report(
        self, approved: Decision | FeedItem, result: str, sha256: str, *, at: datetime | None = None, note: str = ""
    ) -> None:
        """Say what became of a patch: `result` is deployed, failed or rolled_back, `sha256` is of the bytes applied.

        Repeating a report with the same `at` changes nothing. Raises DeploymentAlarm where these bytes are not, or no
        longer, approved: it is recorded as well; Refused, NotReachable.
        """
        body = {
            "deployed_sha256": sha256,
            "result": result,
            "at": (at or datetime.now(UTC)).isoformat(),
            **({"note": note} if note else {}),
        }
        path = f"/hitl/patches/{quote(approved.patch_id, safe='')}/outcome?{urlencode({'producer': approved.producer})}"
        try:
            self._connection.json("POST", path, body, key=uuid.uuid4().hex)
        except Refused as refusal:
            if refusal.problem.get("type") != "deployment_alarm":
                raise
            raise DeploymentAlarm(str(refusal.problem["alarm"]), str(refusal.problem["detail"])) from None

    def approved_bytes(self, approved: Decision | FeedItem) -> bytes:
        """Return what people approved, checked against its digest: the canonical form, or the bytes sent where none
        is safe.

        Raises WrongBytes where they are not what was approved, or nothing is approved; Refused, NotReachable.
        """
        decision = self.decision(approved.decision_id) if isinstance(approved, FeedItem) else self.decision(approved.id)
        if not decision.approved:
            raise WrongBytes(f"{decision.patch_id} revision {decision.revision} is {decision.status}, not approved.")
        if decision.patch_sha256 != approved.patch_sha256 or decision.canonical_sha256 != approved.canonical_sha256:
            raise WrongBytes(f"{decision.patch_id} has other digests than it had; the service cannot be trusted.")
        expected = decision.canonical_sha256 or decision.patch_sha256
        query = {"producer": decision.producer, "revision": decision.revision}
        if decision.canonical_sha256:
            query["form"] = "canonical"
        path = f"/hitl/patches/{quote(decision.patch_id, safe='')}/diff?{urlencode(query)}"
        _, content = self._connection.content("GET", path)
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise WrongBytes(f"{decision.patch_id} has the digest {found}, approved is {expected}.")
        return content

    def _decision(self, decision_id: str, wait: float) -> Decision:
        return Decision.read(self._asked(f"/hitl/decisions/{quote(decision_id, safe='')}", wait), self._connection.url)

    def _approval(self, approval_id: str, wait: float) -> Approval:
        return Approval.read(self._asked(f"/api/approvals/{quote(approval_id, safe='')}", wait), self._connection.url)

    def _asked(self, path: str, wait: float) -> dict[str, Any]:
        _, answer = self._connection.json("GET", f"{path}?wait={wait:.0f}", seconds=wait + 30.0)
        found: dict[str, Any] = answer
        return found

    def _until_decided(self, ask: Callable[[float], Decided], seconds: float) -> Decided:
        """Ask until something is decided or the time is over; a service that is away meanwhile ends nothing."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            asked_at = time.monotonic()
            try:
                found = ask(min(left, WAIT))
            except NotReachable:
                if time.monotonic() >= deadline:
                    raise
                continue
            if not found.pending:
                return found
            if time.monotonic() >= deadline:
                raise NotDecided(found, seconds)
            # A proxy may cut the wait short, and the last second is no whole one: do not ask without a pause.
            time.sleep(max(0.0, min(FIRST_PAUSE - (time.monotonic() - asked_at), deadline - time.monotonic())))
