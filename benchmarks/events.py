"""200 open event streams: how soon each has heard of a change, and what each holds of the web workers' memory.

python benchmarks/events.py [--streams 200 --rounds 40]; see README.md.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import approving, documents, serving, streams
from benchmarks.scale import load

PEOPLE = 20  # each with several pages open, as people have
MOST_MS, MOST_KB = 500, 60
PAUSE = 0.37  # seconds between rounds: no multiple of the sequencer's 200 ms, so that every phase of it occurs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    with serving.database(), serving.product() as port:
        token = serving.manage("create_token", "bench", "--kind", "producer")
        people = approving.reviewers(PEOPLE)
        real = documents.real_documents(5)
        warm_up(port, people, token, real)
        before = resident_kb(port)
        with streams.opened(port, [people[number % PEOPLE] for number in range(options.streams)]) as listeners:
            print(f"{listeners.refused} of {options.streams} streams were refused at first and asked again", flush=True)
            push(port, token, documents.fresh(real[0]))  # every stream has carried something before memory is read
            listeners.heard_by_all(1)
            each = (resident_kb(port) - before) / options.streams
            delays = [delay for one in range(options.rounds) for delay in change(port, token, real, listeners, one)]
    report(delays, each)


def warm_up(port: int, people: list[approving.Reviewer], token: str, real: list[Any]) -> None:
    """Ask for what happens around streams, and open a few, so that first times do not count as a stream's memory."""
    cookies = [f"sessionid={person.session}" for person in people]
    load.send_all(port, [load.request("GET", "/", Cookie=cookie) for cookie in cookies * 10], 8)
    for document in real[:40]:
        push(port, token, documents.fresh(document))
    with streams.opened(port, people):
        time.sleep(1)
    time.sleep(3)  # a closed stream is noticed within two seconds


def change(port: int, token: str, real: list[Any], listeners: streams.Listeners, number: int) -> list[float]:
    """Push one patch and return the seconds from its answer to each stream's having received the event."""
    time.sleep(PAUSE)
    heard = listeners.count()
    answered = push(port, token, documents.fresh(real[number % len(real)]))
    return [at - answered for at in listeners.heard_by_all(heard + 1)]


def push(port: int, token: str, document: object) -> float:
    """Push one patch and return when its answer was here."""
    request = load.request("POST", "/hitl/patches", document, Authorization=f"Bearer {token}")
    [answer], _ = load.send_all(port, [request], 1)
    assert answer.status == 201, answer.body[:500]
    return time.perf_counter()


def resident_kb(port: int) -> float:
    """Return the resident memory of all web workers in kB."""
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in serving.web_workers(port)]
    return sum(int(status.split("VmRSS:", 1)[1].split()[0]) for status in statuses)


def report(delays: list[float], each: float) -> None:
    found = sorted(delay * 1000 for delay in delays)
    p95 = found[int(len(found) * 0.95)]
    print(
        f"from the answer to having heard ({len(found):,} times): median {statistics.median(found):.0f} ms, "
        f"p95 {p95:.0f} ms, most {found[-1]:.0f} ms; {'holds' if p95 <= MOST_MS else 'MISSES'} {MOST_MS} ms"
    )
    print(f"memory of a stream: {each:.0f} kB, {'holds' if each <= MOST_KB else 'MISSES'} {MOST_KB} kB")


if __name__ == "__main__":
    main()
