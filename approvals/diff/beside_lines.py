"""What differs between two revisions beside the lines of their hunks: names, modes, places, counts, words."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

from approvals.diff.context_hunks import merged
from approvals.diff.excerpts import is_stray
from approvals.diff.notices import counted
from approvals.diff.paths import in_other_bytes
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, NOTE, STRAY, Diff, File, Hunk, Text

_MOST_MOVED: Final = 20  # sentences about hunks of one file
_MORE_THAN_SHOWN: Final = frozenset(("only-patch", "patch-reads-more", "git-reads-more"))
_CODES: Final = {"context": b"%c" % CONTEXT, "add": b"%c" % ADD, "delete": b"%c" % DELETE, "note": b"%c" % NOTE}
_DIFF_LIKE: Final = re.compile(
    rb"^[ \tX]*(?:- )?(?:--- |\+\+\+ |@@|\*\*\* |\*{15}|Index:|Prereq:|diff |[<>] |\d+(?:,\d+)?[acd][\d,]*\s*$)",
    re.MULTILINE,
)
"""Lines that begin a diff of some form for GNU patch, indented as it strips it, and commands of ed."""


def notes_of(old: File, new: File) -> Iterator[str]:
    """Return what differs besides lines."""
    if old.change != new.change:
        yield f"The file is {old.change} in the old revision and {new.change} in the new one."
    for side, before, after in (("old", old.old_path, new.old_path), ("new", old.new_path, new.new_path)):
        if before != after and None not in (before, after):
            yield f"The {side} name of the file is {before} in the old revision and {after} in the new one."
    if in_other_bytes(old.header_lines) != in_other_bytes(new.header_lines):
        yield "A name in the header is written in bytes that are not UTF-8, and in others in the other revision."
    if _mode(old) != _mode(new):
        yield f"The mode is {_mode(old)} in the old revision and {_mode(new)} in the new one."
    if old.binary_content != new.binary_content or old.binary != new.binary:
        yield "The binary content differs."
    yield from _moved_hunks(old.hunks, new.hunks)


def _moved_hunks(old: Sequence[Hunk], new: Sequence[Hunk]) -> Iterator[str]:
    """Return which hunks apply at another line or announce other counts, each compared with the one of its number; of
    the same lines in other hunks, that they stand so."""
    pairs = enumerate(zip(old, new, strict=True), 1) if len(old) == len(new) else ()
    found = [words for number, pair in pairs for words in _moved(number, *pair)]
    yield from found[:_MOST_MOVED]
    if len(found) > _MOST_MOVED:
        yield f"{len(found) - _MOST_MOVED:,} more hunks apply elsewhere or announce other counts."
    (lines, jumps), (new_lines, new_jumps) = _placed(old), _placed(new)
    if not found and lines == new_lines and jumps != new_jumps:
        words = f"{counted(len(old), 'hunk')} in the old revision, in {counted(len(new), 'hunk')} in the new one"
        yield f"The lines stand in {words}, at other lines of the file."


def _placed(hunks: Sequence[Hunk]) -> tuple[bytes, list[tuple[int, ...]]]:
    """Return what the lines of all hunks do, and where their numbers in the old or new file jump, and how far."""
    done: list[bytes] = []
    jumps: list[tuple[int, ...]] = []
    at = old = new = 0
    shifts = (0, 0)
    for hunk in hunks:
        codes = hunk.codes.replace(b"%c" % EATEN, b"%c" % CONTEXT)
        if hunk.form == "context":
            codes = b"".join(_CODES.get(line.kind, b"#") for line in merged(hunk))
        both = codes.count(CONTEXT)
        of_old, of_new = both + codes.count(DELETE), both + codes.count(ADD)
        here = (
            (hunk.old_start or 0) - old if of_old else shifts[0],
            (hunk.new_start or 0) - new if of_new else shifts[1],
        )
        if here != shifts:
            jumps.append((at, *here))
            shifts = here
        at, old, new = at + len(codes), old + of_old, new + of_new
        done.append(codes)
    return b"".join(done), jumps


def _moved(number: int, old: Hunk, new: Hunk) -> Iterator[str]:
    same_lines = old.raw_lines == new.raw_lines
    if old.old_start != new.old_start:
        yield f"Hunk {number} moved from line {_number(old.old_start)} to {_number(new.old_start)}."
    elif same_lines and old.new_start != new.new_start:
        words = f"{_number(old.new_start)} to {_number(new.new_start)}"
        yield f"Hunk {number} moved in the changed file from line {words}."
    if same_lines and (old.old_count, old.new_count) != (new.old_count, new.new_count):
        before, after = (f"{_number(hunk.old_count)} and {_number(hunk.new_count)} lines" for hunk in (old, new))
        yield f"Hunk {number} announces {before} in the old revision, {after} in the new one, and has the same lines."


def _number(value: int | None) -> str:
    return "none" if value is None else str(value)


def _mode(file: File) -> str:
    if file.old_mode == file.new_mode and not (file.symlink or file.submodule):
        return "as usual"
    if file.old_mode is None and file.new_mode == "100644":
        return "as usual"
    return f"{file.old_mode or 'none'} to {file.new_mode or 'none'}"


_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


def words_of(diff: Diff) -> File:
    """Return the words around the changes as if they were a file, so that they compare and draw like one."""
    raw_lines = _LINE.findall(b"".join(_word_chunks(diff)))
    data = b"".join(raw_lines)
    codes = bytes([STRAY]) * len(raw_lines)
    hunk = Hunk("unified", 1, b"", "", None, None, None, None, 0, tuple(raw_lines), codes)
    digest = hashlib.sha256(data).hexdigest()
    return File(
        key="message",
        path="Words around the changes",
        old_path=None,
        new_path=None,
        change="modified",
        old_mode=None,
        new_mode=None,
        similarity=None,
        binary=False,
        symlink=False,
        submodule=False,
        mixed_endings=False,
        line=1,
        header_lines=(),
        hunks=(hunk,),
        trailer=(),
        additions=0,
        deletions=0,
        size=len(data),
        sha256=digest,
    )


def applied_in_words(diff: Diff) -> bool:
    """Tell whether a tool may take words of a patch for a change: by its warnings, or by how the words look."""
    return bool(_MORE_THAN_SHOWN & diff.codes) or any(map(_DIFF_LIKE.search, _word_chunks(diff)))


def _word_chunks(diff: Diff) -> Iterator[bytes]:
    """Return the words that belong to no file and those that stand in the header of one."""
    for chunk in diff.chunks:
        if isinstance(chunk, Text):
            yield chunk.to_bytes()
        else:
            yield from (line for line in chunk.header_lines if is_stray(line))
