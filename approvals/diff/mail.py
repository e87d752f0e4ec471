"""Mails as `git am` decodes them before anything of a patch is read: transfer encodings, MIME parts, flowed lines.

Sources: git-am(1) and git-mailinfo(1); RFC 2045 (transfer encodings), RFC 3676 (`format=flowed`).
"""

import email
import re
from dataclasses import dataclass
from email.message import Message

_MBOX = re.compile(rb"^From \S.* \d{1,2}:\d\d(?::\d\d)? (?:[A-Z+-]\w* )?\d{2,4}[^\n]*\n", re.MULTILINE)
_HEAD = re.compile(rb"\s*(?:From [^\n]*\n)?(?:[!-9;-~]+:[^\n]*\n|[ \t][^\n]*\n)+")
_SIGNATURE = re.compile(rb"(?m)(^-- \r?\n)")
_HINTS = re.compile(rb"quoted-printable|base64|multipart/|format\s*=\s*\"?flowed", re.IGNORECASE)
_WORDS_OF_HINTS = (b"quoted-printable", b"base64", b"multipart/", b"flowed")  # found much faster, in the whole text


@dataclass(frozen=True, slots=True)
class DecodedMail:
    """The text `git am` works on, each mail with its own head, and what was undone to get it."""

    data: bytes
    encodings: tuple[str, ...]


def decoded_mail(data: bytes) -> DecodedMail | None:
    """Return the decoded text; None where the patch is no mail or says the same without decoding."""
    lowered = data.lower()
    if not any(word in lowered for word in _WORDS_OF_HINTS):
        return None
    encodings: dict[str, None] = {}
    whole = b"".join(_decoded(mail, encodings) for mail in _mails(data))
    return DecodedMail(whole, tuple(encodings)) if encodings and whole != data else None


def _mails(data: bytes) -> list[bytes]:
    """Split an mbox at its `From ` lines; text that does not begin with one is a single mail."""
    starts = [match.start() for match in _MBOX.finditer(data)]
    if not starts or data[: starts[0]].strip():
        return [data]
    return [data[begin:end] for begin, end in zip([0, *starts[1:]], [*starts[1:], len(data)], strict=True)]


def _decoded(mail: bytes, encodings: dict[str, None]) -> bytes:
    head = _HEAD.match(mail)
    if head is None or not _HINTS.search(head[0]):
        return mail
    envelope = _MBOX.match(head[0].lstrip())
    text = mail[len(head[0]) - len(head[0].lstrip()) + (envelope.end() if envelope else 0) :]
    try:
        message = email.message_from_bytes(text)
        parts = [part for part in message.walk() if not part.is_multipart()]
    except RecursionError:  # parts within parts, deeper than git follows them
        return mail
    if len(parts) > 1 or message.is_multipart():
        encodings["multipart"] = None
    return head[0] + b"\n" + b"".join(_part(part, encodings) for part in parts)


def _part(part: Message, encodings: dict[str, None]) -> bytes:
    """Return one MIME part decoded; git changes the character set of the message alone, never of the diff."""
    stated = " ".join(str(value) for value in part.get_all("content-transfer-encoding", [])).lower()
    del part["content-transfer-encoding"]  # git decodes no other one, such as uuencode
    for transfer in ("quoted-printable", "base64"):
        if transfer in stated:  # git looks for the word, whatever stands around it
            encodings[transfer] = None
            part["content-transfer-encoding"] = transfer
            break
    payload = part.get_payload(decode=True)
    body = payload if isinstance(payload, bytes) else b""
    if str(part.get_param("format", "") or "").lower() != "flowed":
        return body
    joined = _joined(body, drops_blank=str(part.get_param("delsp", "") or "").lower() == "yes")
    if joined != body:
        encodings["format=flowed"] = None
    return joined


def _joined(body: bytes, drops_blank: bool) -> bytes:
    """Return flowed text as git am reads it: a blank before a line was put there, and a line that ends with one goes on
    in the next, but for the line before a signature."""
    unstuffed = re.sub(rb"(?m)^ ", b"", body)
    return b"".join(_run_on(part, b"" if drops_blank else b" ") for part in _SIGNATURE.split(unstuffed))


def _run_on(part: bytes, blank: bytes) -> bytes:
    """Join the lines of a part without a signature line; its last line stays as it is."""
    if _SIGNATURE.fullmatch(part):
        return part
    last = len(part) - (2 if part.endswith(b"\r\n") else part.endswith(b"\n"))
    return part[:last].replace(b" \r\n", blank).replace(b" \n", blank) + part[last:]
