"""The canonical form of a patch: the change that the page shows and nothing else, or why there is none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from approvals.diff.context_hunks import merged
from approvals.diff.doubts import is_unended_line
from approvals.diff.paths import in_other_bytes
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, NOTE, STRAY, Diff, File, Hunk, without_ending

UNSAFE: Final = frozenset(
    (
        *(
            "attributes",
            "binary",
            "binary-absent",
            "budget",
            "colours",
            "combined-diff",
            "context-diff",
            "copy-order",
            "empty",
            "foreign-line",
            "git-reads-more",
        ),
        *("hunk-counts", "hunk-numbers", "hunk-order", "hunk-shift", "hunk-tail", "name-mismatch", "names-differ"),
        *("crlf-headers", "half-header", "no-hunks"),
        *("mode-lines", "note-place", "odd-name", "order-counts", "stray-header"),
        *(
            "no-files",
            "no-name",
            "nul",
            "only-in",
            "only-patch",
            "own-folder",
            "patch-reads-more",
            "path-outside",
            "property",
        ),
        *("submodule", "submodule-log", "utf-16", "word-diff", "zero-context"),
    )
)
"""Warnings after which no form is safe: what is applied is not in the patch, or tools read different changes in it."""

_QUOTED: Final = {9: b"\\t", 10: b"\\n", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}
_NEEDS_QUOTES = re.compile(rb'[\x00-\x20"\\\x7f]')
_EMPTY: Final = b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # git's name of empty content
_NOTHING: Final = b"0" * 40
_SIGNS: Final = {"context": CONTEXT, "add": ADD, "delete": DELETE, "note": NOTE}


@dataclass(frozen=True, slots=True)
class Canonical:
    """The bytes of the canonical form, or None and a sentence that says why there is none."""

    data: bytes | None
    reason: str = ""

    @property
    def sha256(self) -> str | None:
        """Return the digest in hex."""
        return None if self.data is None else sha256(self.data).hexdigest()


def canonical(diff: Diff) -> Canonical:
    """Return the same change as every tool applies it: no words, counts that are right, the names that are shown."""
    if not diff.parsed or not diff.codes.isdisjoint(UNSAFE):
        found = (warning.message for warning in diff.warnings if warning.code in UNSAFE)
        return Canonical(None, next(found, "The patch could not be read as a whole."))
    if any(not _is_exact(file) for file in diff.files):
        return Canonical(None, "A file name is not UTF-8, too long or holds a NUL byte.")
    data = b"".join(b"".join(_file(file)) for file in diff.files)
    return Canonical(data) if data else Canonical(None, "Nothing is changed.")


def _is_exact(file: File) -> bool:
    """Tell whether the names that are shown are the names in the patch, byte for byte."""
    if in_other_bytes(file.header_lines):
        return False
    if (file.old_path is None) != (file.change == "added") or (file.new_path is None) != (file.change == "deleted"):
        return file.change in ("added", "deleted") and bool(file.old_path or file.new_path)
    return not any(name and ("\ufffd" in name or len(name) > 4096) for name in (file.old_path, file.new_path))


def _file(file: File) -> Iterator[bytes]:
    old, new = (None if name is None else name.encode() for name in (file.old_path, file.new_path))
    if not file.hunks and file.change == "modified":
        return
    first, second = old or new or b"", new or old or b""
    if file.change not in ("renamed", "copied"):
        first, old = second, second if old is not None else None
    yield b"diff --git %b %b\n" % (quoted_name(b"a/", first), quoted_name(b"b/", second))
    if file.change == "added":
        old = None
        yield b"new file mode %b\n" % (file.new_mode or "100644").encode()
    elif file.change == "deleted":
        new = None
        yield b"deleted file mode %b\n" % (file.old_mode or "100644").encode()
    elif file.old_mode != file.new_mode and file.old_mode and file.new_mode:
        yield b"old mode %b\nnew mode %b\n" % (file.old_mode.encode(), file.new_mode.encode())
    if not file.hunks and file.change in ("added", "deleted"):  # GNU patch knows an empty file by this line
        yield b"index %b\n" % (b"..".join((_NOTHING, _EMPTY) if file.change == "added" else (_EMPTY, _NOTHING)))
    if file.change in ("renamed", "copied"):
        verb = b"rename" if file.change == "renamed" else b"copy"
        if not file.hunks:
            yield b"similarity index 100%\n"
        yield b"%b from %b\n%b to %b\n" % (verb, quoted_name(b"", first), verb, quoted_name(b"", second))
    if file.old_mode and file.old_mode == file.new_mode and (file.symlink or not file.hunks or is_unended_line(file)):
        # Without its mode it would be changed whether it is a file or a link.
        yield from (without_ending(line) + b"\n" for line in file.header_lines if line.startswith(b"index "))
    if file.hunks:
        yield b"--- %b\n" % (b"/dev/null" if old is None else quoted_name(b"a/", old))
        yield b"+++ %b\n" % (b"/dev/null" if new is None else quoted_name(b"b/", new))
    delta = 0
    for hunk in file.hunks:
        lines = hunk.raw_lines if hunk.is_plain else tuple(_lines(hunk))
        signs = bytes([line[0] for line in lines])
        old_count = signs.count(b" ") + signs.count(b"-")
        new_count = signs.count(b" ") + signs.count(b"+")
        old_start = hunk.old_start or 0
        new_start = old_start + delta + (old_count == 0) - (new_count == 0)
        delta += new_count - old_count
        yield b"@@ -%d,%d +%d,%d @@\n" % (old_start, old_count, max(0, new_start), new_count)
        yield from lines


def _lines(hunk: Hunk) -> Iterator[bytes]:
    """Return the lines of a hunk as a unified diff has them, each with its sign and its line ending."""
    if hunk.form == "context":
        for line in merged(hunk):
            if (code := _SIGNS.get(line.kind)) is not None:
                yield _line(code, line.raw if line.raw[:1] in b"\t\r\n" else line.raw[2:])
        return
    for raw, code in hunk.coded_lines:
        if code != STRAY:
            yield _line(CONTEXT, raw) if code == EATEN else _line(code, raw[1:])


def _line(code: int, text: bytes) -> bytes:
    if code == NOTE:
        return b"\\ No newline at end of file\n"
    return bytes((code,)) + (text if text.endswith(b"\n") else text + b"\n")


def quoted_name(prefix: bytes, name: bytes) -> bytes:
    """Return a name with its prefix, quoted as git does (git-config, `core.quotePath`) where readers may stop short."""
    whole = prefix + name
    if not _NEEDS_QUOTES.search(whole):
        return whole
    return b'"%b"' % b"".join(_QUOTED.get(c, bytes((c,)) if c >= 32 and c != 127 else b"\\%03o" % c) for c in whole)
