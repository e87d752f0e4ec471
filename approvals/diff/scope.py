"""Marks where a patch reaches beyond the fix: files, tests, dependencies, added calls. Decides and draws nothing.

Lines are searched by file name and not understood: comments and strings count too. Time is linear in the patch's size.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from approvals.diff.hostile import Mark, Passage, Tally, passages
from approvals.diff.invisible import quoted
from approvals.diff.scope_patterns import (
    ASSERTION,
    BESIDE,
    CALLS,
    DEPENDENCIES,
    KINDS,
    PATTERNS,
    PERMISSION,
    SECRET,
    SETTINGS,
    SKIP,
    TEST,
    Severity,
)
from approvals.diff.structure import ADD, DELETE, Diff, File

MOST_SEARCHED = 1_000_000  # bytes of a patch; no real security fix of 627 was half as large
TITLES: Final = {
    "outside": "Outside the declared locations",
    "declared-untouched": "Declared file not changed",
    "ci": "CI configuration",
    "build": "Build configuration",
    "lockfile": "Lock file",
    "agent": "Agent configuration",
    "test-deleted": "Test deleted",
    "test-weakened": "Fewer assertions",
    "test-skipped": "Test skipped",
    "dependency-added": "Dependency added",
    "dependency-changed": "Dependency changed",
    "network": "Network call",
    "process": "Process or code execution",
    "deserialisation": "Deserialisation",
    "secret": "Looks like a secret",
    "permission": "Permission or check relaxed",
    "unsearched": "Too large to be searched",
}


@dataclass(frozen=True, slots=True)
class ScopeMark(Mark):
    """A mark with its weight: `warn` asks for a look, `note` is said and no more."""

    severity: Severity = "note"


def scope_marks(diff: Diff, declared_files: Sequence[str]) -> tuple[ScopeMark, ...]:
    """Return what the patch touches beyond a fix, in patch order; declaring no files is not marked.

    At most 50 marks of a code, then one that counts the rest. File marks have no `line`.
    """
    found: Tally[ScopeMark] = Tally()
    for mark in _whole(diff, declared_files):
        if found.take(mark.code):
            found.add(mark)
    size = 0
    for file in diff.files:
        size += file.size
        if size > MOST_SEARCHED:
            if found.take("unsearched"):
                found.add(_mark("unsearched", "warn", _UNSEARCHED, file, None, file.line))
            continue
        for code, severity, passage, ordinal, words in _lines(file):
            if found.take(code):
                found.add(_mark(code, severity, words, file, *passage.place(ordinal)))
    return found.close(lambda code, words: ScopeMark(code, TITLES[code], words))


_UNSEARCHED: Final = (
    "Up to here the patch has more than a megabyte: what this file adds is not searched for calls, dependencies, "
    "skipped tests and secrets."
)


def _whole(diff: Diff, declared_files: Sequence[str]) -> Iterator[ScopeMark]:
    declared = {path: _declared_names(path) for path in declared_files}
    wanted: frozenset[str] = frozenset().union(*declared.values())
    for file in diff.files:
        if wanted and not wanted & _file_names(file):
            beside = _is_test(file) or BESIDE.search(file.path.lower()) is not None
            words = "This file is not among the declared vulnerable locations"
            words += "; it looks like a test or documentation." if beside else "."
            yield _mark("outside", "note" if beside else "warn", words, file, None, file.line)
        for code, severity, words in _about_file(file):
            yield _mark(code, severity, words, file, None, file.line)
    touched: frozenset[str] = frozenset().union(*map(_file_names, diff.files))
    for path, names in declared.items():
        if not names & touched:
            words = f"“{quoted(path)}” is declared as vulnerable, and the patch does not change it."
            yield ScopeMark("declared-untouched", TITLES["declared-untouched"], words, path, severity="warn")


def _mark(code: str, severity: Severity, words: str, file: File, line: int | None, patch_line: int) -> ScopeMark:
    where: Literal["file", "line"] = "line" if patch_line != file.line else "file"
    return ScopeMark(code, TITLES[code], words, file.path, line, where, file.key, patch_line, severity)


_VERSIONED = re.compile(r"[A-Za-z][\w.+~-]*-v?\d[\w.+~-]*|[\w.+~-]+\.orig")


def unversioned(path: str) -> str:
    """Return a path without `./` and without a leading folder of a package and its version (`libxml2-2.9.2/`)."""
    path = path.replace("\\", "/")
    while path.startswith("./"):
        path = path[2:]
    folder, _, rest = path.partition("/")
    return rest if rest and _VERSIONED.fullmatch(folder) else path


def _names(path: str) -> frozenset[str]:
    """Return a path as it is and without a folder of a package and its version, as unpacked sources have it."""
    return frozenset((path, unversioned(path)))


def _declared_names(path: str) -> frozenset[str]:
    """Return what a patch may call a declared path, which may begin with `a/` or `b/`."""
    return _names(path) | _names(path[2:]) if path[:2] in ("a/", "b/") else _names(path)


def _file_names(file: File) -> frozenset[str]:
    return _names(file.path) | (_names(file.old_path) if file.old_path else frozenset())


def _is_test(file: File) -> bool:
    return any(TEST.search(path) or TEST.search(path.lower()) for path in (file.path, file.old_path or file.path))


def _about_file(file: File) -> Iterator[tuple[str, Severity, str]]:
    """Return what follows from a file's path and change."""
    paths = [path.lower() for path in (file.path, file.old_path) if path]
    for code, severity, pattern, words in KINDS:
        if any(pattern.search(path) for path in paths):
            yield code, severity, words
    if not _is_test(file):
        return
    if file.change == "deleted":
        yield "test-deleted", "warn", "A test file is deleted."
    else:
        added, removed = (sum(len(ASSERTION.findall(p.text)) for p in passages(file, code)) for code in (ADD, DELETE))
        if removed > added:
            yield "test-weakened", "warn", f"This test loses assertions: {removed:,} removed, {added:,} added."


