"""What is odd about a patch as a whole: an encoded mail, colours, UTF-16, words that stand for a change it lacks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from approvals.diff.git_apply import read_as_git
from approvals.diff.gnu_patch import read_as_patch
from approvals.diff.notices import Notices, shortened
from approvals.diff.paths import shown
from approvals.diff.source import Source
from approvals.diff.structure import Diff, File, Text, without_ending

_COLOUR = re.compile(rb"(?:\x1b\[[0-9;]*m)+(?:diff |--- |\+\+\+ |@@ |[-+])")
_AUTHORS = (b"from:", b"from ", b"author:", b"# user ")  # git am needs one
_VERSION = re.compile(rb"^[ \tX]*Prereq:[^\n]*\S", re.MULTILINE)
_SUBMODULE = re.compile(rb"Submodule (.{1,400}?) (?:[0-9a-f]{7,64}(?:\.{2,3}[0-9a-f]{7,64})?|contains )")
_WORDS = re.compile(rb"\[-.{1,400}?-\]|\{\+.{1,400}?\+\}")
_OUTSIDE = re.compile(rb"[^-+ @\\]")  # the sign of a line that is none of a hunk
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def oddities(source: Source, has_files: bool) -> Iterator[tuple[str, str, str | None, int]]:
    """Say what stands in the way of reading the patch, as code, sentence, None and line counted from 1."""
    lines = source.lines
    if lines and lines[0].startswith(_UTF16):
        words = "The patch is written in UTF-16 (PowerShell's '>' does that): no tool reads it as a diff."
        yield "utf-16", words, None, 1
    coloured = word_diff = False
    for number, place in enumerate(match.start() for match in _OUTSIDE.finditer(source.signs)):
        if not number & 0xFFF:
            source.check_budget()
        line = lines[place]
        if line.startswith(b"\x1b[") and not coloured and _COLOUR.match(line[:200]):
            coloured = True
            words = "The patch has terminal colours in it (git's color.ui=always): no tool reads such lines as a diff."
            yield "colours", words, None, place + 1
        elif line.startswith(b"Submodule ") and (match := _SUBMODULE.match(line[:600])):
            name = shortened(shown(match[1]))
            words = f"The submodule {name} moves (git's diff.submodule=log), and the patch does not carry it."
            yield "submodule-log", words, None, place + 1
        elif has_files and not word_diff and _WORDS.search(line[:2000]):
            word_diff = True
            words = "Lines are marked word by word (git diff --word-diff): no tool applies such a hunk."
            yield "word-diff", words, None, place + 1


def about_words(chunks: Sequence[Text | File]) -> Iterator[tuple[str, str, str | None, int]]:
    """Say where GNU patch obeys a word about versions, and what git am does to the line endings of a mail."""
    for chunk in chunks:
        data = b"".join(chunk.header_lines) if isinstance(chunk, File) else chunk.to_bytes()
        if b"Prereq:" in data and (found := _VERSION.search(data)):
            words = (
                "GNU patch asks, or stops, where the file does not have the word after Prereq: in it; git passes over."
            )
            yield "version-word", words, None, chunk.line + data.count(b"\n", 0, found.start())
    first = next((chunk.to_bytes() for chunk in chunks[:1] if isinstance(chunk, Text)), b"")
    mail = any(isinstance(chunk, Text) and chunk.kind == "mail" for chunk in chunks) or _names_author(first)
    ends = (raw for chunk in chunks if isinstance(chunk, File) for hunk in chunk.hunks for raw in hunk.raw_lines)
    if mail and any(raw.endswith(b"\r\n") for raw in ends):
        yield "mail-crlf", "git am takes the CR off the lines of a mail; git apply and GNU patch keep it.", None, 1


def _names_author(words: bytes) -> bool:
    lower = b"\n" + words.lower()
    return any(b"\n" + name in lower for name in _AUTHORS)


def as_sent(diff: Diff, sent: Source, plain: Diff, encodings: Sequence[str], notices: Notices) -> Diff:
    """Return the diff of a decoded mail with the mail as it came, and say what tools make of that one that do not
    decode: they read `plain`, which is the diff itself where they read the same changes."""
    how = " and ".join(encodings)
    words = f"This mail is encoded ({how}); it is shown as git am decodes it. The mail as sent stands at the end."
    if plain is not diff:
        words += " GNU patch and git apply do not decode: they read other lines in it, or none."
    if hidden := sorted({file.path for file in plain.files} - {file.path for file in diff.files}):
        words += f" They change {shortened(', '.join(hidden))}, which is not shown."
    notices.add("encoded-mail" if plain is diff else "encoded-differs", words, None, 1)
    whole = Text("sent", 1, tuple(sent.lines))
    warnings, beyond = notices.close()
    return replace(diff, warnings=warnings, codes=notices.codes, sent=whole, beyond=beyond)


def changes(source: Source) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of all changes that GNU patch and git apply find, their headers too, without line endings."""
    patch = [(section.header, section.end) for section in read_as_patch(source).sections]
    git = [(file.start, file.end) for file in read_as_git(source).files]
    by_patch, by_git = ([without_ending(line) for a, b in runs for line in source.lines[a:b]] for runs in (patch, git))
    return by_patch, by_git
