"""What 10,000 due timers cost: statements a batch, and whether two workers together do each thing once, and sooner.

python benchmarks/timers.py [--pending 10000]; see README.md.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg
from django.conf import settings
from django.utils import timezone

from benchmarks.rig import documents, policing, serving
from benchmarks.scale.product import ROOT

AGE = timedelta(days=6.9)  # of a medium or low patch: every reminder is due, its time ends soon
STARTS_IN = 5.0  # seconds for the workers to be up
# One worker: every step with the clock it needs until nothing is left; prints what it took and what a batch asked.
WORKER = """
import json, time
from datetime import datetime, timedelta
from django.db import connection
from django.test.utils import CaptureQueriesContext
from approvals.services import timers
start, now = float(START), datetime.fromisoformat(NOW)
steps = [(timers.remind_due, now), (timers.escalate_due, now), (timers.expire_due, now + timedelta(days=1))]
connection.ensure_connection()
time.sleep(max(0.0, start - time.time()))
found = {}
for step, at in steps:
    began, taken, asked = time.monotonic(), 0, set()
    while True:
        with CaptureQueriesContext(connection) as queries:
            count = step(at)
        if not count:
            break
        taken += count
        asked.add(len(queries))
    found[step.__name__] = {"taken": taken, "statements": sorted(asked), "seconds": time.monotonic() - began}
print(json.dumps(found))
"""
ONCE = """
select type, count(*), count(distinct (object_id, type, convert_from(body, 'UTF8')::jsonb #> '{data,n}'))
from audit_entry where actor_kind = 'timer' group by 1
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pending", type=int, default=10_000)
    options = parser.parse_args()
    with serving.database():
        serving.manage("migrate")
        now = timezone.now()
        real = [as_medium(document) for document in documents.real_documents(5)]
        policing.take_in(policing.producer(), real, options.pending, now - AGE)
        urls = {number: serving.copy_database(f"workers_{number}") for number in (1, 2)}
        seconds = {}
        for number, url in urls.items():
            told = work_together(url, number, now.isoformat())
            seconds[number] = report(number, told, url)
        for step in seconds[1]:
            print(f"{step}: two workers take {seconds[2][step] / seconds[1][step]:.2f} of what one takes")


def as_medium(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with a severity whose policy reminds and escalates before its time ends, days later."""
    metadata = {**document["patch_metadata"], "severity": "medium"}
    return {**document, "patch_metadata": {key: value for key, value in metadata.items() if key != "cvss_score"}}


def work_together(url: str, number: int, now: str) -> list[dict[str, Any]]:
    """Run that many worker processes from one moment on and return what each says."""
    start = str(time.time() + STARTS_IN)
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c"]
    program = f"START, NOW = {start!r}, {now!r}\n{WORKER}"
    environment = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": settings.SECRET_KEY}
    running = [
        subprocess.Popen([*command, program], env=environment, stdout=subprocess.PIPE, text=True) for _ in range(number)
    ]
    return [json.loads(process.communicate()[0]) for process in running]


def report(number: int, told: list[dict[str, Any]], url: str) -> dict[str, float]:
    """Print what the workers did and return the seconds of each step."""
    seconds = {}
    for step in told[0]:
        parts = [worker[step]["taken"] for worker in told]
        asked = sorted({count for worker in told for count in worker[step]["statements"]})
        seconds[step] = max(worker[step]["seconds"] for worker in told)
        print(f"{number} at work, {step}: {parts} taken, {asked} statements a batch", flush=True)
    with psycopg.connect(url) as connection:
        for type, written, distinct in connection.execute(ONCE.encode()).fetchall():
            print(f"  {type}: {written:,} entries, {'each once' if written == distinct else 'SOME TWICE'}", flush=True)
    return seconds


if __name__ == "__main__":
    main()
