"""The LISTEN connections of web and worker take every option of DATABASE_URL, TLS above all."""

import socket
import ssl
import struct
import threading
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import connection
from django.utils import timezone

from approvals import live, sequencer
from hitl.database_settings import database_entry as database

SSL_REQUEST = 80877103  # PostgreSQL's protocol, "SSLRequest"


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate for `localhost` that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), timezone.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_file = directory / f"{name}.pem", directory / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, key_file


class Server:
    """Speaks PostgreSQL's protocol up to the first words of a session, and remembers whether they came through TLS."""

    def __init__(self, pem: Path, key: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return  # closed
            with plain:
                self._answer(plain)

    def _answer(self, plain: socket.socket) -> None:
        length, code = struct.unpack("!ii", plain.recv(8))
        if code != SSL_REQUEST:
            self.heard.put(f"in the clear: {plain.recv(length)!r}")
            return
        plain.sendall(b"S")
        try:
            with self.context.wrap_socket(plain, server_side=True) as tls:
                self.heard.put(f"through TLS: {tls.recv(1000)!r}")
        except (OSError, ssl.SSLError):
            self.heard.put("refused our certificate")


@pytest.fixture
def server(tmp_path: Path):
    made = Server(*certificate(tmp_path, "ours"))
    yield made
    made.listener.close()


def point_at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in database(url).items():
        monkeypatch.setitem(connection.settings_dict, name, value)


@pytest.mark.parametrize("connect", ["live", "sequencer"])
@pytest.mark.parametrize(
    ("root", "heard"), [("ours", "through TLS"), ("another", "refused our certificate")], ids=["trusted", "not trusted"]
)
def test_a_listening_connection_verifies_the_server_as_the_url_says(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect: str, root: str, heard: str
) -> None:
    certificate(tmp_path, "another")
    url = f"postgresql://u:p@localhost:{server.port}/d?hostaddr=127.0.0.1&sslmode=verify-full&gssencmode=disable"
    point_at(monkeypatch, f"{url}&sslrootcert={tmp_path / root}.pem")
    listen = {"live": lambda: psycopg.connect(**live.connection_parameters()), "sequencer": sequencer.connect}
    with pytest.raises(psycopg.OperationalError):
        listen[connect]()
    assert server.heard.get(timeout=30).startswith(heard)


def test_all_that_the_url_says_reaches_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {
        "sslmode": "verify-full",
        "sslrootcert": "/etc/ca.pem",
        "sslcert": "/etc/hitl.pem",
        "sslkey": "/etc/hitl.key",
        "channel_binding": "require",
        "target_session_attrs": "read-write",
        "application_name": "gate",
        "tcp_user_timeout": "9000",
    }
    query = "&".join(f"{name}={value}" for name, value in said.items())
    point_at(monkeypatch, f"postgresql://u:p%40@h:5433/d?{query}&options=-c%20work_mem%3D8MB")
    given = live.connection_parameters()
    assert said.items() <= given.items()
    assert (given["user"], given["password"], given["host"], given["port"], given["dbname"]) == (
        "u",
        "p@",
        "h",
        "5433",
        "d",
    )
    assert "-c work_mem=8MB" in given["options"]
    psycopg.conninfo.make_conninfo(**given)  # libpq knows each of them
