"""Turns what was read about a file into a `File` and says what is odd about it. Reads no patch text itself."""

import hashlib
import re
from collections.abc import Iterator
from itertools import chain

from approvals.diff.context_hunks import announced_wrongly
from approvals.diff.doubts import doubts
from approvals.diff.headers import SUBMODULE, SYMLINK, Draft
from approvals.diff.invisible import has_invisible
from approvals.diff.notices import Notices, counted, shortened
from approvals.diff.paths import in_other_bytes, in_own_folder, leaves_tree, shown
from approvals.diff.source import Source
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, NOTE, OTHER, File, Hunk

LONG_LINE = 10_000  # bytes; what is drawn of a line ends well before
_ZERO = re.compile(rb"@@ [-+,\d ]*[-+,]0\d")

_EMPTIES = (re.compile(rb"index e69de29[0-9a-f]*\.\.0+(?:\s|$)"), re.compile(rb"index 0+\.\.e69de29"))
_NAMING = (b"--- ", b"+++ ", b"*** ", b"Index:")
# What stands for content that is elsewhere: git am moves a submodule by such a line, whatever the modes say; the others
# are those of git LFS, whose pointers have three lines, and of git-annex.
_COMMIT = re.compile(rb"(?:[^\n]*\n)?[-+]Subproject commit ")
_POINTER = re.compile(rb"(?:[^\n]*\n){0,5}[-+](?:oid sha256:|/annex/objects/)")
_UNNAMED = "(no name)"
_UNENDED = {bytes((DELETE, NOTE)): "The old version has", bytes((ADD, NOTE)): "The new version has"} | dict.fromkeys(
    (bytes((CONTEXT, NOTE)), bytes((EATEN, NOTE))), "Both versions have"
)
_JOINS = ": where the line has one, git apply takes it off and joins the next line to this one, GNU patch does not"


def finish(draft: Draft, keys: dict[str, int], notices: Notices, source: Source) -> File:
    """Make the file of a draft, in the time of its source; `keys` counts the paths and digests seen in this patch, so
    that keys stay unique."""
    old, new = draft.names()
    path = shown(new if new is not None else old if old is not None else draft.index_name or b"") or _UNNAMED
    body = b"".join([b"".join(hunk.raw_lines) for hunk in draft.hunks])
    section = b"".join((*draft.header, *(hunk.to_bytes() for hunk in draft.hunks), *draft.trailer))
    file = File(
        key=_key(path, keys),
        path=path,
        old_path=None if old is None else shown(old),
        new_path=None if new is None else shown(new),
        change=draft.change(),
        old_mode=None if draft.mode_note == "added" else draft.old_mode,
        new_mode=None if draft.mode_note == "deleted" else draft.new_mode,
        similarity=draft.similarity,
        binary=draft.binary,
        symlink=SYMLINK in (draft.old_mode, draft.new_mode),
        submodule=SUBMODULE in (draft.old_mode, draft.new_mode) or _COMMIT.match(body) is not None,
        mixed_endings=0 < body.count(b"\r\n") < body.count(b"\n") - sum(hunk.codes.count(NOTE) for hunk in draft.hunks),
        line=draft.start + 1,
        header_lines=tuple(draft.header),
        hunks=tuple(draft.hunks),
        trailer=tuple(draft.trailer),
        additions=sum(hunk.additions for hunk in draft.hunks),
        deletions=sum(hunk.deletions for hunk in draft.hunks),
        size=len(section),
        sha256=hashlib.sha256(section).hexdigest(),
    )
    for code, message, line in chain(
        _about_names(file, draft, keys),
        doubts(draft, file),
        _about_kind(file, draft, body),
        _about_bytes(file, draft, section, body),
        _about_hunks(draft),
    ):
        notices.add(code, message, path, line)
        source.check_budget()
    source.check_budget()
    return file


def _key(path: str, keys: dict[str, int]) -> str:
    """Count the path and return a key that no other file has: two names with one beginning of a digest are soon found,
    and the page would show one of the files twice and the other never."""
    keys[path] = keys.get(path, 0) + 1
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    counted_as = f"\0{digest}"  # no path that is shown has a NUL
    keys[counted_as] = seen = keys.get(counted_as, 0) + 1
    return f"f{digest}" if seen == 1 else f"f{digest}-{seen}"


