"""What endpoints cost a decision: approvals with none that is told, and with three, in turn.

python benchmarks/webhooks.py [--blocks 20] [--approvals 20]; see README.md.
"""

import argparse
import socket
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import approving, documents, policing, serving, telling
from benchmarks.scale import load

ENDPOINTS, EACH = 3, 0.15  # seconds from one approval to the next: what one office does at its busiest
MOST = 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--approvals", type=int, default=20)
    options = parser.parse_args()
    with (
        telling.receiver() as told,
        serving.product(OUTBOUND_ALLOW="127.0.0.0/8", AUTO_APPROVE_ENABLED="false") as port,
    ):
        [person] = approving.reviewers(1)
        real, wanted = documents.real_documents(5), options.blocks * options.approvals
        policing.take_in(policing.producer(), real, wanted * 3)
        items = iter(approving.pending(wanted + 10))
        telling.add(told, ENDPOINTS)
        for _ in range(10):
            approve(port, next(items), person)  # warms up
        medians: dict[bool, list[float]] = {False: [], True: []}
        for block in range(options.blocks):
            on = block % 2 == 1
            time.sleep(1)  # what the block before left is told
            telling.switch(on)
            times = [approve(port, next(items), person) for _ in range(options.approvals)]
            medians[on].append(statistics.median(times))
        pairs = [with_three / alone for alone, with_three in zip(medians[False], medians[True], strict=True)]
        time.sleep(5)
        arrived = telling.arrived()
    none, three = (statistics.median(medians[on]) * 1000 for on in (False, True))
    ratio = statistics.median(pairs)
    print(
        f"{arrived} deliveries arrived; an approval takes {none:.1f} ms with no endpoint, {three:.1f} with {ENDPOINTS}"
    )
    print(f"median of {len(pairs)} pairs {ratio:.3f}, {'holds' if ratio <= MOST else 'MISSES'} {MOST}")


def approve(port: int, item: approving.Item, person: approving.Reviewer) -> float:
    """Approve one patch and return for how many seconds its reviewer waited."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        answer = load.exchange(connection, approving.request(item, person))
    seconds = time.perf_counter() - began
    assert answer.status == 200, answer
    time.sleep(max(0.0, EACH - seconds))
    return seconds


if __name__ == "__main__":
    main()
