"""Processor time and memory of what nobody should send: each kind of hostile request at a quarter and at its full size.

python benchmarks/abuse.py [--only WORD]; see README.md.
"""

import argparse
import base64
import gzip
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import budget
from benchmarks.rig import approving, serving
from benchmarks.scale import load
from tests import heavy
from tests.cast import document, gate_request

MOST_SECONDS, MOST_MB = 3.0, 150.0
BODY, BULK, FORM, HEAD = 8 * 1024 * 1024, 32 * 1024 * 1024, 1024 * 1024, 7_000
NOISE_SECONDS = 0.25  # below it a ratio says nothing
GROWTH = 6.0  # of the cost at four times the size: 4 is proportion, the rest noise and caches

PATCH, BULK_PATCHES, GATE, VERDICTS, SIGN_IN = (
    "/hitl/patches",
    "/hitl/patches/bulk",
    "/api/approvals",
    "/hitl/decisions/bulk",
    "/accounts/login",
)
HEADERS = "headers"  # what is made are the values of headers, a line each
Maker = Callable[[int], bytes]
CONDITION = '{"field":"a","operator":"in","value":%s}'


@dataclass(frozen=True)
class Kind:
    """What is sent where, made for a number of bytes; `gzip` sends it compressed."""

    name: str
    path: str
    make: Maker
    most: int = BODY
    packed: bool = False


