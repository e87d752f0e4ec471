"""Digests of a change alone, to tell that two patches change the same lines. What follows from it is in `policy`.

The lines are those that a patch adds and deletes, each with its sign, in the order of the patch. Context, headers, line
numbers, words and file names do not count: a fix that was taken over into another release keeps its digest.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from approvals.diff.context_hunks import merged
from approvals.diff.structure import ADD, CONTEXT, DELETE, NOTE, Diff, File, Hunk

_SIGNS: Final = {"add": ADD, "delete": DELETE, "note": NOTE}
_NOTES: Final = re.compile(rb"^\\\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SameLines:
    """What makes two changes the same; the digests are hex SHA-256, None where no line is added or deleted.

    `exact` keeps every byte of a line, a CR too, and whether the last line of a file ends; `spaceless` leaves out all
    ASCII whitespace within the lines. `files` covers what else is applied: which lines in which file, its names, change
    and modes, and binary content. `codes` are those of all warnings, hostile and scope marks.
    """

    exact: str | None
    spaceless: str | None
    files: str | None
    codes: tuple[str, ...]


def same_lines(diff: Diff, marks: Sequence[str]) -> SameLines:
    """Return the digests of a change; `marks` are the codes of our own marks on it (`summary`)."""
    codes = tuple(sorted(diff.codes | set(marks)))
    exact, spaceless, files = sha256(), sha256(), sha256()
    empty = True
    for file in diff.files:
        of_file = sha256()
        for changed in map(_changed, file.hunks):
            of_file.update(changed)
            exact.update(changed)
            spaceless.update(_NOTES.sub(b"", changed).translate(None, b" \t\r\x0b\x0c"))
            empty = empty and not changed
        files.update(_about(file, of_file.hexdigest()))
    if empty:
        return SameLines(None, None, None, codes)
    return SameLines(exact.hexdigest(), spaceless.hexdigest(), files.hexdigest(), codes)


def _about(file: File, lines_sha256: str) -> bytes:
    """Return what is applied of a file beside the text of its lines, on one line."""
    binary = sha256(file.binary_content).hexdigest()
    names = (file.change, file.old_path, file.new_path, file.old_mode, file.new_mode, file.binary)
    return json.dumps([*names, binary, lines_sha256]).encode() + b"\n"


def _changed(hunk: Hunk) -> bytes:
    """Return the lines that are added or deleted, each with its sign; a note where such a line has no ending."""
    if hunk.is_plain:
        return b"".join([raw for raw, code in hunk.coded_lines if code != CONTEXT])
    found, before = bytearray(), 0
    for code, text in _lines(hunk):
        if code in (ADD, DELETE):
            found += b"%c%b\n" % (code, text)
        elif code == NOTE and before in (ADD, DELETE):
            found += b"\\\n"
        before = code
    return bytes(found)


def _lines(hunk: Hunk) -> Iterator[tuple[int, bytes]]:
    """Yield each line of a hunk with its code, without sign and LF."""
    if hunk.form == "context":
        for line in merged(hunk):
            yield _SIGNS.get(line.kind, 0), line.raw[hunk.sign_width :].removesuffix(b"\n")
        return
    for raw, code in hunk.coded_lines:
        yield code, raw[hunk.sign_width :].removesuffix(b"\n")
