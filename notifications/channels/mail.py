"""E-mail by SMTP: one message to one person, as text and HTML, with headers that programs answer and sort by."""

import hashlib
import smtplib
import ssl
from contextlib import suppress
from email.utils import formataddr, parseaddr
from functools import partial

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.utils import timezone
from django.utils.encoding import punycode

from notifications.answers import DELIVERED, Answer, Outcome, Send
from notifications.kinds import COLLECTED
from notifications.mail_parts import parts_of
from notifications.messages import message_of, one_line
from notifications.models import Delivery
from notifications.queries.addressees import why_told, zone_of

NAME_LONGEST = 100


def is_set_up() -> bool:
    """Return whether this install has a mail server."""
    return bool(settings.SMTP_HOST)


def prepare(delivery: Delivery) -> Send | Answer:
    """Return what sends the mail of a delivery, or why there is none to send."""
    if why := _why_none(delivery):
        return Answer(Outcome.NEEDLESS, error=why)
    if not _mailbox(delivery).isascii():
        return Answer(Outcome.REFUSED, error="The name before the @ of the address has letters that SMTP cannot carry.")
    return partial(send, mail_of(delivery))


def mail_of(delivery: Delivery) -> EmailMultiAlternatives:
    """Return the mail of a delivery to a person, as of now."""
    assert delivery.notice is not None
    message = message_of(delivery.notice, why_told(delivery), zone=zone_of(delivery), now=timezone.now())
    parts = parts_of(message)
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    mail = EmailMultiAlternatives(
        _header(parts.subject),
        parts.text,
        formataddr((name or "HITL", address)),
        [formataddr((_header(one_line(delivery.person, NAME_LONGEST)), _mailbox(delivery)))],
        headers=_headers(delivery),
    )
    mail.attach_alternative(parts.html, "text/html")
    return mail


def send(mail: EmailMultiAlternatives) -> Answer:
    """Hand one mail to the server and return what it answered."""
    connection = get_connection()
    try:
        connection.open()
        connection.send_messages([mail])
    except OSError as error:  # smtplib's own errors are among them
        return answer_to(error)
    finally:
        with suppress(OSError):  # the server has the mail, or said that it has not
            connection.close()
    return DELIVERED


def answer_to(error: OSError) -> Answer:
    """Return what becomes of a mail after an error. Only the server's word about this mail ends it: what is wrong with
    the server or our settings is mended within the day or not."""
    retry = Outcome.RETRY
    match error:
        case smtplib.SMTPAuthenticationError():
            return Answer(retry, _status(error.smtp_code), "The mail server refuses SMTP_USER with SMTP_PASSWORD.")
        case smtplib.SMTPRecipientsRefused():
            code, text = next(iter(error.recipients.values()))
            return _by_code(code, text, "The mail server refuses the recipient")
        case smtplib.SMTPSenderRefused():
            return Answer(retry, _status(error.smtp_code), f"The mail server refuses SMTP_FROM: {_said(error)}")
        case smtplib.SMTPDataError():
            return _by_code(error.smtp_code, error.smtp_error, "The mail server refuses the mail")
        case smtplib.SMTPResponseException():
            return Answer(retry, _status(error.smtp_code), f"The mail server answers {_said(error)}")
        case smtplib.SMTPNotSupportedError():
            return Answer(retry, error="The mail server cannot do what SMTP_SECURITY or SMTP_USER asks for.")
        case ssl.SSLError():
            return Answer(retry, error=f"No TLS with the mail server: {one_line(error.reason or error, 150)}")
        case smtplib.SMTPException():
            return Answer(retry, error=f"The mail server broke off: {one_line(error, 150)}")
        case _:
            return Answer(retry, error=f"The mail server cannot be reached: {one_line(error.strerror or error, 150)}")


def _why_none(delivery: Delivery) -> str:
    person = delivery.person
    if not is_set_up():
        return "No mail server is set up: SMTP_HOST."
    if person is None or not person.email:
        return "There is no address to send it to."
    if not person.is_active:
        return "The account is switched off."
    # The address may be what was changed; its owner has not said yet that it is theirs.
    return "The account is held until its owner confirms a change." if person.held_since else ""


def _header(words: str) -> str:
    """Return words that programs show as they are: `=?` would begin an encoded word, which can hold anything."""
    return words.replace("=?", "= ?")


def _mailbox(delivery: Delivery) -> str:
    assert delivery.person is not None
    name, _, domain = delivery.person.email.rpartition("@")
    return f"{name}@{punycode(domain)}"


def _headers(delivery: Delivery) -> dict[str, str]:
    notice, domain = delivery.notice, _domain()
    assert notice is not None
    headers = {
        "Message-ID": f"<{delivery.pk}@{domain}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",  # Exchange looks at this instead
        "List-Id": f"HITL <notices.{domain}>",
        "List-Unsubscribe": f"<{settings.BASE_URL}/accounts/notifications>",
    }
    if notice.kind not in COLLECTED:
        thread = hashlib.sha256(notice.subject.encode()).hexdigest()[:32]
        headers["References"] = f"<{thread}@{domain}>"
    return headers


def _domain() -> str:
    host = punycode(settings.HOST)
    return "hitl.invalid" if ":" in host else host  # an IPv6 address has no place in these headers


def _by_code(code: int, text: bytes | str, what: str) -> Answer:
    outcome = Outcome.REFUSED if 500 <= code < 600 else Outcome.RETRY
    return Answer(outcome, _status(code), f"{what}: {code} {_decoded(text)}")


def _status(code: int) -> int | None:
    return code if code > 0 else None  # -1 is smtplib's own, for what was no answer


def _said(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_decoded(error.smtp_error)}"


def _decoded(text: bytes | str) -> str:
    return one_line(text.decode("utf-8", "replace") if isinstance(text, bytes) else text, 150)
