"""File names as diff headers write them: quotes, prefixes, time stamps. What a header means is in `headers`."""

import re
from collections.abc import Iterable, Iterator

from approvals.diff.invisible import INVISIBLE
from approvals.diff.structure import decoded

LONGEST = 4096  # PATH_MAX on Linux; a longer name is cut for display
_LONGEST_QUOTED = 5 * LONGEST  # each byte may be written as four

QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
# GNU diff writes a tab before the time; mailers and editors turn it into blanks. Subversion writes a revision there.
_STAMP = re.compile(
    rb"[ \t](?:\d{4}-\d\d-\d\d[ T]\d\d:\d\d|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? [A-Z0-9]"
    rb"|\((?:revision|working copy|nonexistent))"
)
# GNU diff -N gives a missing file the time zero, in the local zone.
_EPOCH = re.compile(rb"\s*(?:19(?:70-01-01|69-12-31)[ T]|Thu,? (?:0?1 )?Jan +0?1 .*1970|Wed Dec 31 .*1969)")
# git's own prefixes (git-config, `diff.mnemonicPrefix`), and what people call the two trees.
_PREFIXES = frozenset((b"a", b"b", b"c", b"i", b"o", b"w", b"1", b"2", b"old", b"new"))
_NULL_DEVICE = b"/dev/null "  # and words: every tool takes it for the null device
_OWN_FOLDER = re.compile(r"(?:^|[/\\])(?:\.git|git~1|\.hg|\.svn)[ .]*(?:[:/\\]|\Z)")
_DRIVE = re.compile(rb"[A-Za-z]:[\\/]")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


def unquoted(raw: bytes) -> bytes:
    """Undo the C-style quoting of git (git-config, `core.quotePath`): octal bytes and backslash escapes."""

    def plain(match: re.Match[bytes]) -> bytes:
        escape = match[1]
        return bytes([int(escape, 8) & 0xFF]) if len(escape) == 3 else _ESCAPES.get(escape, escape)

    return _ESCAPE.sub(plain, raw)


def split_stamp(rest: bytes) -> tuple[bytes, bytes]:
    """Split what follows `--- ` into the name, unquoted, and the time stamp or revision after it."""
    if rest.startswith(b'"') and (quoted := QUOTED.match(rest[:_LONGEST_QUOTED])):
        return unquoted(quoted[1]), rest[quoted.end() :]
    name, _, stamp = rest.partition(b"\t")
    name = name[: 2 * LONGEST]
    if found := _STAMP.search(name):
        return name[: found.start()].rstrip(), name[found.start() + 1 :] + stamp
    if not stamp and name.startswith(_NULL_DEVICE):
        return b"/dev/null", stamp
    return name.rstrip(b" "), stamp


def split_pair(rest: bytes) -> tuple[bytes, bytes] | None:
    """Split what follows `diff --git ` into the two names, or return None where that is ambiguous.

    Names with blanks are not quoted, so the rule of git's own reader holds: both sides are the same but for the prefix.
    """
    rest = rest[: 2 * _LONGEST_QUOTED]
    if quoted := QUOTED.match(rest):
        return unquoted(quoted[1]), split_stamp(rest[quoted.end() :].lstrip(b" "))[0]
    if rest.endswith(b'"') and b' "' in rest:
        old, _, new = rest.partition(b' "')
        return old, unquoted(new[:-1])
    middle = len(rest) // 2
    if rest[middle : middle + 1] == b" " and _same_but_prefix(rest[:middle], rest[middle + 1 :]):
        return rest[:middle], rest[middle + 1 :]
    old, gap, new = rest.partition(b" b/")
    if gap and b" b/" not in new:
        return old, b"b/" + new
    return (rest[: rest.index(b" ")], rest[rest.index(b" ") + 1 :]) if rest.count(b" ") == 1 else None


def is_epoch(stamp: bytes) -> bool:
    """Tell whether a time stamp says that the file does not exist on this side (GNU diff -N)."""
    return _EPOCH.match(stamp.lstrip()[:80]) is not None


