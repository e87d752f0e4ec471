"""Hunks of normal diffs and ed scripts, and indented ones: forms that GNU patch applies and git passes over.

Source: GNU diffutils manual, "Detailed Description of Normal Format" and "Detailed Description of ed Scripts".
"""

import re
from dataclasses import replace

from approvals.diff.context_hunks import read_context
from approvals.diff.gnu_patch import Section, unindented
from approvals.diff.hunks import read_unified
from approvals.diff.source import Source
from approvals.diff.structure import ADD, CONTEXT, DELETE, DIVIDER, NOTE, OTHER, Hunk

_NUMBER = rb"(?:0(?=\d))*+(\d{1,18})"
_COMMAND = re.compile(rb"(?:%b)?(?:,%b)?([acdis])(?:%b)?(?:,%b)?" % ((_NUMBER,) * 4))


def read_plain(source: Source, section: Section) -> list[Hunk]:
    """Return the hunks of a section as they stand, with a code for each line."""
    hunks = []
    for begin, end in section.hunks:
        lines, bare = source.lines[begin:end], section.lines[begin:end]
        if section.kind == "ed":  # whose text has no comments
            bare = [unindented(line, section.indent, section.nested) for line in lines]
        if section.kind in ("normal", "ed"):
            hunks.append(_commanded(section, begin, lines, bare))
        else:
            hunks.append(_indented(source, section, begin, lines, bare))
    return hunks


def _commanded(section: Section, begin: int, lines: list[bytes], bare: list[bytes]) -> Hunk:
    match = _COMMAND.match(bare[0])
    old_start, last, act, new_start, new_last = match.groups() if match else (None,) * 5
    codes = _normal_codes(bare[1:]) if section.kind == "normal" else _ed_codes(bare[1:])
    old_first, old_end = int(old_start or 0), int(last or old_start or 0)
    old = 0 if act in (b"a", b"i") else old_end - old_first + 1
    new_first = int(new_start) if new_start else None
    return Hunk(
        form="normal" if section.kind == "normal" else "ed",
        line=begin + 1,
        header=lines[0],
        heading="",
        old_start=old_first if old_start else None,
        old_count=old,
        new_start=new_first,
        new_count=codes.count(ADD) if new_last or new_start else None,
        sign_width=2 if section.kind == "normal" else 0,
        raw_lines=tuple(lines[1:]),
        codes=codes,
    )


def _normal_codes(bare: list[bytes]) -> bytes:
    signs = {b"<": DELETE, b">": ADD, b"-": DIVIDER, b"\\": NOTE}
    return bytes(signs.get(line[:1], OTHER) for line in bare)


def _ed_codes(bare: list[bytes]) -> bytes:
    """A dot alone ends the text that a command inserts; what a command deletes is not in the patch."""
    dot = bool(bare) and bare[-1] in (b".\n", b".\r\n")
    return bytes([ADD]) * (len(bare) - dot) + bytes([DIVIDER]) * dot


def _indented(source: Source, section: Section, begin: int, lines: list[bytes], bare: list[bytes]) -> Hunk:
    """Read the hunk as if it were not indented, and keep its lines as they stand."""
    part = Source.of(bare, source)
    reading = (read_unified if section.kind == "unified" else read_context)(part, 0)
    hunk, head = reading.hunk, reading.hunk.header.count(b"\n")
    codes = hunk.codes + bytes([CONTEXT]) * (len(lines) - head - len(hunk.codes))
    # Patch takes off as many columns as stand before the header, or less where a line has less.
    width = hunk.sign_width + min(len(line) - len(rest) for line, rest in zip(lines, bare, strict=True))
    return replace(
        hunk,
        line=begin + 1,
        header=b"".join(lines[:head]),
        raw_lines=tuple(lines[head:]),
        codes=codes[: len(lines) - head],
        sign_width=width,
    )
