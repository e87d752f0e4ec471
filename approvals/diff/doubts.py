"""Header lines that tools take in different ways: modes, prefixes, stamps, odd names, markers in odd places.

Each was tried with GNU patch 2.7.6 and git 2.39. What is doubtful is said; nothing is decided here.
"""

import re
from collections.abc import Iterator
from typing import Final

from approvals.diff.gnu_patch import GIT_LINES
from approvals.diff.headers import Draft
from approvals.diff.paths import shown, split_stamp
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, NOTE, File, without_ending

Doubt = tuple[str, str, int]
"""Code, sentence, line counted from 1."""

_ESCAPE = re.compile(rb"\\(?![0-3][0-7]{2}|[abtnvfr\"\\])")
_ODD_BYTE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|//|/\./|^\./")
_ODD_LINE = re.compile(
    rb"(?:--- |\+\+\+ |(?:rename|copy) (?:from|to) )(?:[^\t]* (?:\r?$|\t)|[^\t]*\t[^\t]*\t)|diff --git (?:.*  .*|.* )$"
    rb'|(?:--- |\+\+\+ |(?:rename|copy) (?:from|to) |diff --git (?:[^" ]+ )?)"(?:"|(?:[^"\\]|\\.)*(?:$|"[^\t\r ]))'
    rb'|diff --git "(?:[^"\\]|\\.)*" "(?:"|(?:[^"\\]|\\.)*"[^\r])'
)
"""A name that ends with a blank, has a tab behind its tab, stands behind two blanks, is nothing in quotes, has a quote
that nothing ends or something right behind its quotes."""
_ZONE = rb"(?: ?[+-]\d\d:?\d\d| [A-Z]{1,5})?"
_STAMP = re.compile(
    rb"\s*(?:(?:19[89]|20)\d\d-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
    + _ZONE
    + rb"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?"
    rb"(?: +\d\d?)? +[A-Z][a-z]{2}(?: +\d\d?)?(?: \d\d:\d\d:\d\d)? (?:19[89]|20)\d\d(?: \d\d:\d\d:\d\d)?"
    + _ZONE
    + rb"|\([a-z0-9 ]*\))\s*$"
)
"""The whole stamps of GNU diff, POSIX diff and Subversion, from 1980 on: GNU patch reckons with words behind them."""
_MODE_LINES: Final = (b"old mode ", b"new mode ", b"new file mode ", b"deleted file mode ")
_MODES: Final = frozenset((b"100644", b"100755", b"120000", b"160000"))
_INDEX = re.compile(rb"index [0-9a-f,]+\.\.[0-9a-f]+(?: [0-7]{6})?$")
_ABSENT = re.compile(rb"index (0+(?=\.))?[0-9a-f]*\.\.(0+(?=\s|$))?")
_MOVE = re.compile(rb"(?:rename|copy) (?:from|to|old|new) ")
_PAIRS: Final = ([b"rename from ", b"rename to "], [b"copy from ", b"copy to "])
_ORIGINALS: Final = (".orig",)
_EMPTY_LINES: Final = frozenset((b"\n", b" \n", b"+\n", b"-\n"))  # without a newline they are no line of a file
STRAY_HEADERS: Final = GIT_LINES[1:]  # `index` alone changes nothing


