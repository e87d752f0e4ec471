"""People and a producer who keep working while the product is hurt, and remember what they were told."""

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

from .product import Product

numbers = count(1)  # over all tests: a patch_id sent before would only be a replay
PAUSE = 0.005  # seconds between two acts of one caller; the machine has other things to do


@dataclass(frozen=True)
class Item:
    """A patch taken in: the producer was told 201 and this id."""

    decision_id: str
    patch_id: str
    sha256: str


@dataclass
class Callers:
    """Two people decide every item; a producer keeps sending. `told` holds each definite answer."""

    product: Product
    told: list[tuple[str, str]] = field(default_factory=list)  # (decision_id, status the caller was told)
    sent: list[Item] = field(default_factory=list)
    codes: Counter[object] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)
    work: "SimpleQueue[Item]" = field(default_factory=SimpleQueue)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> "Callers":
        self.threads = [threading.Thread(target=self._keep, args=(self._send, self.product.producer))]
        self.threads += [
            threading.Thread(target=self._keep, args=(self._decide, token)) for token in self.product.people
        ]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.failures, self.failures

    def read(self, path: str) -> tuple[int, Any]:
        """GET as the first person; (0, None) when nobody answered."""
        return self._ask("GET", path, self.product.people[0])

    def answers(self) -> bool:
        """Tell whether the product reads its database again."""
        return self.read("/hitl/patches/pending?limit=1")[0] == 200

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

    def _keep(self, act: Callable[[str], None], token: str) -> None:
        while not self.stop.is_set():
            try:
                act(token)
            except Exception as error:
                self.failures.append(repr(error))  # a thread's exception would be lost
                return
            time.sleep(PAUSE)

    def _send(self, token: str) -> None:
        number = next(numbers)
        sent = document(patch_id=f"SOAK-{number}", cve_id=f"CVE-2024-{number:05}", severity="medium")
        code, answer = self._ask("POST", "/hitl/patches", token, sent)
        if code in {200, 201}:
            item = Item(answer["decision_id"], answer["patch_id"], answer["patch_sha256"])
            self.sent.append(item)
            for _ in range(2):
                self.work.put(item)

    def _decide(self, token: str) -> None:
        try:
            item = self.work.get(timeout=0.2)
        except Empty:
            return
        body = {"decision_id": item.decision_id, "patch_sha256": item.sha256}
        verdict = "approve" if hash((token, item)) % 2 else "reject"
        if verdict == "reject":
            body["reason"] = "It misses the second call site."
        code, answer = self._ask("POST", f"/hitl/patches/{item.patch_id}/{verdict}", token, body)
        if code == 200:
            self.told.append((item.decision_id, answer["status"]))
        elif code == 409:
            self.told.append((item.decision_id, answer["current"]["status"]))
        elif code not in {0, 503}:
            raise AssertionError(f"{verdict} was answered {code}: {answer}")

    def _ask(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        """Return code and document; code 0 is 'no answer', which says nothing about what happened."""
        connection = http.client.HTTPConnection("127.0.0.1", self.product.port, timeout=30)
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
        return code, found
