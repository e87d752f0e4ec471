"""Ten minutes of what schemathesis makes of the contract, against running processes: whatever is sent with a token of
each kind, nothing breaks, every answer is one that the contract names, and the books are whole afterwards."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.contract import KINDS, hold, operations

from .callers import Callers
from .product import running

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

SECONDS = 600.0
EXAMPLES = 20  # of an operation and a kind of token, then the next


def test_ten_minutes_of_calls_have_answers_that_the_contract_names(tmp_path: Path) -> None:
    statuses: Counter[int] = Counter()
    numbers = random.Random(first := random.randrange(2**32))
    print(f"seed {first}")
    with running(tmp_path) as product:
        callers = Callers(product)
        gates = [callers.ask_gate(600_000) for _ in range(20)]
        digests = [item.sha256 for item in callers.sent]
        there = {"gate_id": gates, "decision_id": gates, "patch_id": [item.patch_id for item in callers.sent]}
        there |= {"digest": digests, "patch_sha256": digests}
        tokens = product.machines | {"personal": product.people[0]}
        assert set(tokens) == set(KINDS)
        url, until = f"http://127.0.0.1:{product.port}", time.monotonic() + SECONDS
        while time.monotonic() < until:
            for operation in operations():
                token, number = tokens[numbers.choice(KINDS)], numbers.randrange(2**32)
                statuses += hold(operation, there, token, number=number, examples=EXAMPLES, url=url)
        product.assert_settled()
    print(f"{statuses.total()} calls: {sorted(statuses.items())}")
    assert {200, 201, 403, 404, 409, 422} <= set(statuses)
