"""What gunicorn answers by itself, to what is no HTTP: with the headers that every answer has."""

import socket
from typing import Any

PLAIN = b"Content-Type: text/html\r\n"
OURS = (
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"Cache-Control: no-store\r\n"
    b"Content-Security-Policy: default-src 'none'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'\r\n"
    b"Cross-Origin-Resource-Policy: same-origin\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
)


class Refusing:
    """A connection on which such an answer is sent: gunicorn writes it with one header for what it is, and no other."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def sendall(self, data: bytes) -> None:
        """Send the answer with our headers."""
        self.sock.sendall(data.replace(PLAIN, OURS, 1))