def doubts(draft: Draft, file: File) -> Iterator[Doubt]:
    """Say what in the header or the markers of a file tools do not agree on."""
    line = file.line
    if words := _about_modes(draft):
        yield "mode-lines", f"{words}: tools set other modes, or delete and create otherwise.", line
    if _is_oddly_named(draft):
        yield "odd-name", "The name is written in a way that tools read differently.", line
    if file.symlink and file.change == "modified" and file.hunks and not any(hunk.new_count for hunk in file.hunks):
        yield "mode-lines", "A symbolic link that points nowhere is left: git apply deletes it and stops.", line
    if (
        file.old_mode is None
        and is_unended_line(file)
        and file.hunks[0].codes.count(NOTE) > (ADD in file.hunks[0].codes)
    ):
        words = "The file is one line without an end, and no mode says that it is no symbolic link"
        yield "mode-lines", f"{words}: of a link git apply changes where it points, GNU patch refuses it.", line
    if words := _about_moves(draft):
        yield "name-mismatch", words, line
    if _is_unprefixed(draft, file):
        rest = file.path.partition("/")[2]
        yield "no-prefix", f"The names have no prefix: tools that take one folder off (-p1) would change {rest}.", line
    if _is_of_time_zero(draft):
        words = "A time stamp says that the file is absent on one side: some tools delete it, others leave it empty."
        yield "epoch-stamp", words, line
    old, new = file.old_path or "", file.new_path or ""
    other = old and new and old != new and not draft.moved and old.removeprefix(new) not in _ORIGINALS
    if other and not draft.sides_differ():
        yield "names-differ", f"The sides are called {old} and {new}: GNU patch changes the one that is there.", line
    yield from _about_markers(file)


def is_unended_line(file: File) -> bool:
    """Tell whether the old side of a file is one line without a line ending, as the target of a symbolic link is."""
    if len(file.hunks) != 1 or file.hunks[0].old_start != 1:
        return False
    codes = file.hunks[0].codes
    old = [place for place, code in enumerate(codes) if code in (DELETE, CONTEXT, EATEN)]
    return len(old) == 1 and codes[old[0] + 1 : old[0] + 2] == bytes((NOTE,))


def _is_oddly_named(draft: Draft) -> bool:
    names = (draft.source, draft.target, draft.moved_from, draft.moved_to, *(draft.pair or ()))
    if any(name and _ODD_BYTE.search(name) for name in names):
        return True
    if any(line.startswith(b"diff --git ") and line.endswith(b"\r\n") for line in draft.header):
        return True  # git takes the CR for a part of the name
    alone = draft.git and not draft.combined and draft.source is None and draft.target is None
    if alone and (_has_one_prefix(draft) or (not draft.moved and _is_no_pair(draft))):
        return True
    lines = [without_ending(line) for line in draft.header]
    return any(
        _ODD_LINE.match(line) or (b' "' in line and (_ESCAPE.search(line) or split_stamp(line[4:])[0] == b"/dev/null"))
        for line in lines
    )


def _has_one_prefix(draft: Draft) -> bool:
    """Tell whether one half of the first line alone is without a folder: GNU patch reads no name in it."""
    return len({b"/" in name for name in draft.pair or ()}) > 1


def _is_no_pair(draft: Draft) -> bool:
    """Tell whether git reads no name in the first line: one half is quoted alone, or the halves name two files."""
    names = draft.named_together()
    if names.startswith(b'"') != names.endswith(b'"'):
        return True
    return len({name.partition(b"/")[2] or name for name in draft.pair or ()}) > 1


def _is_of_time_zero(draft: Draft) -> bool:
    """Tell whether a stamp may be read as the time zero: it says so, or a side is empty and it has no common form."""
    stamps = [stamp for stamp in (draft.source_stamp, draft.target_stamp) if stamp.strip()]
    if any(b"1970" in stamp or b"1969" in stamp or stamp.strip().startswith(b"@") for stamp in stamps):
        return True
    empty = any(0 in (hunk.old_count, hunk.new_count) for hunk in draft.hunks)
    return empty and any(not _STAMP.match(stamp) for stamp in stamps)


