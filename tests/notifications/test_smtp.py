"""What becomes of a mail where the server or the way to it says no: tried again, given up, never sent in the open."""

import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone

from notifications.channels import mail
from notifications.models import Delivery
from notifications.services import deliveries
from tests.notifications.conftest import PASSWORD, Server, authenticated
from tests.notifications.told import told

pytestmark = pytest.mark.django_db
ALICE = "alice@example.org"
Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine's, with its key in the same file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(here, False).add_extension(x509.BasicConstraints(True, None), True)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + secret)
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def waits(delivery: Delivery) -> bool:
    """Tell whether a delivery failed once and will be tried again."""
    return (delivery.state, delivery.attempts) == ("pending", 1) and delivery.due_at > timezone.now()


@pytest.mark.parametrize(
    ("answers", "code", "state", "error"),
    [
        ({"rcpt": "450 4.2.0 Greylisted"}, 450, "pending", "refuses the recipient: 450 4.2.0 Greylisted"),
        ({"rcpt": "421 Closing"}, 421, "pending", "refuses the recipient: 421 Closing"),
        ({"rcpt": "550 5.1.1 Unknown"}, 550, "dead", "refuses the recipient: 550 5.1.1 Unknown"),
        ({"data": "451 Try later"}, 451, "pending", "refuses the mail: 451 Try later"),
        ({"data": "554 5.7.1 Looks bad"}, 554, "dead", "refuses the mail: 554 5.7.1 Looks bad"),
        ({"sender": "553 Not your address"}, 553, "pending", "refuses SMTP_FROM: 553 Not your address"),
        ({"sender": "530 Sign in first"}, 530, "pending", "refuses SMTP_FROM: 530 Sign in first"),
        ({"sender": "451 Later"}, 451, "pending", "refuses SMTP_FROM: 451 Later"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_the_servers_word_on_a_mail_decides_whether_it_is_tried_again(
    server: Server, alice: Any, answers: dict[str, str], code: int, state: str, error: str
) -> None:
    server.to[ALICE] = answers.get("rcpt", "250 OK")
    server.to_data, server.to_sender = answers.get("data", "250 OK"), answers.get("sender", "250 OK")
    delivery = told(alice)
    assert (delivery.state, delivery.last_status) == (state, code)
    assert delivery.last_error == f"The mail server {error}"
    assert server.took == []
    if state == "pending":
        server.to[ALICE] = server.to_data = server.to_sender = "250 OK"
        deliveries.deliver_due(delivery.due_at)
        assert server.recipients == [[ALICE]]


def test_a_server_that_is_away_is_waited_for(serve: Serve, alice: Any, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as away:
        settings.EMAIL_PORT = away.getsockname()[1]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    delivery = told(alice)
    assert waits(delivery)
    assert delivery.last_error == "The mail server cannot be reached: Connection refused"
    server = serve()
    deliveries.deliver_due(delivery.due_at)
    assert server.recipients == [[ALICE]]


def test_a_server_that_says_nothing_holds_a_worker_for_its_time_limit_only(
    serve: Serve,
    alice: Any,
    settings: Any,  # `serve` for its settings
) -> None:
    assert settings.EMAIL_TIMEOUT == 10
    settings.EMAIL_TIMEOUT = 0.1
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_PORT = silent.getsockname()[1]
        delivery = told(alice)
    assert waits(delivery)
    assert delivery.last_error == "The mail server broke off: Connection unexpectedly closed: timed out"


def test_what_went_out_by_starttls_was_encrypted_and_signed_in(
    serve: Serve, tls: ssl.SSLContext, trusted: None, alice: Any, settings: Any
) -> None:
    server = serve(tls_context=tls, require_starttls=True, authenticator=authenticated, auth_required=True)
    settings.EMAIL_USE_TLS, settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = True, "hitl", PASSWORD
    assert told(alice).state == "delivered"
    [(_, session)] = server.took
    assert session.ssl is not None
    assert session.authenticated


def test_tls_from_the_first_byte_works_too(
    serve: Serve, tls: ssl.SSLContext, trusted: None, alice: Any, settings: Any
) -> None:
    server = serve(implicit=tls)
    settings.EMAIL_USE_SSL = True
    assert told(alice).state == "delivered"
    assert server.recipients == [[ALICE]]


def test_a_server_that_nobody_vouches_for_gets_nothing(
    serve: Serve, tls: ssl.SSLContext, alice: Any, settings: Any
) -> None:
    server = serve(tls_context=tls, authenticator=authenticated)
    settings.EMAIL_USE_TLS, settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = True, "hitl", PASSWORD
    delivery = told(alice)
    assert waits(delivery)
    assert delivery.last_error == "No TLS with the mail server: CERTIFICATE_VERIFY_FAILED"
    assert server.took == []


def test_without_starttls_nothing_goes_out_in_the_open(serve: Serve, alice: Any, settings: Any) -> None:
    server = serve(authenticator=authenticated, auth_require_tls=False)
    settings.EMAIL_USE_TLS, settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = True, "hitl", PASSWORD
    delivery = told(alice)
    assert waits(delivery)
    assert delivery.last_error == "The mail server cannot do what SMTP_SECURITY or SMTP_USER asks for."
    assert server.took == []


def test_a_wrong_password_is_said_without_it_and_tried_again_once_it_is_right(
    serve: Serve, alice: Any, settings: Any
) -> None:
    server = serve(authenticator=authenticated, auth_require_tls=False)
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "hitl", f"not {PASSWORD}"
    delivery = told(alice)
    assert waits(delivery)
    assert (delivery.last_status, delivery.last_error) == (535, "The mail server refuses SMTP_USER with SMTP_PASSWORD.")
    settings.EMAIL_HOST_PASSWORD = PASSWORD
    deliveries.deliver_due(delivery.due_at)
    assert server.recipients == [[ALICE]]


@pytest.mark.parametrize("error", [TimeoutError("timed out"), smtplib.SMTPResponseException(500, b"what?")])
def test_a_server_that_took_the_mail_and_says_no_good_bye_has_it(
    server: Server, alice: Any, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def quit_badly(self: smtplib.SMTP) -> None:
        self.close()
        raise error

    monkeypatch.setattr(smtplib.SMTP, "quit", quit_badly)
    assert told(alice).state == "delivered"
    assert len(server.took) == 1


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (smtplib.SMTPServerDisconnected("Connection unexpectedly closed"), (None, "The mail server broke off: ")),
        (smtplib.SMTPConnectError(554, b"No service\r\n for \x1byou"), (554, "The mail server answers 554 No service")),
        (smtplib.SMTPAuthenticationError(-1, b""), (None, "The mail server refuses SMTP_USER")),
        (smtplib.SMTPConnectError(-1, b""), (None, "The mail server answers -1")),
        (smtplib.SMTPHeloError(501, b"Bad name"), (501, "The mail server answers 501 Bad name")),
        (smtplib.SMTPException("No suitable authentication method found."), (None, "The mail server broke off: No s")),
        (socket.gaierror(-2, "Name or service not known"), (None, "The mail server cannot be reached: Name or")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_trouble_on_the_way_is_tried_again_and_named_in_a_line(error: OSError, answer: tuple[int | None, str]) -> None:
    said = mail.answer_to(error)
    assert said.outcome.value == "retry"
    assert said.status == answer[0]
    assert said.error.startswith(answer[1])
    assert said.error.isprintable()
