"""Reads a patch in any format people send. It never refuses, never raises, loses no byte, and judges nothing."""

import codecs
import re
from itertools import chain

from approvals.diff.agreement import disagreements
from approvals.diff.combined_hunks import is_combined_header, read_combined
from approvals.diff.context_hunks import is_context_header, is_next_context_header, read_context
from approvals.diff.doubts import STRAY_HEADERS
from approvals.diff.files import finish
from approvals.diff.git_apply import read_as_git
from approvals.diff.gnu_patch import GIT_LINES, Section, read_as_patch
from approvals.diff.headers import (
    Draft,
    is_binary_note,
    read_binary,
    read_git_header,
    read_names,
    starts_names,
    take_header,
)
from approvals.diff.hunks import HunkReading, is_footer, is_hunk_header, read_unified
from approvals.diff.mail import decoded_mail
from approvals.diff.notices import Notices, counted, shortened
from approvals.diff.oddities import about_words, as_sent, changes, oddities
from approvals.diff.paths import shown, shown_prefix, split_stamp
from approvals.diff.plain_hunks import read_plain
from approvals.diff.source import BudgetSpent, Source
from approvals.diff.structure import Diff, File, Text, TextKind, without_ending

_INTRODUCTIONS = (b"Index: ", b"=====", b"RCS file: ", b"retrieving revision ", b"diff ")
_GIT_HEADERS = (b"diff --git ", b"diff --cc ", b"diff --combined ")
_MAIL_START = re.compile(rb"From [0-9a-f]{7,64} ")
_MAIL_HEADER = re.compile(rb"(?:From|Subject|Date|Message-I[Dd]|Return-Path|Received): ")


def parse(data: bytes, *, budget_seconds: float = 1.5) -> Diff:
    """Return the structure of a patch; `to_bytes()` of it is `data` again, whatever the data.

    When reading takes longer than `budget_seconds`, the result has no files, `parsed` is False and a warning says so.
    """
    notices = Notices()
    sent = Source(data, budget_seconds)
    try:
        mail = decoded_mail(data)
        if mail is not None and mail.unsure:
            words = f"git am may read another patch in this mail than is shown here, for its {mail.unsure}."
            notices.add("odd-mail", words, None, 1)
        if mail is None or mail.data == data:
            return _Reader(sent, notices).read()
        decoded = sent.within(mail.data)
        diff = _Reader(decoded, notices).read()
        if changes(sent) == changes(decoded):
            return as_sent(diff, sent, diff, mail.encodings, notices)
        plain = _Reader(sent, Notices()).read()
        if diff.files or not plain.files:
            return as_sent(diff, sent, plain, mail.encodings, notices)
        words = (
            f"This mail is encoded ({' and '.join(mail.encodings)}) and holds no change once git am decoded it. It is"
        )
        notices = Notices()
        notices.add("encoded-differs", f"{words} shown as GNU patch and git apply read it, which do not.", None, 1)
        return _Reader(sent, notices).read()
    except BudgetSpent:
        return unread(data)


def unread(data: bytes) -> Diff:
    """Return a patch whose reading took too long: words without a file, and a warning that says so.

    What took too long when it was judged is shown so afterwards too, however fast the machine is by then.
    """
    notices = Notices()
    words = "Reading took too long: the patch is shown as plain text, no file was recognised."
    notices.add("budget", words, None, 1)
    return Diff((Text("raw", 1, (data,)),), (), notices.close()[0], 0, 0, parsed=False, codes=notices.codes)


