"""What intake stores of a patch: counts, warnings, marks, the canonical digest, and which old lines it changes."""

from collections.abc import Sequence
from typing import Any, Final, TypedDict

from approvals.diff.agreement import AMBIGUOUS
from approvals.diff.canonical import canonical
from approvals.diff.hostile import TITLES as HOSTILE_TITLES
from approvals.diff.hostile import marks
from approvals.diff.scope import TITLES as SCOPE_TITLES
from approvals.diff.scope import ScopeMark, scope_marks
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, Diff, File, Hunk, WarningFacts

MARK_TITLES: Final = {**HOSTILE_TITLES, **SCOPE_TITLES}
"""Every mark of ours by its code: those that mislead a reader or a tool, and those that reach beyond a fix."""

UNUSUAL: Final = {
    "path-outside": "a path that leaves the tree",
    "own-folder": "a path into the folder of a version control",
    "symlink": "a symbolic link",
    "submodule": "a submodule",
    "submodule-log": "a submodule",
    "binary": "binary content",
    "binary-absent": "binary content that is not in the patch",
    "pointer": "content that is kept elsewhere",
    "mode": "a changed mode",
    "property": "a changed property",
}
"""Warnings about something else than lines of a text file, in the words of the trace."""


class Touched(TypedDict):
    """A file the patch changes: its names on both sides, and the ranges of old lines, first and last."""

    names: list[str]
    lines: list[tuple[int, int]]


class Summary(TypedDict):
    """Plain values that JSON and PostgreSQL text accept.

    `paths` are those shown, each once, in order. `ambiguous`, `unusual` and `no_canonical` are sentences or names, ''
    where there is nothing to say; `marks` are codes of `MARK_TITLES`, `worst_mark` the title to show on a card.
    """

    parsed: bool
    files: int
    additions: int
    deletions: int
    paths: list[str]
    warnings: list[WarningFacts]
    canonical_sha256: str | None
    no_canonical: str
    ambiguous: str
    unusual: str
    marks: list[str]
    worst_mark: str
    touched: list[Touched]


NOTHING_READ: Final[Summary] = {
    "parsed": True,
    "files": 0,
    "additions": 0,
    "deletions": 0,
    "paths": [],
    "warnings": [],
    "canonical_sha256": None,
    "no_canonical": "",
    "ambiguous": "",
    "unusual": "",
    "marks": [],
    "worst_mark": "",
    "touched": [],
}
"""Of a workflow gate, which has no diff."""


def summary(diff: Diff, locations: Sequence[dict[str, Any]] = ()) -> Summary:
    """Return the summary of a parsed patch; `locations` are the vulnerable ones that its producer declared."""
    form = canonical(diff)
    hostile = marks(diff)
    scope = scope_marks(diff, [location["file"] for location in locations])
    ambiguous = _ambiguous(diff, form.reason)
    return {
        "parsed": diff.parsed,
        "files": len(diff.files),
        "additions": diff.additions,
        "deletions": diff.deletions,
        "paths": list(dict.fromkeys(file.path for file in diff.files)),
        "warnings": [warning.facts() for warning in diff.warnings],
        "canonical_sha256": form.sha256,
        "no_canonical": form.reason,
        "ambiguous": ambiguous,
        "unusual": next((words for code, words in UNUSUAL.items() if code in diff.codes), ""),
        "marks": sorted({mark.code for mark in (*hostile, *scope)}),
        "worst_mark": _worst([mark.title for mark in hostile], scope, ambiguous),
        "touched": [_touched(file) for file in diff.files],
    }


def _ambiguous(diff: Diff, no_canonical: str) -> str:
    """Return why tools need not make the same change of the patch."""
    found = next((warning.message for warning in diff.warnings if warning.code in AMBIGUOUS), "")
    return found or (sorted(diff.codes & AMBIGUOUS) or [no_canonical])[0]


def _worst(hostile: Sequence[str], scope: Sequence[ScopeMark], ambiguous: str) -> str:
    """Return what asks for a careful look most: what misleads, then what tools read differently, then what reaches far.

    Marks that are only said, such as a lock file, ask for none.
    """
    if hostile:
        return hostile[0]
    if ambiguous:
        return "Tools read it differently"
    return next((mark.title for mark in scope if mark.severity == "warn"), "")


def _touched(file: File) -> Touched:
    names = [name for name in (file.old_path, file.new_path) if name is not None] or [file.path]
    return {"names": list(dict.fromkeys(names)), "lines": [run for hunk in file.hunks for run in _runs(hunk)]}


def _runs(hunk: Hunk) -> list[tuple[int, int]]:
    """Return the runs of old lines that a hunk changes; where it only adds, the line before counts as changed."""
    number, first, runs = hunk.old_start or 0, 0, []
    number += hunk.old_count == 0
    start = number
    for code in hunk.codes if hunk.form in ("unified", "context") else b"":
        if code in (DELETE, ADD):
            first = first or max(1, number - (code == ADD))
            number += code == DELETE
        elif code in (CONTEXT, EATEN):
            if first:
                runs.append((first, max(first, number - 1)))
                first = 0
            number += 1
        elif hunk.form == "context":
            break  # the new half has numbers of its own
    if first:
        runs.append((first, max(first, number - 1)))
    if hunk.form not in ("unified", "context") or not runs:
        runs = [(start, start + max(0, (hunk.old_count or 1) - 1))]
    return runs
