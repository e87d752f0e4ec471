"""Processor time and size of the heaviest documents that intake accepts: taking one in, and its first page.

python benchmarks/budget.py; see README.md.
"""

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import approving, serving
from benchmarks.scale import load
from tests import heavy
from tests.cast import document

MOST_SECONDS = 2.0
FIVE_MB = {
    "5 MB of invalid lines": "--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n" + "?? neither\n" * 470_000,
    "5 MB of added lines": heavy.added("x.py", ["a = f(b)"] * 480_000),
    "5 MB of words": "a word of many in this mail\n" * 185_000 + heavy.ONE,
    "5 MB of hunks": "--- a/x\n+++ b/x\n" + "".join(f"@@ -{n},1 +{n},1 @@\n-a\n+b\n" for n in range(1, 600_000, 3)),
    "5 MB of files": "".join(heavy.added(f"folder{n}/file", ["a"]) for n in range(75_000)),
    "5 MB in one line": heavy.added("x.py", ["a" * 5_200_000]),
    "5 MB of a flowed mail": heavy.MAIL + "\n" * 5_200_000 + heavy.ONE,
}


def main() -> None:
    with serving.database(), serving.product() as port:
        token = serving.manage("create_token", "bench", "--kind", "producer")
        [person] = approving.reviewers(1)
        bearer = {"Authorization": f"Bearer {token}"}
        cookie = {"Cookie": f"sessionid={person.session}; csrftoken={person.csrf}"}
        kinds: dict[str, dict[str, Any]] = {name: heavy.fields(name) for name in (*heavy.DIFFS, *heavy.METADATA)}
        kinds |= {name: {"diff": None, "diff_base64": encoded(diff)} for name, diff in FIVE_MB.items()}
        send = sending(port)
        send(load.request("GET", "/", **cookie))  # templates are compiled at first use
        over = [name for name, fields in kinds.items() if not within(name, fields, send, bearer, cookie)]
        print("all within the budget" if not over else f"over the budget: {', '.join(over)}")


def encoded(diff: str) -> str:
    return base64.b64encode(diff[: 5 * 1024 * 1024].encode()).decode()


def sending(port: int) -> Callable[[bytes], tuple[load.Answer, float]]:
    """Return a function that sends one request and gives the answer and the product's processor seconds meanwhile."""

    def send(request: bytes) -> tuple[load.Answer, float]:
        before = serving.processor_seconds()
        [answer], _ = load.send_all(port, [request], 1)
        return answer, serving.processor_seconds() - before

    return send


def within(
    name: str,
    fields: dict[str, Any],
    send: Callable[[bytes], tuple[load.Answer, float]],
    bearer: dict[str, str],
    cookie: dict[str, str],
) -> bool:
    """Take the document in, ask for its page as the first person does, print both; tell whether the page may be so."""
    body = {
        key: value for key, value in document(**fields, patch_id=name.replace(" ", "-")).items() if value is not None
    }
    taken, intake = send(load.request("POST", "/hitl/patches", body, **bearer))
    assert taken.status == 201, taken.body
    path = f"/patches/{json.loads(taken.body)['decision_id']}"
    page, seconds = send(load.request("GET", path, **cookie))
    assert page.status == 200, page.status
    fits = len(page.body) < heavy.MOST_HTML and seconds <= MOST_SECONDS
    print(
        f"{name}: intake {intake:.2f} s; page {seconds:.2f} s, {len(page.body) / 1000:,.0f} kB"
        f"{'' if fits else '  <- over'}",
        flush=True,
    )
    return fits


if __name__ == "__main__":
    main()
