"""What tests of notices share: an install that has a mail server, and a real one to send to."""

import ssl
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session

PASSWORD = "a password that no sentence may hold"


@pytest.fixture(autouse=True)
def _with_mail_server(mail_server: None) -> None:
    """Queue mails in every test here."""


class Server:
    """A mail server on loopback that keeps what it took, and answers to recipients and data as it is told."""

    def __init__(self) -> None:
        self.took: list[tuple[Envelope, Session]] = []
        self.to: dict[str, str] = {}
        self.to_sender = self.to_data = "250 OK"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answer = self.to.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        if self.to_data.startswith("250"):
            self.took.append((envelope, session))
        return self.to_data

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(bytes(one.original_content), policy=policy.default) for one, _ in self.took]  # type: ignore[arg-type]

    @property
    def recipients(self) -> list[list[str]]:
        return [list(one.rcpt_tos) for one, _ in self.took]


def authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"hitl", PASSWORD.encode()), handled=False)


class OnFreePort(Controller):
    """aiosmtpd's, at a port that the machine chooses."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@pytest.fixture
def serve(settings: Any) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a mail server and lets the product send to it; `implicit` is TLS from the first
    byte, other options are aiosmtpd's."""
    running: list[Controller] = []
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False

    def start(implicit: ssl.SSLContext | None = None, **options: Any) -> Server:
        server = Server()
        controller = OnFreePort(server, hostname="127.0.0.1", port=0, ssl_context=implicit, **options)
        controller.start()
        running.append(controller)
        settings.EMAIL_PORT = controller.port
        return server

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve()
