"""People, a producer and deployers who keep working while the product is hurt, and remember what they were told."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

from tests.cast import document

from .product import DEPLOYERS, Product

numbers = count(1)  # over all tests: a patch_id sent before would only be a replay
UNKNOWN = {0, 429, 503}
"""Nobody answered, or somebody who could not know: neither says what became of what was asked."""
PAUSE = 0.005  # seconds between two acts of one caller; the machine has other things to do
LATER = 0.5  # seconds before one who got no answer asks again: all of them at once would keep what starts from starting

FEED = """
select decision.decision_id::text, feed.status from approvals_feedentry feed
join approvals_decision decision on decision.id = feed.decision_id order by feed.position
"""
ACKNOWLEDGED = """
select deployer, position from approvals_acknowledgement
join approvals_feedentry on position = feed_entry_id
"""


@dataclass(frozen=True)
class Item:
    """A patch taken in: the producer was told 201 and this id."""

    decision_id: str
    patch_id: str
    sha256: str


@dataclass
class Callers:
    """Two people decide every item, a producer keeps sending, deployers read the feed to its end and acknowledge each
    item. `told`, `pulled` and `acknowledged` hold each definite answer. All ask at `port`, that of the product or of
    what stands before it, each from an address of their own."""

    product: Product
    port: int = 0
    told: list[tuple[str, str]] = field(default_factory=list)  # (decision_id, status the caller was told)
    sent: list[Item] = field(default_factory=list)
    pulled: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # token -> the feed from its beginning
    acknowledged: list[tuple[str, int]] = field(default_factory=list)  # (token, position)
    codes: Counter[object] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)
    work: "SimpleQueue[Item]" = field(default_factory=SimpleQueue)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pulled = {token: [] for token in self.product.deployers}
        everybody = (self.product.producer, *self.product.people, *self.product.deployers)
        self.sources = {token: f"127.0.1.{number}" for number, token in enumerate(everybody, start=1)}

    def __enter__(self) -> "Callers":
        does = {self.product.producer: self._send}
        does |= dict.fromkeys(self.product.people, self._decide) | dict.fromkeys(self.product.deployers, self._pull)
        self.threads = [threading.Thread(target=self._keep, args=(act, token)) for token, act in does.items()]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.failures, self.failures

    def read(self, path: str) -> tuple[int, Any]:
        """GET as the first person, again a second later where that was too much; (0, None) when nobody answered."""
        while (answer := self._ask("GET", path, self.product.people[0]))[0] == 429:
            time.sleep(1)
        return answer

    def answers(self) -> bool:
        """Tell whether the product reads its database again."""
        return self.read("/hitl/patches/pending?limit=1")[0] == 200

    def work_goes_through(self) -> bool:
        """Tell whether a patch is taken in, decided and, placed by the worker, in the feed."""
        sent = self._send(self.product.producer)
        if sent is None or self._give(sent, self.product.people[0]) not in {200, 409}:
            return False
        code, _ = self._ask("GET", f"/hitl/decisions/{sent.decision_id}?wait=2", self.product.deployers[0])
        after = max(len(feed) for feed in self.pulled.values())
        code, feed = self._ask("GET", f"/hitl/decisions?after={after}&limit=1000&wait=2", self.product.deployers[0])
        return code == 200 and sent.decision_id in {item["decision_id"] for item in feed}

    def ask_gate(self, timeout_ms: int) -> str:
        """Ask for an approval that runs out after this time, and return its id."""
        number = next(numbers)
        asked = {"title": f"Deploy {number}", "workflow_id": "release", "job_id": "deploy", "execution_id": str(number)}
        code, answer = self._ask("POST", "/api/approvals", self.product.producer, asked | {"timeout_ms": timeout_ms})
        assert code == 201, answer
        self.sent.append(Item(answer["id"], answer["patch_id"], answer["digest"]))
        return self.sent[-1].decision_id

    def approve_gate(self, gate: str) -> int:
        """Approve as the first person; 0 when nobody answered."""
        digest = next(item.sha256 for item in self.sent if item.decision_id == gate)
        return self._ask("POST", f"/api/approvals/{gate}/approve", self.product.people[0], {"digest": digest})[0]

    def assert_told_the_truth(self) -> None:
        """Ask again for everything somebody was told: the answer must still be the same."""
        assert self.told
        assert self.sent
        for decision_id, status in self.told:
            code, found = self.read(f"/hitl/decisions/{decision_id}")
            assert code == 200, f"{decision_id} was told to be {status} and is not there: {code}"
            assert found["status"] == status, f"{decision_id} was told to be {status}, it is {found['status']}"
        known = {decision_id for decision_id, _ in self.told}
        for item in self.sent:
            if item.decision_id not in known:
                assert self.read(f"/hitl/decisions/{item.decision_id}")[0] == 200, f"{item} was taken in and is lost"

    def assert_deployers_know_the_feed(self) -> None:
        """Compare what deployers read and acknowledged with the database."""
        with self.product.connect() as connection:
            feed = connection.execute(FEED).fetchall()
            kept = Counter(connection.execute(ACKNOWLEDGED).fetchall())
        for read in self.pulled.values():
            assert read
            assert read == feed[: len(read)]
        names = dict(zip(self.product.deployers, DEPLOYERS, strict=True))
        lost = [row for token, position in self.acknowledged if kept[row := (names[token], position)] != 1]
        assert self.acknowledged
        assert lost == []
        assert set(kept.values()) == {1}

    def _keep(self, act: Callable[[str], object], token: str) -> None:
        while not self.stop.is_set():
            try:
                act(token)
            except Exception as error:
                self.failures.append(repr(error))  # a thread's exception would be lost
                return
            time.sleep(PAUSE)

    def _send(self, token: str) -> Item | None:
        number = next(numbers)
        sent = document(patch_id=f"SOAK-{number}", cve_id=f"CVE-2024-{number:05}", severity="medium")
        code, answer = self._ask("POST", "/hitl/patches", token, sent)
        if code not in {200, 201}:
            return None
        item = Item(answer["decision_id"], answer["patch_id"], answer["patch_sha256"])
        self.sent.append(item)
        for _ in range(2):
            self.work.put(item)
        return item

    def _decide(self, token: str) -> None:
        try:
            item = self.work.get(timeout=0.2)
        except Empty:
            return
        if self._give(item, token) in UNKNOWN:
            self.work.put(item)  # somebody asks again: what was recorded already is told then

    def _give(self, item: Item, token: str) -> int:
        body = {"decision_id": item.decision_id, "patch_sha256": item.sha256}
        verdict = "approve" if hash((token, item)) % 2 else "reject"
        if verdict == "reject":
            body["reason"] = "It misses the second call site."
        code, answer = self._ask("POST", f"/hitl/patches/{item.patch_id}/{verdict}", token, body)
        if code == 200:
            self.told.append((item.decision_id, answer["status"]))
        elif code == 409:
            self.told.append((item.decision_id, answer["current"]["status"]))
        elif code not in UNKNOWN:
            raise AssertionError(f"{verdict} was answered {code}: {answer}")
        return code

    def _pull(self, token: str) -> None:
        """Read on in the feed where this deployer is, and acknowledge each item."""
        read = self.pulled[token]
        code, feed = self._ask("GET", f"/hitl/decisions?after={len(read)}&wait=1", token)
        if code != 200:
            return
        for item in feed:
            assert item["position"] == len(read) + 1, f"{item} follows position {len(read)}"
            read.append((item["decision_id"], item["status"]))
            path, body = f"/hitl/decisions/{item['decision_id']}/acknowledge", {"position": item["position"]}
            code, answer = self._ask("POST", path, token, body)
            if code == 200:
                self.acknowledged.append((token, item["position"]))
            elif code not in UNKNOWN:
                raise AssertionError(f"An acknowledgement was answered {code}: {answer}")

    def _ask(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        """Return code and document; code 0 is 'no answer', which says nothing about what happened."""
        port, source = self.port or self.product.port, (self.sources[token], 0)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=source)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            code, found = answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError):
            code, found = 0, None  # ValueError: the answer broke off in the middle
        finally:
            connection.close()
        self.codes[code] += 1
        if code in UNKNOWN:
            time.sleep(LATER)
        return code, found