def _about_names(file: File, draft: Draft, keys: dict[str, int]) -> Iterator[tuple[str, str, int]]:
    name, line = shortened(file.path), file.line
    if file.path == _UNNAMED and not draft.raw_names():
        yield "no-name", "A hunk stands here without a file header: which file it changes is not said.", line
    for raw in draft.raw_names():
        if leaves_tree(raw):
            yield "path-outside", f"The path {shortened(shown(raw))} is absolute or contains '..'.", line
            break
        if in_own_folder(shown(raw)):
            words = f"The path {shortened(shown(raw))} leads into the folder of a version control: git refuses its own,"
            yield "own-folder", f"{words} GNU patch writes there.", line
            break
    if any(has_invisible(shown(raw)) for raw in draft.raw_names()):
        yield "path-invisible", "The file name contains characters that cannot be seen.", line
    if keys[file.path] > 1 and file.path != _UNNAMED:
        yield "duplicate-file", f"{name} is changed in {counted(keys[file.path], 'place')} of this patch.", line
    if draft.sides_differ():
        old, new = shortened(file.old_path or ""), shortened(file.new_path or "")
        words = (
            f"The two sides name different files, {old} and {new}: "
            "git apply changes the second, GNU patch the one that it finds (the shorter name where both are there)."
        )
        yield "names-differ", words, line
    for blank in draft.blank_names():
        words = (
            f"The name {shortened(shown(blank))} has a blank in it and no tab after it: git reads all of it, GNU patch "
            "only what stands before the first blank."
        )
        yield "name-blank", words, line
        break
    if draft.names_disagree():
        said = shortened(shown(b" ".join(draft.pair or ())))
        used = shortened(shown(b" ".join(name for name in (draft.source, draft.target) if name)))
        yield "name-mismatch", f"The diff --git line names {said}, the lines after it {used}.", line
    if draft.hunks and not draft.combined and (draft.source is None) != (draft.target is None):
        missing = ("no source (---)", "no target (+++)")[draft.target is None]
        yield "half-header", f"The header of {name} has {missing} line.", line
    elif draft.hunks and draft.git and not draft.combined and draft.source is None:
        words = "no lines --- and +++: GNU patch takes names, times and line ends from any such line before it"
        yield "half-header", f"The header of {name} has {words}.", line


def _about_kind(file: File, draft: Draft, body: bytes) -> Iterator[tuple[str, str, int]]:
    name, line = shortened(file.path), file.line
    if file.binary and draft.carries_binary:
        words = "its content is in the patch, encoded, and cannot be read here; git takes that of the index line if it"
        yield "binary", f"{name} is binary: {words} has it.", line
    elif file.binary:
        yield "binary-absent", f"{name} is binary and its content is not in the patch.", line
    if file.old_mode and file.new_mode and file.old_mode != file.new_mode:
        yield "mode", f"The mode of {name} changes from {file.old_mode} to {file.new_mode}.", line
    elif file.change == "added" and file.new_mode and file.new_mode not in ("100644", SYMLINK, SUBMODULE):
        yield "mode", f"{name} is added with mode {file.new_mode}.", line
    if file.symlink:
        yield "symlink", f"{name} is a symbolic link: the changed line is where it points.", line
    if file.submodule:
        yield "submodule", f"{name} is a submodule: the change is a commit of another repository.", line
    if _POINTER.match(body):
        yield (
            "pointer",
            f"{name} names content that is kept elsewhere (git LFS, git-annex) and is not shown here.",
            line,
        )
    if file.hunks and file.hunks[0].form == "context":
        yield "context-diff", f"{name} is written as a context diff (diff -c), which git does not read.", line
    if draft.combined or any(hunk.form == "combined" for hunk in file.hunks):
        yield "combined-diff", f"{name} is a combined diff of a merge, which neither git apply nor patch reads.", line
    if not file.hunks and not file.binary and _says_nothing(file, draft):
        yield "no-hunks", f"{name} is named, but no change to it follows.", line


def _says_nothing(file: File, draft: Draft) -> bool:
    """Tell whether a header alone changes nothing, or not what git makes of it in GNU patch, which wants the index line
    of an empty file that comes or goes; no link is empty."""
    if file.change in ("added", "deleted"):
        if file.symlink:
            return True
        empty = _EMPTIES[file.change == "added"]
        return not draft.git or not any(empty.match(line) for line in draft.header)
    return file.change == "modified"