def stripped(
    old: bytes | None, new: bytes | None, prefixed: bool | None, known: frozenset[bytes] = frozenset()
) -> tuple[bytes | None, bytes | None]:
    """Take the prefix (`a/`, `b/`, `i/`, `foo-1.0.orig/`) off both names where it is one.

    `prefixed` is what the `diff --git` line shows: False for --no-prefix, None where there is no such line. `known` are
    the prefixes that other files of the patch show.
    """
    if prefixed is False:
        return old, new
    if old is None or new is None:
        return _one_sided(old, prefixed, known), _one_sided(new, prefixed, known)
    old_rest, new_rest = old.partition(b"/")[2], new.partition(b"/")[2]
    sides = (old[:2], new[:2])
    if prefixed or (old_rest and old_rest == new_rest and old != new) or sides in ((b"a/", b"b/"), (b"b/", b"a/")):
        return old_rest or old, new_rest or new
    return old, new


def shown(raw: bytes) -> str:
    """Return a path as text: never a NUL (PostgreSQL stores none), never longer than a path can be."""
    text = decoded(raw[:LONGEST]).replace("\0", "\ufffd")
    return f"{text}…" if len(raw) > LONGEST else text


def in_other_bytes(lines: Iterable[bytes]) -> list[bytes]:
    """Return the lines of a header whose names, quotes undone, are not UTF-8: a page shows them as another name."""
    found = []
    for whole in lines:
        line = whole[: 2 * _LONGEST_QUOTED]
        if not line.isascii() or b"\\" in line:
            plain = unquoted(line) if b'"' in line else line
            try:
                plain.decode()
            except UnicodeDecodeError:
                found.append(plain)
    return found


def leaves_tree(raw: bytes) -> bool:
    """Tell whether a path is absolute or climbs with '..', on any system."""
    return raw.startswith((b"/", b"\\")) or _DRIVE.match(raw) is not None or b".." in re.split(rb"[/\\]", raw)


def in_own_folder(path: str) -> bool:
    """Tell whether a path leads into the folder a version control keeps for itself, whatever a file system makes of
    capitals, of dots at the end, of streams (`.git::$DATA`) and of characters that cannot be seen (CVE-2014-9390)."""
    return _OWN_FOLDER.search(INVISIBLE.sub("", path).lower()) is not None


def shown_prefix(old: bytes, new: bytes) -> tuple[bytes, bytes] | None:
    """Return the first folders of two names that differ in nothing else."""
    (first, _, old_rest), (second, _, new_rest) = old.partition(b"/"), new.partition(b"/")
    return (first, second) if old_rest and old_rest == new_rest and first != second else None


def _one_sided(name: bytes | None, prefixed: bool | None, known: frozenset[bytes]) -> bytes | None:
    """Return the name of a file that exists on one side only: nothing beside it shows what its prefix is."""
    if name is None:
        return None
    first, _, rest = name.partition(b"/")
    return rest if rest and (prefixed or first in _PREFIXES or first in known) else name


def _same_but_prefix(old: bytes, new: bytes) -> bool:
    return old == new or old.partition(b"/")[2] == new.partition(b"/")[2]


def unusual(path: str) -> Iterator[str]:
    """Return sentences about what is unusual in a path, on any system."""
    parts = INVISIBLE.sub("", path).replace("\\", "/").split("/")  # HFS+ ignores invisible characters in names
    if leaves_tree(path.encode()):
        yield "The path is absolute or contains '..': it may lead out of the folder of the patch."
    if in_own_folder(path):
        yield "The path leads into the version control's own folder (CVE-2014-9390)."
    if any(part != part.strip() or (part.endswith(".") and part.strip(".")) for part in parts):
        yield "A part of the path begins or ends with a blank or ends with a dot, which some systems drop."
    if path.startswith("-"):
        yield "The path begins with a dash: tools may take it for an option."
    if any(_DEVICES.match(part) for part in parts):
        yield "A part of the path is the name of a device on Windows."
    if "\\" in path:
        yield "The path contains a backslash, which parts folders on Windows only."
