"""Server time and size of the pages over the real patches, and how long a second start takes.

python benchmarks/pages.py; see README.md.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from django.conf import settings

from benchmarks.rig import approving, documents, load, serving


def main() -> None:
    with serving.database():
        serving.manage("migrate")
        for name in documents.FILES:
            serving.import_patches(settings.HITL_SAMPLE_DATA / f"{name}.ndjson")
        [person] = approving.reviewers(1)
        paths = [item.path for item in approving.all_pending()]
        with serving.product():
            pass  # the first start migrates; the second one is what a newcomer does every morning
        started = time.perf_counter()
        with serving.product() as port:
            print(f"second start: ready after {time.perf_counter() - started:.1f} s")
            cookie = {"Cookie": f"sessionid={person.session}; csrftoken={person.csrf}"}
            load.send_all(port, [load.request("GET", "/", **cookie)] * 20, 1)  # templates are compiled at first use
            for name, wanted in {
                "queue": ["/"] * 50,
                "history": ["/history"] * 50,
                "pending API": ["/hitl/patches/pending?limit=100"] * 50,
                f"patch pages ({len(paths)})": paths,
            }.items():
                measured(port, name, wanted, cookie)


def measured(port: int, name: str, paths: list[str], cookie: dict[str, str]) -> None:
    """Ask one at a time, so that the time is the server's own, and print the spread."""
    answers, _ = load.send_all(port, [load.request("GET", path, **cookie) for path in paths], 1)
    wrong = {answer.status for answer in answers} - {200}
    assert not wrong, wrong
    times = sorted(answer.seconds * 1000 for answer in answers)
    sizes = sorted(len(answer.body) / 1000 for answer in answers)
    slowest = max(range(len(paths)), key=lambda number: answers[number].seconds)
    print(
        f"{name}: median {statistics.median(times):.0f} ms, p95 {times[int(len(times) * 0.95)]:.0f} ms, "
        f"slowest {times[-1]:.0f} ms ({paths[slowest]}); "
        f"HTML median {statistics.median(sizes):.0f} kB, largest {sizes[-1]:.0f} kB"
    )


if __name__ == "__main__":
    main()
