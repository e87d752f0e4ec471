"""Mails as `git am` decodes them before anything of a patch is read: transfer encodings, MIME parts, flowed lines.

Git's reader of mails is no reader of MIME: it looks for words in header lines, takes any line that begins with the
boundary for one, and drops the line after the header of a part. What it does counts here, not what the standards say.

Sources: git-am(1), git-mailsplit(1) and git-mailinfo(1), tried with git 2.39; RFC 2045 (transfer encodings), RFC 2047
(encoded words), RFC 3676 (`format=flowed`).
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from approvals.diff.paths import LONGEST
from approvals.diff.source import BudgetSpent

_FROM = re.compile(rb"^From [^\n]{14,}\n", re.MULTILINE)
_CLOCK = re.compile(rb"\d.\d\d:\d\d(?:\s*([+-]?)0*+(\d{1,18}))?[^:]*", re.DOTALL)
_HEADER = re.compile(rb"(?:>?From [^\n]*|[!-9;-~]*:[^\n]*)(?:\n|\Z)(?:[ \t][^\n]*(?:\n|\Z))*")
_PLAIN = re.compile(rb"utf-?8|us-ascii|ascii", re.IGNORECASE)
# Sets in which a byte below 128 that begins a character is always itself: a line begins a patch before and after. In
# Shift-JIS the C library of GNU has no backslash and no tilde.
_LIKE_ASCII = re.compile(
    rb"iso-?8859-?\d+(?:-[ei])?|(?:windows-|cp)(?:125\d|874|93[26]|949|950)|koi8-[ru]|latin-?\d|tis-?620|gb-?2312|gbk"
    rb"|gb18030|big5(?:-hkscs)?|euc-?(?:jp|kr|tw|cn)|ks_c_5601-1987|macintosh",
    re.IGNORECASE,
)
_BREAK = re.compile(rb"^(?:diff -|Index: |--- (?=\S)|---\s*\n)", re.MULTILINE)
_WORD = re.compile(rb"=\?[^?\s]+\?([bq])\?(.*?)\?=", re.IGNORECASE)
_MERCURIAL = re.compile(rb"# HG changeset patch\r?\n(?:# [^\n]*\n)*+")
_MERCURIAL_HEAD = re.compile(rb"^# (?:User|Date) ", re.MULTILINE)
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_SIGNATURE = re.compile(rb"(?m)(^-- (?:\r?\n|\Z))")
_STUFFED = re.compile(rb"(?m)^ ")
_FLOWED = re.compile(rb" (?:\r?\n|\Z)")
_EVEN = re.compile(
    rb"(?:(?:[A-Za-z0-9+/]{4})*\r?\n)*(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?[\r\n]*"
)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_ESCAPE = re.compile(rb"=(?:([0-9A-Fa-f]{2})|\r?\n|\Z)")
_MOST_PIECES = 200_000  # odd lines or escapes that are decoded one by one
_MOST_JOINED = 200_000_000  # bytes of flowed lines that are copied because another is joined to them
_MOST_BOUNDARIES = 5
_BLANKS = b" \t\r\n"  # what git takes for blank: a form feed before the first line makes a text of a mail


@dataclass(frozen=True, slots=True)
class DecodedMail:
    """The text `git am` works on, each mail with its own head, and what was undone to get it.

    `unsure` names what git may read otherwise than it is read here, a character set or the like; '' where nothing is.
    """

    data: bytes
    encodings: tuple[str, ...]
    unsure: str = ""


@dataclass(slots=True)
class _State:
    """What the header lines of a mail and of its parts have said so far."""

    used: dict[str, None]
    unsure: dict[str, None]
    boundaries: list[bytes] = field(default_factory=list)
    transfer: str = ""
    flowed: bool = False
    drops_blank: bool = False
    charset: bytes = b""
    in_patch: bool = False

    def take(self, head: bytes) -> None:
        """Take the header lines of a mail or of a part."""
        for line in _HEADER.findall(head):
            name, _, value = line.partition(b":")
            if name.lower() not in (b"content-type", b"content-transfer-encoding"):
                continue
            first, *more = value.split(b"\n")
            value = b" ".join([first.rstrip(), *(part[1:].rstrip() for part in more)]).strip()
            if b"=?" in value:  # git converts such words, and joins two of them
                self.unsure["encoded words in its header"] = None
            value = _WORD.sub(_word, value)
            if name.lower() == b"content-type":
                self._take_type(value)
            else:
                lower = value.lower()
                found = (word for word in ("base64", "quoted-printable") if word.encode() in lower)
                self.transfer = next(found, "")

    def _take_type(self, value: bytes) -> None:
        self.flowed = (_attribute(value, b"format") or b"").lower() == b"flowed"
        self.drops_blank = (_attribute(value, b"delsp") or b"").lower() == b"yes"
        boundary = _attribute(value, b"boundary")
        if boundary is not None and len(self.boundaries) < _MOST_BOUNDARIES:
            self.boundaries.append(b"--" + boundary)
        self.charset = _attribute(value, b"charset") or b""


def decoded_mail(data: bytes) -> DecodedMail | None:
    """Return the decoded text; None where the patch is no mail or says the same without decoding."""
    if b"content-t" not in data.lower():  # Content-Type, Content-Transfer-Encoding
        return None
    used: dict[str, None] = {}
    unsure: dict[str, None] = {}
    if mercurial := _MERCURIAL.match(data):  # git am makes a mail of it
        if _MERCURIAL_HEAD.search(mercurial[0]):
            return None
        whole = mercurial[0] + _decoded(data[mercurial.end() :], used, unsure)
    else:
        whole = b"".join(_decoded(mail, used, unsure) for mail in _mails(data))
    decoded = bool(used) and whole != data
    return DecodedMail(whole, tuple(used), ", ".join(unsure)) if decoded or unsure else None


def without_head(mail: bytes) -> bytes:
    """Return what follows the header lines of a mail."""
    return mail[_after_head(mail, len(mail) - len(mail.lstrip(_BLANKS))) :]


def _mails(data: bytes) -> list[bytes]:
    """Split an mbox at its `From ` lines; text that does not begin with one is a single mail."""
    starts = [match.start() for match in _FROM.finditer(data) if _is_from(match[0])]
    if not starts or data[: starts[0]].strip(_BLANKS):
        return [data]
    return [data[begin:end] for begin, end in zip([0, *starts[1:]], [*starts[1:], len(data)], strict=True)]


def _is_from(line: bytes) -> bool:
    """Tell whether git takes a line for the beginning of a mail: a clock in it, and then a year after 1990."""
    colon = line.rfind(b":", 5, len(line) - 2)
    clock = _CLOCK.fullmatch(line, max(0, colon - 4)) if colon >= 9 else None
    return clock is not None and clock[1] != b"-" and int(clock[2] or 0) > 90


def _decoded(mail: bytes, used: dict[str, None], unsure: dict[str, None]) -> bytes:
    start = len(mail) - len(mail.lstrip(_BLANKS))
    end = _after_head(mail, start)
    head = mail[start:end]
    state = _State(used, unsure)
    state.take(head)
    if not (state.boundaries or state.transfer or state.flowed or state.charset):
        return mail
    if b"\0" in mail:  # git ends some lines there, and joins them to the next
        unsure["NUL bytes"] = None
    gap = b"\n" if state.boundaries else b""
    return mail[:end] + gap + b"".join(_body(mail, end, state))


def _after_head(text: bytes, at: int) -> int:
    """Return where the header lines end that begin at a position."""
    while match := _HEADER.match(text, at):
        at = match.end()
    return at


def _body(text: bytes, at: int, state: _State) -> Iterator[bytes]:
    """Return what git reads of a body, part by part."""
    if state.boundaries:
        at = _boundary(text, _next_line(text, at), state.boundaries[-1])
        state.used["multipart"] = None
    while at < len(text):
        first = at
        if state.boundaries and text.startswith(state.boundaries[-1], at):
            while text.startswith(state.boundaries[-1] + b"--", at):
                state.boundaries.pop()
                yield b"\n"
                if not state.boundaries:
                    return
                at = _boundary(text, _next_line(text, at), state.boundaries[-1])
                if at >= len(text):
                    return
            state.transfer, state.charset = "", b""
            begin = _next_line(text, at)
            end = _after_head(text, begin)
            state.take(text[begin:end])
            first = _next_line(text, end)  # the line after the header is taken for empty
        at = _boundary(text, _next_line(text, first), state.boundaries[-1]) if state.boundaries else len(text)
        yield _converted(_part(text[first:at], state), state)


def _next_line(text: bytes, at: int) -> int:
    return text.find(b"\n", at) + 1 or len(text)


def _boundary(text: bytes, at: int, boundary: bytes) -> int:
    """Return where the next line begins with a boundary; the end of the text where none does."""
    if text.startswith(boundary, at) and (at == 0 or text[at - 1 : at] == b"\n"):
        return at
    found = text.find(b"\n" + boundary, max(0, at - 1))
    return len(text) if found < 0 else found + 1


def _part(text: bytes, state: _State) -> bytes:
    decode = _base64 if state.transfer == "base64" else _quoted
    if state.transfer:
        state.used[state.transfer] = None
    plain = decode(text) if state.transfer else text
    if not state.flowed:
        return plain
    if state.transfer:
        _allow(text.count(b"\n"))
        joined = b"".join(_joined_encoded(map(decode, _LINE.findall(text)), state.drops_blank))
    else:
        joined = unflowed(text, state.drops_blank)
    if joined != plain:
        state.used["format=flowed"] = None
    return joined


def _allow(pieces: int) -> None:
    if pieces > _MOST_PIECES:
        raise BudgetSpent


def _base64(text: bytes) -> bytes:
    """Decode line by line: git begins anew in each and passes over all that is no digit."""
    if _EVEN.fullmatch(text):
        return binascii.a2b_base64(text)
    _allow(text.count(b"\n"))
    return b"".join(_digits(_NOT_BASE64.sub(b"", line)) for line in text.split(b"\n"))


def _digits(digits: bytes) -> bytes:
    whole = len(digits) * 6 // 8
    return binascii.a2b_base64(digits + b"A" * (-len(digits) % 4))[:whole]


def _quoted(text: bytes) -> bytes:
    _allow(text.count(b"="))
    return _ESCAPE.sub(lambda match: binascii.unhexlify(match[1]) if match[1] else b"", text)


def _word(match: re.Match[bytes]) -> bytes:
    """Return an encoded word of a header line decoded."""
    return _digits(_NOT_BASE64.sub(b"", match[2])) if match[1] in b"bB" else _quoted(match[2].replace(b"_", b" "))


def _attribute(value: bytes, name: bytes) -> bytes | None:
    """Return what stands after the first `name=`, wherever it is."""
    found = value.lower().find(name + b"=")
    if found < 0:
        return None
    rest = value[found + len(name) + 1 :]
    return rest[1:].partition(b'"')[0] if rest.startswith(b'"') else re.split(rb"[; \t]", rest, maxsplit=1)[0]


def _converted(text: bytes, state: _State) -> bytes:
    """Return a part with its line that begins the patch in UTF-8: git converts the message, and that line with it."""
    if state.in_patch:
        return text
    plain = not state.charset or _PLAIN.fullmatch(state.charset)
    name = state.charset.decode("latin-1").replace("\0", "\ufffd")[:40]
    if not plain and not _LIKE_ASCII.fullmatch(state.charset):
        state.unsure[f"character set {name}"] = None
    found = _BREAK.search(text)
    if found is None:
        return text
    state.in_patch = True
    if plain:
        return text
    end = _next_line(text, found.start())
    line = text[found.start() : end]
    if len(line) > 4 * LONGEST:
        raise BudgetSpent
    try:
        converted = line.decode(state.charset.decode("ascii", "replace")).encode()
    except (LookupError, ValueError):  # git refuses the mail, or knows a set that is not known here
        state.unsure[f"character set {name}"] = None
        return text
    if converted == line:
        return text
    state.used[f"character set {name}"] = None
    return text[: found.start()] + converted + text[end:]


def unflowed(body: bytes, drops_blank: bool) -> bytes:
    """Return flowed text as git am reads it: a blank before a line was put there, and a line that ends with one goes on
    in the next, in the line of a signature too, which itself stays as it is."""
    blank = b"" if drops_blank else b" "
    return b"".join(
        part if _SIGNATURE.fullmatch(part) else _FLOWED.sub(blank, _STUFFED.sub(b"", part))
        for part in _SIGNATURE.split(body)
    )


def _joined_encoded(pieces: Iterator[bytes], drops_blank: bool) -> Iterator[bytes]:
    """Join flowed lines that were encoded: git puts what is left of the last encoded line before the next one, and then
    looks for a blank at its beginning and end."""
    kept = b""
    joined = 0
    for piece in pieces:
        joined += len(kept)
        if joined > _MOST_JOINED:
            raise BudgetSpent
        lines, kept = _LINE.findall(kept + piece), b""
        for line in lines:
            if not line.endswith(b"\n"):
                kept += line
                break
            bare = line[:-2] if line.endswith(b"\r\n") else line[:-1]
            if bare == b"-- ":
                yield kept + line
                kept = b""
                continue
            start = bare.startswith(b" ")
            if bare[start:].endswith(b" "):
                kept += bare[start : len(bare) - drops_blank]
            else:
                yield kept + line[start:]
                kept = b""
    yield kept
