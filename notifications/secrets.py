"""Secrets at rest: encrypted under SECRET_KEY, each purpose under a key of its own."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

SECOND_FACTORS = b"hitl second factors"
WEBHOOKS = b"hitl webhooks"


def encrypt(text: str, purpose: bytes) -> str:
    """Return a secret as it is stored."""
    return _cipher(purpose).encrypt(text.encode()).decode()


def decrypt(encrypted: str, purpose: bytes) -> str:
    """Return a stored secret. Raise InvalidToken where neither SECRET_KEY nor a fallback reads it."""
    return _cipher(purpose).decrypt(encrypted.encode()).decode()


def renewed(encrypted: str, purpose: bytes) -> str:
    """Return a stored secret encrypted under the present SECRET_KEY; raise as `decrypt` does."""
    return _cipher(purpose).rotate(encrypted.encode()).decode()


def is_readable(encrypted: str, purpose: bytes) -> bool:
    """Return whether this process reads a stored secret."""
    try:
        decrypt(encrypted, purpose)
    except InvalidToken:
        return False
    return True


def _cipher(purpose: bytes) -> MultiFernet:
    """Return the cipher whose key comes from SECRET_KEY (HKDF, RFC 5869): a copy of the database gives no secret."""
    return MultiFernet([_fernet(key, purpose) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _fernet(secret_key: str, purpose: bytes) -> Fernet:
    key = HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))