_PLAINLY: Final = "Comments and strings count too."
_SEARCHES: Final = (
    ("secret", SECRET, "This line looks as if it holds a password, a token or a private key."),
    ("permission", PERMISSION, "This line gives more permissions or takes away a check."),
)

Hit = tuple[str, Severity, Passage, int, str]


class _Changes:
    """The lines a file adds and deletes, put together once for all searches."""

    def __init__(self, file: File) -> None:
        self.added = tuple(passages(file, ADD))
        self.removed = tuple(passages(file, DELETE))

    @cached_property
    def squeezed(self) -> frozenset[str]:
        """Return the deleted lines, blanks squeezed, to tell an added line that was only moved or indented."""
        return frozenset(" ".join(line.split()) for passage in self.removed for line in passage.text.split("\n"))

    def matches(self, pattern: re.Pattern[str]) -> Iterator[tuple[Passage, int, re.Match[str]]]:
        """Return the matches in added lines, one of a kind in a line, but not in lines only moved or indented."""
        for passage in self.added:
            last: dict[str | None, int] = {}
            for ordinal, match in passage.ordinals(pattern):
                if last.get(match.lastgroup) != ordinal:
                    last[match.lastgroup] = ordinal
                    start, end = passage.text.rfind("\n", 0, match.start()) + 1, passage.text.find("\n", match.start())
                    line = passage.text[start : end if end >= 0 else None]
                    if " ".join(line.split()) not in self.squeezed:
                        yield passage, ordinal, match

    def before(self, pattern: re.Pattern[str], name: Callable[[re.Match[str]], str]) -> frozenset[str]:
        """Return the names of the matches in deleted lines."""
        return frozenset(name(match) for passage in self.removed for match in pattern.finditer(passage.text))


def _lines(file: File) -> Iterator[Hit]:
    """Return what the added lines of a file are marked for."""
    changes, test = _Changes(file), _is_test(file)
    extension = file.path.rpartition("/")[2].lower().removesuffix(".in").rpartition(".")[2]
    for names, pattern in PATTERNS:
        if names.fullmatch(extension):
            yield from _calls(changes, pattern, test)
    for code, pattern, words in _SEARCHES:
        for passage, ordinal, _ in changes.matches(pattern):
            yield code, "note" if test else "warn", passage, ordinal, f"{words} {_PLAINLY}"
    for passage, ordinal, _ in changes.matches(SKIP) if test else ():
        yield (
            "test-skipped",
            "warn",
            passage,
            ordinal,
            "This line skips a test or expects it to fail.",
        )
    for names, pattern in DEPENDENCIES:
        if names.search(file.path.lower()):
            yield from _dependencies(changes, pattern)


def _calls(changes: _Changes, pattern: re.Pattern[str], test: bool) -> Iterator[Hit]:
    """Return added lines with a call; less is made of tests and of lines that only change a call that was there."""
    added = list(changes.matches(pattern))
    before = changes.before(pattern, _called) if added else frozenset()  # half a megabyte deleted takes its time
    for passage, ordinal, match in added:
        code, name = match.lastgroup or "", _called(match)
        severity, does = CALLS[code]
        words = f"This line {'changes' if name in before else 'adds'} “{quoted(name)}”, which {does}. {_PLAINLY}"
        yield code, "note" if test or name in before else severity, passage, ordinal, words


def _dependencies(changes: _Changes, pattern: re.Pattern[str]) -> Iterator[Hit]:
    added = list(changes.matches(pattern))
    before = changes.before(pattern, _dependency) if added else frozenset()
    for passage, ordinal, match in added:
        name = _dependency(match)
        if name in before:
            yield "dependency-changed", "note", passage, ordinal, f"The dependency “{quoted(name)}” changes."
        elif name not in SETTINGS:
            yield "dependency-added", "warn", passage, ordinal, f"“{quoted(name)}” looks like a new dependency."


def _called(match: re.Match[str]) -> str:
    return match[0].rstrip(" \t\n(").lstrip("|=(, \t")


def _dependency(match: re.Match[str]) -> str:
    return next((name for name in match.groups() if name), "").lower()