def _about_bytes(file: File, draft: Draft, section: bytes, body: bytes) -> Iterator[tuple[str, str, int]]:
    name = shortened(file.path)
    if (at := section.find(b"\0")) >= 0:
        nuls = counted(section.count(b"\0"), "NUL byte")
        yield "nul", f"{name} contains {nuls}.", file.line + section.count(b"\n", 0, at)
    if not section.isascii():
        try:
            section.decode()
        except UnicodeDecodeError as error:
            at = file.line + section.count(b"\n", 0, error.start)
            yield "encoding", f"{name} is not all UTF-8; lines that are not are shown as Latin-1.", at
    elif in_other_bytes(draft.header):
        yield "encoding", f"The name of {name} is not UTF-8: it is shown as Latin-1, and is another one.", file.line
    naming = [raw for raw in draft.header if raw.startswith(_NAMING)]
    naming += [hunk.header for hunk in draft.hunks[:1] if hunk.form in ("context", "normal", "ed")]
    if any(raw.endswith(b"\r\n") for raw in naming):
        words = f"The header of {name} ends in CRLF: GNU patch takes the CR off every line of the change, git keeps it."
        yield "crlf-headers", words, file.line
    if file.mixed_endings:
        words = f"{name} has both CRLF and LF line endings; a CRLF is drawn where it stands."
        yield "mixed-endings", words, file.line
    elif b"\r\n" in body:
        yield "crlf", f"{name} has CRLF line endings.", file.line
    if eaten := sum(hunk.codes.count(EATEN) for hunk in file.hunks):
        first = next(hunk for hunk in file.hunks if EATEN in hunk.codes)
        tabs = any(code == EATEN and raw.strip() for hunk in file.hunks for raw, code in hunk.coded_lines)
        words = f"{counted(eaten, 'unchanged line')} of {name} lost the leading blank"
        at = first.first_line + first.codes.index(EATEN)
        yield "blank-eaten", f"{words}; patch accepts that, git does not." if tabs else f"{words}.", at
    for hunk in file.hunks:
        longest = max(map(len, hunk.raw_lines), default=0)
        if longest > LONG_LINE:
            at = hunk.first_line + [len(raw) for raw in hunk.raw_lines].index(longest)
            yield "long-line", f"{name} has a line of {longest:,} bytes; only its beginning is drawn.", at
            break


def _about_hunks(draft: Draft) -> Iterator[tuple[str, str, int]]:
    previous = None
    for hunk, excess in zip(draft.hunks, draft.excess, strict=True):
        yield from _about_hunk(hunk, excess, previous)
        previous = hunk


def _about_hunk(hunk: Hunk, excess: int, previous: Hunk | None) -> Iterator[tuple[str, str, int]]:
    first = hunk.first_line
    if hunk.old_start is None or (hunk.new_start is None and hunk.form not in ("context", "ed")):
        yield "hunk-numbers", "A hunk has no line numbers: where it applies is not said.", hunk.line
    elif hunk.form == "unified" and _ZERO.match(hunk.header):
        yield "hunk-numbers", "A number of this hunk begins with a zero, which tools read in different ways.", hunk.line
    elif hunk.form == "unified" and any(
        start == 0 and count for start, count in ((hunk.old_start, hunk.old_count), (hunk.new_start, hunk.new_count))
    ):
        yield "hunk-numbers", "This hunk has lines from line 0 on, where no file has one: tools put it at 1.", hunk.line
    elif hunk.form == "unified" and ADD not in hunk.codes and DELETE not in hunk.codes:
        yield "no-hunks", "This hunk changes nothing: GNU patch and git stop with an error.", hunk.line
    elif wrong := _wrong_counts(hunk, excess):
        yield "hunk-counts", wrong, hunk.line
    if foreign := hunk.codes.count(OTHER):
        at = first + hunk.codes.index(OTHER)
        yield "foreign-line", f"{counted(foreign, 'line')} inside a hunk are neither unchanged, added nor deleted.", at
    for pair, words in _UNENDED.items() if NOTE in hunk.codes else ():
        if (at := hunk.codes.find(pair)) >= 0:
            unchanged = pair[0] not in (DELETE, ADD)
            code, joins = ("joined-line", _JOINS) if unchanged else ("no-newline", "")
            yield code, f"{words} no newline at the end of the file{joins}.", first + at
    if previous and _goes_back(hunk, previous):
        yield "hunk-order", "This hunk starts before the end of the one above it.", hunk.line


def _wrong_counts(hunk: Hunk, excess: int) -> str | None:
    codes = hunk.codes
    if hunk.form == "context":
        wrong = announced_wrongly(hunk)
        return "A half of this context hunk has another number of lines than announced." if wrong else None
    if hunk.form == "ed":  # it shows no old lines
        return None
    both = codes.count(CONTEXT) + codes.count(EATEN)
    old, new = both + codes.count(DELETE), both + codes.count(ADD)
    if hunk.form == "combined":
        return None if new == hunk.new_count else f"The hunk announces {hunk.new_count} new lines and has {new}."
    if (old, new) == (hunk.old_count, hunk.new_count):
        return None
    words = f"The hunk announces {hunk.old_count} old and {hunk.new_count} new lines and has {old} and {new}."
    if excess:
        words += f" {counted(excess, 'changed line')} after the announced ones would be left out by git and patch."
    return words


def _goes_back(hunk: Hunk, previous: Hunk) -> bool:
    if hunk.old_start is None or previous.old_start is None or previous.old_count is None:
        return False
    return hunk.old_start < previous.old_start + previous.old_count
