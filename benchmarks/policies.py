"""What 50 policies cost intake: the same real patches under the default policy alone, and with 50 asked before it.

python benchmarks/policies.py [--patches 400] [--repeat 3]; see README.md.
"""

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import documents, policing, serving

MOST = 0.10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=400)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with serving.database():
        serving.manage("migrate")
        producer, real = policing.producer(), documents.real_documents(5)
        added = policing.add_policies(50)
        policing.take_in(producer, real, 50)  # warms up conditions, caches and the tables' pages
        costs = []
        for _ in range(options.repeat):
            times = {}
            for enabled in (False, True):
                policing.switch(added, enabled)
                times[enabled] = policing.take_in(producer, real, options.patches)
            costs.append(times[True] / times[False] - 1)
            print(f"alone {times[False]:.2f} ms, with 50 {times[True]:.2f} ms of processor time a patch", flush=True)
    middle = statistics.median(costs)
    print(f"50 policies cost intake {middle:+.1%}, {'holds' if middle < MOST else 'MISSES'} {MOST:.0%}")


if __name__ == "__main__":
    main()
