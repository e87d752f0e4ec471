"""The heaviest documents that intake accepts, each of one kind: what a page must show within its budget."""

from typing import Any

CONTROL = "\x01\x02\x1b\x7f" * 400
HEAD = "--- a/{0}\n+++ b/{0}\n@@ -1 +1,{1} @@\n"
MOST_HTML = 2_000_000  # bytes of the first page
MAIL = (
    "From: Ann <ann@example.org>\nSubject: Mend\nContent-Type: text/plain; format=flowed\n"
    "Content-Transfer-Encoding: quoted-printable\n\n"
)


def added(name: str, lines: list[str]) -> str:
    return HEAD.format(name, len(lines)) + "".join(f"+{line}\n" for line in lines)


ONE = added("x", ["a"])
DIFFS = {
    "control characters": added("x", [CONTROL] * 500),
    "invisible letters": added("x", ["\u200b\u202e" * 900] * 150),
    "paths of control characters": "".join(added(f"{n}/{CONTROL[:800]}", ["a"]) for n in range(100)),
    "names nobody sees": "".join(added(f"{n}\u200b" * 200, ["a"]) for n in range(250)),
    "foreign lines": "--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n" + "?? neither\n" * 90_000,
    "words": "a word of many in this mail\n" * 30_000 + ONE,
    "words of control characters": CONTROL * 500 + "\n" + ONE,
    "words between files": "".join(added(f"f{n}", ["a"]) + f"words {n}\n{CONTROL}\n" for n in range(400)),
    "a header of words": "--- a/x\n+++ b/x\n" + f"{CONTROL[:80]}\n" * 9_000 + "@@ -1 +1 @@\n-a\n+b\n",
    "files": "".join(added(f"folder{n}/file", ["a"]) for n in range(5_000)),
    "hunks without lines": "--- a/x\n+++ b/x\n" + "@@ -1 +1 @@\n" * 50_000,
    "headings": "--- a/x\n+++ b/x\n" + f"@@ -1 +1 @@ {CONTROL}\n-a\n+b\n" * 500,
    "one line": added("x.py", ["a = '" + "x" * 1_000_000 + "'"]),
    "lines": added("x.py", ["a = f(b)"] * 100_000),
    "a flowed mail of empty lines": MAIL + "\n" * 1_000_000 + ONE,
}
"""Texts of a diff, up to the megabyte that text may have."""

MIXED = "a\x01" * 10_000  # no two that nobody sees stand together

METADATA: dict[str, dict[str, Any]] = {
    "a log of control characters": {"wargaming_result": {"log": CONTROL * 655}},
    "a log of letters between control characters": {"wargaming_result": {"log": MIXED * 50}},
    "phases of letters between control characters": {
        "wargaming_result": {
            "error_message": MIXED,
            "phases": [{"name": MIXED[:255], "image": MIXED[:255], "detail": MIXED[:2000]}] * 100,
        }
    },
    "phases": {"wargaming_result": {"phases": [{"name": CONTROL[:255], "detail": CONTROL[:2000]}] * 100}},
    "contributions": {
        "ml_prediction": {
            "shap_values": {f"{n}{CONTROL}"[:255]: {"value": CONTROL[:255], "contribution": 0.1} for n in range(200)}
        }
    },
    "descriptions": {"description": "\x01\n" * 10_000, "cve_description": MIXED, "title": MIXED[:500]},
    "words of the producer": {
        "title": CONTROL[:500],
        "description": "\u202e" * 20_000,
        "cve_description": CONTROL[:1600] * 12,
        "cwe_ids": [f"CWE-{n}" for n in range(1, 101)],
        "cve_ids": [f"CVE-2024-{n}" for n in range(1000, 1100)],
        "aliases": [f"GHSA-{n:04}-2222-3333" for n in range(100)],
        "references": [f"https://example.org/{n}/{'x' * 1950}" for n in range(100)],
        "affected_systems": [f"{n}{CONTROL}"[:255] for n in range(100)],
        "vulnerable_locations": [{"file": f"{n}/{CONTROL}"[:1000], "start": n} for n in range(100)],
    },
}
"""Fields beside an ordinary diff, each as long as it may be."""
WARGAMING = {"phase1_success": True, "phase2_success": True, "validation_passed": True}


GATES: dict[str, dict[str, Any]] = {
    "a context of controls": {"context": {"log": "\x7f" * 60_000}},
    "a context of letters between controls": {"context": {"log": "a\x7f" * 30_000}},
    "many facts": {"context": {f"{n}\x7fa\u200b": "\x7fa\u200b" for n in range(2_500)}},
    "conditions": {
        "auto_approve_conditions": [
            {"field": "a\x7f" * 120, "operator": "in", "value": ["b\x7f" * 60] * 3} for _ in range(100)
        ]
    },
}
"""Requests of workflow gates."""


def fields(kind: str) -> dict[str, Any]:
    """Return what `cast.document` takes for a kind of either table."""
    if kind in DIFFS:
        return {"diff": DIFFS[kind]}
    sent = dict(METADATA[kind])
    if "wargaming_result" in sent:
        sent["wargaming_result"] = WARGAMING | sent["wargaming_result"]
    if "ml_prediction" in sent:
        sent["ml_prediction"] = {"confidence": 0.9, "prediction": True, **sent["ml_prediction"]}
    return sent