class _Reader:
    """One pass over the lines: finished chunks, the file being read, and where text not yet placed began."""

    def __init__(self, source: Source, notices: Notices) -> None:
        self.source = source
        self.notices = notices
        self.chunks: list[Text | File] = []
        self.files: list[File] = []
        self.keys: dict[str, int] = {}
        self.draft: Draft | None = None
        self.text_from = 0  # first line that is in no chunk and no draft yet
        self.header_from: int | None = None  # where `Index:`, `diff -u` and the like began to introduce a file
        self.patch = read_as_patch(source)
        self.starts = {section.start: section for section in self.patch.sections}
        self.hidden = {section.header: section for section in self.patch.sections if section.is_hidden}
        self.git = read_as_git(source)
        self.names: dict[str, frozenset[bytes]] = {}  # for each file, every name its header uses
        self.prefixes = _prefixes(source)

    def read(self) -> Diff:
        """Read everything."""
        position, lines = 0, self.source.lines
        self._set_mark_aside()
        while position < len(lines):
            position = self._step(position)
            self.source.check_budget()
        self._close(len(lines))
        self._warn_about_whole()
        warnings, beyond = self.notices.close()
        return Diff(
            tuple(self.chunks),
            tuple(self.files),
            warnings,
            sum(file.additions for file in self.files),
            sum(file.deletions for file in self.files),
            parsed=True,
            codes=self.notices.codes,
            beyond=beyond,
        )

    def _set_mark_aside(self) -> None:
        """Put a byte order mark before the first line into words of its own: the line behind it may be a header."""
        lines = self.source.lines
        if lines and lines[0].startswith(codecs.BOM_UTF8):
            self.chunks.append(Text("preamble", 1, (codecs.BOM_UTF8,)))
            lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
            words = "The patch begins with a byte order mark: git apply does not see the line behind it, GNU patch may."
            self.notices.add("byte-order-mark", words, None, 1)
            if not lines[0]:
                del lines[0]
            self.source = Source.of(lines, self.source)  # which counts them again

    def _step(self, position: int) -> int:
        """Read what stands at a position, a header, a hunk or a line of text, and return the position after it."""
        if position in self.hidden and not self._hunk_follows(position):
            return self._hidden(self.hidden[position])
        line = self.source.lines[position]
        if line[0] not in b"dI-+*@BFCOGRrPc=":
            return self._text(position)
        if line.startswith(_GIT_HEADERS):
            return self._git_file(position)
        if starts_names(self.source, position):
            return self._named_file(position)
        if line.startswith((b"@@", b"*****")):
            reading = self._hunk(position)
            return self._place(position, reading) if reading else self._text(position)
        if is_binary_note(line) or line.startswith(b"GIT binary patch"):
            return self._binary(position)
        if line.startswith(_INTRODUCTIONS):
            if self.header_from is None or line.startswith((b"Index: ", b"diff ")):
                self.header_from = self._introduced_from(position)
            return position + 1
        return self._text(position)

    def _hunk_follows(self, position: int) -> bool:
        """Tell whether names stand here and a hunk right after them, whatever GNU patch takes it for."""
        if not starts_names(self.source, position):
            return False
        after = position + 1 + self.source.at(position + 1).startswith((b"+++ ", b"--- "))
        return self.source.at(after).startswith(b"@@") or is_context_header(self.source, after)

    def _hidden(self, section: Section) -> int:
        """Show as a file what only GNU patch takes for a change: a normal or ed diff, or an indented one."""
        self.header_from = None
        draft = self._open(section.header)
        before = section.hunks[0][0]  # `start` may be a comment before it
        take_header(self.source.lines[section.header : before], draft)
        for (begin, after), hunk in zip(section.hunks, read_plain(self.source, section), strict=True):
            if begin > before:
                draft.stray(self.source.lines[before:begin])  # comments, which GNU patch passes over
            draft.hunks.append(hunk)
            before = after
        draft.excess = [0] * len(draft.hunks)
        self._name(draft, section)
        self.text_from = end = section.hunks[-1][1]  # patch may stop in a hunk after it
        self._close_file()
        return end

    def _name(self, draft: Draft, section: Section | None) -> None:
        """Take the names GNU patch found for a change that no header stands before."""
        if section is not None and not draft.raw_names():
            draft.source, draft.target = section.names.get("old"), section.names.get("new")
            draft.index_name = section.names.get("index")

    def _introduced_from(self, position: int) -> int:
        """Return where the header begins that a line introduces; `diff -u` after `Index:` belongs to the same file."""
        line = self.source.lines[position]
        if self.header_from is None or line.startswith(b"Index: "):
            return position
        return position if self.source.lines[self.header_from].startswith(b"diff ") else self.header_from

    def _text(self, position: int) -> int:
        """Pass over a line that is no part of a diff. A mail or its footer ends the file before it."""
        line = self.source.lines[position]
        self.header_from = None
        if line[0] in b"F-" and (_MAIL_START.match(line[:80]) or is_footer(self.source, position)):
            self._close_file()
        elif line.startswith(self._stray_headers()):
            words = "A line of a git header stands apart from its file: GNU patch may take it for the next change."
            self.notices.add("stray-header", words, None, position + 1)
        elif line.startswith(b"\\"):
            self.notices.add("note-place", "A line that begins with a backslash follows a hunk.", None, position + 1)
        elif line.startswith(b"Only in "):
            words = "A file is said to exist on one side only; its content is not here."
            self.notices.add("only-in", words, None, position + 1)
        elif line.startswith(b"Property changes on: "):
            name = shortened(shown(without_ending(line)[21:]))
            words = f"Subversion properties of {name} change (mode, link or others)."
            self.notices.add("property", words, None, position + 1)
        return position + 1

    def _stray_headers(self) -> tuple[bytes, ...]:
        """Return how lines begin that GNU patch would take for the header of the file before them; `index` changes
        nothing behind a hunk."""
        before = self.draft or next((file for file in self.files[-1:] if file.hunks or file.header_lines), None)
        if before is None:
            return ()
        return STRAY_HEADERS if before.hunks else GIT_LINES

    def _open(self, position: int) -> Draft:
        """Begin a file whose own header stands at `position`, taking the lines that introduce it."""
        start = position if self.header_from is None else self.header_from
        self._close(start)
        introduction = self.source.lines[start:position]
        self.draft = Draft(start, introduction, prefixes=self.prefixes)
        if introduction and introduction[0].startswith(b"Index: "):
            self.draft.index_name = split_stamp(without_ending(introduction[0])[7:])[0]
        self.header_from = None
        return self.draft

    def _git_file(self, position: int) -> int:
        draft = self._open(position)
        position = read_git_header(self.source, position, draft)
        if self.source.at(position).startswith((b"--- ", b"+++ ")):
            position = read_names(self.source, position, draft)
        self.text_from = position = read_binary(self.source, position, draft)
        return position

    def _named_file(self, position: int) -> int:
        self.text_from = position = read_names(self.source, position, self._open(position))
        return position

    def _binary(self, position: int) -> int:
        """Read a binary section, of the file just introduced or of a new one that the line itself names."""
        if self.source.lines[position].startswith(b"GIT ") and self.header_from is None:
            return self._text(position)
        draft = self._open(position)
        self.text_from = position = read_binary(self.source, position, draft)
        return position

    def _hunk(self, position: int) -> HunkReading | None:
        """Read the hunk that opens here, in whatever form; None where none does."""
        line, hunks = self.source.lines[position], self.draft.hunks if self.draft else []
        follows = self.text_from == position and hunks and hunks[-1].form == "context"
        if is_context_header(self.source, position) or (follows and is_next_context_header(self.source, position)):
            return read_context(self.source, position)
        if is_combined_header(line):
            return read_combined(self.source, position)
        # Without numbers it may be any words with '@@' in front, so it must follow its file at once.
        if is_hunk_header(line) or (line.startswith(b"@@") and self.draft and self.text_from == position):
            return read_unified(self.source, position)
        return None

    def _place(self, position: int, reading: HunkReading) -> int:
        """Give a hunk to the open file, with the text that stands between it and what the file has."""
        draft, section = self.draft, self.starts.get(position)
        elsewhere = section is not None and draft is not None and not section.names_any(draft.raw_names())
        if draft is None or draft.trailer or elsewhere:  # a hunk after a binary section would change places with it
            draft = self._open(position)
            self._name(draft, section)
        elif position > self.text_from:
            self._keep_stray(draft, self.text_from, position)
        draft.hunks.append(reading.hunk)
        draft.excess.append(reading.excess)
        self.text_from, self.header_from = reading.next, None
        return reading.next

    def _keep_stray(self, draft: Draft, start: int, end: int) -> None:
        """Keep lines between a header and its hunk, or between two hunks, where they stood."""
        stray = self.source.lines[start:end]
        if any(line.strip() for line in stray):
            words = f"{counted(len(stray), 'line')} of text stand before a hunk."
            self.notices.add("text-in-file", words, None, start + 1)
        if draft.hunks:
            draft.stray(stray)
        else:
            draft.header.extend(stray)

    def _close_file(self) -> None:
        if self.draft is not None:
            file = finish(self.draft, self.keys, self.notices, self.source)
            self.names[file.key] = frozenset(self.draft.raw_names())
            self.chunks.append(file)
            self.files.append(file)
            self.draft = None

    def _close(self, end: int) -> None:
        """Finish the open file, then the text up to `end`."""
        self._close_file()
        if end > self.text_from:
            raw_lines = tuple(self.source.lines[self.text_from : end])
            kind = self._text_kind(raw_lines)
            if kind == "between":
                words = f"{counted(len(raw_lines), 'line')} of text belong to no file."
                self.notices.add("text-between", words, None, self.text_from + 1)
            self.chunks.append(Text(kind, self.text_from + 1, raw_lines))
        self.text_from = end

    def _text_kind(self, raw_lines: tuple[bytes, ...]) -> TextKind:
        mail = any(_MAIL_START.match(line[:80]) for line in raw_lines if line.startswith(b"From "))
        if not self.files:
            headers = (line for line in raw_lines[:3] if _MAIL_HEADER.match(line[:40]))
            return "mail" if mail or next(headers, None) else "preamble"
        if mail:
            self.notices.add("mail", "Another mail begins inside this patch.", None, self.text_from + 1)
            return "mail"
        start = next((offset for offset, line in enumerate(raw_lines) if line.strip()), None)
        return "footer" if start is None or is_footer(self.source, self.text_from + start) else "between"

    def _warn_about_whole(self) -> None:
        """Say what is odd about the patch as a whole: nothing in it, only words, cut off at the end."""
        lines = self.source.lines
        if not lines:
            self.notices.add("empty", "The patch is empty.", None, None)
        elif not self.files:
            self.notices.add("no-files", "No change to a file was found in this text.", None, 1)
        elif not lines[-1].endswith(b"\n"):
            words = "The last line of the patch has no line ending: it may be cut off."
            self.notices.add("cut-off", words, None, len(lines))
        for code, message, path, line in chain(
            disagreements(self.source, self.files, self.names, self.patch, self.git),
            oddities(self.source, bool(self.files)),
            about_words(self.chunks),
        ):
            self.notices.add(code, message, path, line)
            self.source.check_budget()
        self.source.check_budget()


def _prefixes(source: Source) -> frozenset[bytes]:
    """Return the first folders in which two sides of any file differ, such as `foo-1.0.orig` and `foo-1.0`."""
    found: set[bytes] = set()
    for place in source.dashes:
        if source.lines[place].startswith(b"--- ") and source.at(place + 1).startswith(b"+++ "):
            old, new = (split_stamp(without_ending(source.lines[at])[4:])[0] for at in (place, place + 1))
            found.update(shown_prefix(old, new) or ())
    return frozenset(found)