def filled(piece: str, size: int, around: str = "[%s]", most: int = 10**9) -> str:
    """Return as many pieces with commas between as go into so many bytes."""
    return around % ",".join([piece] * min(most, size // (len(piece) + 1)))


def numbered(size: int, value: str = "0") -> str:
    """Return an object of as many names as go into so many bytes."""
    return "{" + ",".join(f'"{number:06x}":{value}' for number in range(size // (10 + len(value)))) + "}"


def within(field: str, value: str) -> bytes:
    """Return an intake document with this JSON in one of its fields, of the metadata too."""
    whole = json.dumps(document(**{field: "HERE"}))
    return whole.replace('"HERE"', value, 1).encode()


def gate(field: str, value: str) -> bytes:
    return json.dumps(gate_request(**{field: "HERE"})).replace('"HERE"', value, 1).encode()


def nodes(size: int, most: int) -> int:
    """Return a part of the most nodes that is to them what the size is to the largest body."""
    return most * size // BODY


def lines(make: Maker, count: int = 1_000) -> Maker:
    """Return a maker of a bulk body in which each of so many lines is what `make` makes, under its own patch_id."""

    def body(size: int) -> bytes:
        line = make(size // count - 40)
        return b"\n".join(line.replace(b"PATCH-0001", b"P-%d-%d" % (time.time_ns(), n)) for n in range(count))

    return body


def long_name(size: int) -> bytes:
    return within("created_at", f'{{"{"n" * max(1, size - 98_000)}":{filled("1", 96_000)}}}')


def shap(size: int) -> bytes:
    names = numbered(12 * nodes(size, 49_000), '"x"')
    return within("ml_prediction", f'{{"shap_values":{names}}}')


def phases(size: int) -> bytes:
    return within("wargaming_result", filled('{"a":1,"b":2,"c":3}', size, '{"phases":[%s]}', most=100))


def diff_of(text: str) -> Maker:
    """Return a maker of documents with so much of a diff as fits."""

    def make(size: int) -> bytes:
        raw = text[: size * 3 // 4 - 300].encode()[:FIVE_MB]
        return json.dumps(document(diff=None, diff_base64=base64.b64encode(raw).decode())).encode()

    return make


FIVE_MB = 5 * 1024 * 1024
BODIES: list[tuple[str, Maker]] = [
    ("deep lists", lambda size: b"[" * (size // 2) + b"]" * (size // 2)),
    ("deep objects", lambda size: b'{"a":' * (size // 6) + b"1" + b"}" * (size // 6)),
    ("deep and never closed", lambda size: b'{"a":[' * (size // 6)),
    ("a long name over 48,000 values", long_name),
    ("a wide object", lambda size: numbered(size).encode()),
    ("49,000 unknown fields", lambda size: numbered(10 * nodes(size, 49_000)).encode()),
    ("49,000 names of a shap", shap),
    ("lists of the wrong kind", lambda size: within("references", filled("1", size))),
    ("49,000 references of the wrong kind", lambda size: within("references", filled("1", 2 * nodes(size, 49_000)))),
    (
        "49,000 references",
        lambda size: within("references", filled('"https://example.org/"', 23 * nodes(size, 49_000))),
    ),
    ("empty lists", lambda size: within("created_at", filled("[]", size))),
    ("empty texts", lambda size: within("created_at", filled('""', size))),
    ("phases with unknown fields", phases),
    ("a huge number", lambda size: within("cvss_score", "9" * (size - 500))),
    ("a huge fraction", lambda size: within("cvss_score", "0." + "9" * (size - 500))),
    ("numbers of 4,300 digits", lambda size: within("created_at", filled("9" * 4_300, size - 500))),
    ("a long text", lambda size: within("title", '"%s"' % ("x" * (size - 500)))),
    ("a long text of escapes", lambda size: within("title", '"%s"' % ("\\n" * (size // 2 - 500)))),
    ("a long text of wide characters", lambda size: within("title", '"%s"' % ("\U0001f600" * (size // 4 - 500)))),
    ("a long text with one wide character", lambda size: within("title", '"\U0001f600%s"' % ("x" * (size - 500)))),
    ("a text that never ends", lambda size: b'{"a":"' + b'\\"' * (size // 2 - 10)),
    ("a name twice", lambda size: filled('"a":1', size, "{%s}").encode()),
    (
        "49,000 times a name twice",
        lambda size: filled('{"a":1,"a":2}', 14 * nodes(size, 16_000), '{"x":[%s]}').encode(),
    ),
    ("a byte that is no UTF-8 at the end", lambda size: b'"' + b"x" * (size - 3) + b'\xff"'),
    ("white space", lambda size: b" " * (size - 2) + b"1"),
    ("base64 that is none", lambda size: json.dumps(document(diff=None, diff_base64="!" * (size - 500))).encode()),
]


GATES: list[tuple[str, Maker]] = [
    ("48,000 values of context", lambda size: gate("context", numbered(11 * nodes(size, 48_000)))),
    ("64 KiB of context", lambda size: gate("context", numbered(nodes(size, 60_000)))),
    ("48,000 names", lambda size: gate("allowed_approvers", filled('"a"', 4 * nodes(size, 48_000)))),
    (
        "16,000 conditions",
        lambda size: gate("auto_approve_conditions", filled(CONDITION % 1, size * 16_000 // BODY * 40)),
    ),
    ("a long condition", lambda size: gate("auto_approve_conditions", f"[{CONDITION % filled('1', 12_000)}]")),
]
FORMS: list[tuple[str, Maker]] = [
    ("many fields", lambda size: b"&".join([b"a=1"] * (size // 4))),
    ("one long field", lambda size: b"login=" + b"%61" * (min(size, FORM) // 3 - 10)),
    ("only separators", lambda size: b"&" * size),
]
QUERIES: list[tuple[str, Maker]] = [
    ("many parameters", lambda size: "&".join(f"{n:x}=" for n in range(size // 5)).encode()),
    ("one parameter many times", lambda size: b"&".join([b"q="] * (size // 3))),
    ("a long search", lambda size: urlencode({"q": "a b" * (size // 6)}).encode()),
    ("a long cursor", lambda size: b"cursor=" + base64.urlsafe_b64encode(b"[" * (size // 2))),
]
FIELDS: list[tuple[str, Maker, int]] = [
    ("90 headers", lambda size: b"\n".join([b"a" * (size // 90)] * 90), 90 * 7_000),
    ("many headers", lambda size: b"\n".join([b"a"] * size), 4_000),
    ("a long header", lambda size: b"a" * size, 400_000),
]
LINES = {"a wide object", "phases with unknown fields", "lists of the wrong kind", "a name twice", "empty texts"}
ADDED = heavy.added("x.py", ["a = f(b)"] * 600_000)
INDENTED = "".join(
    f"  *** a{n}\n  --- a{n}\n  ***************\n  *** 1 ****\n  ! a\n  --- 1 ----\n  ! b\n" for n in range(64_000)
)
IN_BULK: list[tuple[str, Maker, int]] = [
    ("no JSON", lambda size: b"{" * size, 1_000),
    ("plain documents", lambda size: within("title", '"x"'), 1_000),
    ("junk that is accepted", lambda size: within("created_at", filled("1", size - 400)), 1_000),
    ("49,000 values a line", lambda size: within("created_at", filled("1", 97_000)), 330),
    ("diffs", diff_of(ADDED), 1_000),
    ("a few large diffs", diff_of(ADDED), 4),
]


def verdicts(size: int) -> bytes:
    items = filled('{"decision_id":"a","x":1}', 26 * nodes(size, 16_000))
    return f'{{"verdict":"approve","items":{items}}}'.encode()


def kinds() -> list[Kind]:
    """Return every kind: bodies of one document, of gates, of verdicts, of forms; bulk; heads."""
    found = [Kind(name, PATCH, make) for name, make in BODIES]
    found += [Kind(f"{name}, gzip", PATCH, make, packed=True) for name, make in BODIES[:2]]
    found += [Kind(f"gate: {name}", GATE, make) for name, make in GATES]
    found += [Kind(f"form: {name}", SIGN_IN, make) for name, make in FORMS]
    found += [Kind(f"head: {name}", f"{PATCH}/pending?", make, HEAD) for name, make in QUERIES]
    found += [Kind(f"head: {name}", HEADERS, make, most) for name, make, most in FIELDS]
    found += [Kind("verdicts: 16,000 items", VERDICTS, verdicts)]
    found += [Kind(f"diff: {name}", PATCH, diff_of(diff)) for name, diff in budget.FIVE_MB.items()]
    found += [Kind("diff: indented context diffs", PATCH, diff_of(INDENTED))]
    found += [Kind(f"bulk: {name}", BULK_PATCHES, lines(make), BULK) for name, make in BODIES if name in LINES]
    found += [Kind(f"bulk: {name}", BULK_PATCHES, lines(make, count), BULK) for name, make, count in IN_BULK]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="kinds whose name has this word")
    options = parser.parse_args()
    with serving.database(), serving.product(WEB_WORKERS="1") as port:
        bearer = {"Authorization": f"Bearer {serving.manage('create_token', 'bench', '--kind', 'producer')}"}
        [person] = approving.reviewers(1)
        cookie = {"Cookie": f"sessionid={person.session}; csrftoken={person.csrf}", "X-CSRFToken": person.csrf}
        quiet = Worker(port)
        warm = [load.request("POST", PATCH, document(), **bearer), load.request("GET", "/", **cookie)]
        load.send_all(port, warm * 20, 1)
        chosen = [kind for kind in kinds() if options.only in kind.name]
        over = [kind.name for kind in chosen if not holds(kind, port, quiet, bearer, cookie)]
    print("all in proportion" if not over else f"out of proportion: {', '.join(over)}")


class Worker:
    """The one web worker: its processor time, and its largest size since it was last asked."""

    def __init__(self, port: int) -> None:
        [pid] = serving.web_workers(port)
        self.process = Path(f"/proc/{pid}")

    def size(self, row: str) -> float:
        """Return VmRSS or VmHWM (the peak), in MB; proc(5)."""
        return int((self.process / "status").read_text().split(f"{row}:", 1)[1].split()[0]) / 1024

    def forget_peak(self) -> None:
        (self.process / "clear_refs").write_text("5")


def holds(kind: Kind, port: int, worker: Worker, bearer: dict[str, str], cookie: dict[str, str]) -> bool:
    """Send it at a quarter and at its full size, print what each cost, and tell whether that is in bounds."""
    headers = cookie if kind.path in {VERDICTS, SIGN_IN} else bearer
    costs = [cost(request_of(kind, size, headers), port, worker) for size in (kind.most // 4, kind.most)]
    (_, quarter, _), (status, seconds, mb) = costs
    growth = seconds / max(quarter, 0.01)
    fits = seconds <= MOST_SECONDS and mb <= MOST_MB and (seconds < NOISE_SECONDS or growth <= GROWTH)
    print(
        f"{kind.name}: {status}; {quarter:.2f} s, {seconds:.2f} s at four times the size; {mb:.0f} MB"
        f"{'' if fits else '  <- over'}",
        flush=True,
    )
    return fits


def request_of(kind: Kind, size: int, headers: dict[str, str]) -> bytes:
    content = kind.make(size)
    if kind.path == HEADERS:
        fields = {f"X-Field-{number}": value.decode() for number, value in enumerate(content.split(b"\n"))}
        return load.request("GET", f"{PATCH}/pending", **headers, **fields)
    if kind.most == HEAD:
        return load.request("GET", kind.path + content.decode(), **headers)
    if kind.path == BULK_PATCHES:
        headers = headers | {"Content-Type": "application/x-ndjson"}
    if kind.path == SIGN_IN:
        headers = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    if kind.packed:
        content, headers = gzip.compress(content), headers | {"Content-Encoding": "gzip"}
    return load.request("POST", kind.path, content, **headers)


def cost(request: bytes, port: int, worker: Worker) -> tuple[int, float, float]:
    """Return the answer's status, the product's processor seconds, and the worker's peak above what it had, in MB."""
    worker.forget_peak()
    quiet, before = worker.size("VmRSS"), serving.processor_seconds()
    [answer], _ = load.send_all(port, [request], 1)
    seconds, peak = serving.processor_seconds() - before, worker.size("VmHWM")
    assert answer.status < 500, answer.body[:300]
    return answer.status, seconds, peak - quiet


if __name__ == "__main__":
    main()