def _about_modes(draft: Draft) -> str:
    lines = [without_ending(line) for line in draft.header]
    modes = {line[-6:] for line in lines if line.startswith(_MODE_LINES)}
    for line in lines:
        if line.startswith(b"index ") and modes and line.rpartition(b" ")[2].isdigit():
            return "The index line names a mode beside the lines about modes"
    if draft.git and any(line.startswith(b"index ") and not _INDEX.match(line) for line in lines):
        return "The index line is not written as git writes it"
    modes |= {line[-6:] for line in lines if draft.git and line.startswith(b"index ") and b" " in line[6:]}
    old, new, added, deleted = (
        sum(line.startswith(word) for line in lines)
        for word in (b"old mode ", b"new mode ", b"new file mode ", b"deleted file mode ")
    )
    if old != new or max(old, new, added, deleted) > 1 or (old and (added or deleted)) or (added and deleted):
        return "The mode lines of this file contradict each other or lack one half"
    if any(b" mode " in line and not re.search(rb" mode [0-7]{6}$", line) for line in lines):
        return "A mode is not written with six digits"
    if draft.moved and (added or deleted):
        return "The file is moved or copied, and said to be new or deleted"
    if old and len({line[-6:] for line in lines if line.startswith((b"old mode ", b"new mode "))}) < 2:
        return "The mode lines name one mode, which git sets and GNU patch does not"
    if draft.git and sum(line.startswith(b"index ") for line in lines) > 1:
        return "The index line stands twice"
    absent = [match.groups() for line in lines if draft.git and (match := _ABSENT.match(line))]
    if any((old and not added) or (new and not deleted) for old, new in absent):
        return "The index line says that the file is absent on one side, and no line about modes does"
    if any(mode not in _MODES for mode in modes):
        return "A mode is none that git keeps"
    if draft.git and draft.target == b"/dev/null" and not deleted:
        return "The new side is /dev/null and no line says that the file is deleted"
    if draft.git and draft.source == b"/dev/null" and not added:
        return "The old side is /dev/null and no line says that the file is new"
    return ""


def _about_moves(draft: Draft) -> str:
    moves = [match[0] for line in draft.header if (match := _MOVE.match(line))]
    if not moves:
        return ""
    if draft.moved_from == draft.moved_to:
        return "The file is moved or copied to where it is: GNU patch changes it there, git may refuse."
    if sorted(moves) not in _PAIRS:
        return "The lines that move the file are no pair of one kind, or in an old form that GNU patch passes over."
    lone = (draft.source is None) != (draft.target is None)
    if lone or (draft.hunks and draft.source is None):
        return "No pair of lines --- and +++ names the moved file: GNU patch changes it where it is, or nothing."
    if draft.source is not None and not draft.hunks:
        return "Lines --- and +++ stand behind a move and no hunk does: GNU patch moves nothing, git does."
    if draft.pair is None and draft.source is None:
        return "The diff --git line names no two files: GNU patch refuses to move or copy, git takes the lines below."
    pair = tuple(name.partition(b"/")[2] or name for name in draft.pair or ())
    if pair and (draft.moved_from, draft.moved_to) != pair:
        said = " ".join(shown(name) for name in (draft.moved_from, draft.moved_to) if name)
        return f"The diff --git line names other files than the lines that move {said}."
    return ""


def _is_unprefixed(draft: Draft, file: File) -> bool:
    """Tell whether no prefix was taken off a name in a folder, so that it depends on -p0 or -p1 what is changed."""
    names = [name for name in (draft.source, draft.target) if name and name != b"/dev/null"]
    names = names or list(draft.pair or (draft.index_name or b"",))
    return "/" in file.path and bool(names) and any(shown(name) == file.path for name in names)


def _about_markers(file: File) -> Iterator[Doubt]:
    """Say where a line `\\ No newline at end of file` is followed by lines of the same side, or is odd itself."""
    for number, hunk in enumerate(file.hunks):
        if NOTE not in hunk.codes or hunk.form == "combined":
            continue
        ended: set[int] = set()
        before, line = CONTEXT, b""
        for place, (raw, code) in enumerate(hunk.coded_lines):
            sides = {DELETE: {0}, ADD: {1}, CONTEXT: {0, 1}, EATEN: {0, 1}}
            odd = code == NOTE and (
                before == NOTE or not raw.startswith(b"\\ ") or len(raw) < 12 or line in _EMPTY_LINES
            )
            if odd or (hunk.form == "unified" and ended & sides.get(code, set())):
                yield "note-place", "A line about a missing newline stands where no file ends.", hunk.first_line + place
                return
            if code == NOTE:
                ended |= sides.get(before, set())
            before, line = code, raw
        if ended and number < len(file.hunks) - 1:
            yield "note-place", "A line about a missing newline stands before another hunk.", hunk.line
            return
