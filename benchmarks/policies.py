"""What 50 policies cost intake: the same real patches under the default policy alone, and with 50 asked before it.

python benchmarks/policies.py [--patches 400] [--repeat 3]; see README.md.
"""

import argparse
import statistics
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from django.db.models import Max
from django.utils import timezone

from approvals.actors import command
from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.models import Policy, Producer
from approvals.services import policies
from approvals.services.access import ensure_producer
from approvals.services.intake import submit
from benchmarks.rig import documents, serving

MOST = 0.10
ACTOR = command("bench")
CONDITION = (  # none holds, so that every one is asked
    "producer == 'team-{number}' && ecosystem != null && ecosystem == 'npm' && severity in ['low', 'medium'] "
    "&& confidence != null && confidence >= 0.97 && !kev"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=400)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with serving.database():
        serving.manage("migrate")
        producer = ensure_producer("bench", actor=ACTOR, now=timezone.now())
        real = documents.real_documents(5)
        added = add_policies(50)
        take_in(producer, real, 50)  # warms up conditions, caches and the tables' pages
        costs = []
        for _ in range(options.repeat):
            times = {}
            for enabled in (False, True):
                Policy.objects.filter(pk__in=added).update(enabled=enabled)
                times[enabled] = take_in(producer, real, options.patches)
            costs.append(times[True] / times[False] - 1)
            print(f"alone {times[False]:.2f} ms, with 50 {times[True]:.2f} ms of processor time a patch", flush=True)
    middle = statistics.median(costs)
    print(f"50 policies cost intake {middle:+.1%}, {'holds' if middle < MOST else 'MISSES'} {MOST:.0%}")


def add_policies(number: int) -> list[int]:
    """Put that many policies before the default one; return their keys."""
    terms = policies.terms_of(Policy.objects.select_related("current").get(is_default=True).current)  # type: ignore[arg-type]
    before = Policy.objects.filter(is_default=False).aggregate(last=Max("position"))["last"]
    keys = []
    for one in range(number):
        policy = Policy(name=f"bench-{one}", position=before + one + 1)
        policies.arrange(policy, actor=ACTOR, now=timezone.now())
        wanted = policies.from_plain(terms | {"match": CONDITION.format(number=one)})
        policies.publish(policy, wanted, actor=ACTOR, now=timezone.now())
        keys.append(policy.pk)
    Policy.objects.filter(name__in=["critical-two-person", "high", "medium", "low"]).update(enabled=False)
    return keys


def take_in(producer: Producer, real: list[Any], patches: int) -> float:
    """Take in that many patches one by one and return this process's milliseconds of processor time for each."""
    made = [IntakeDocument.model_validate(documents.fresh(document)) for document in islice(cycle(real), patches)]
    began = time.process_time()
    for document in made:
        submit(submission_of(document), producer=producer, actor=ACTOR, now=timezone.now())
    return (time.process_time() - began) / patches * 1000


if __name__ == "__main__":
    main()
