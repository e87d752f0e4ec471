"""Signed webhooks, by Standard Webhooks (https://www.standardwebhooks.com): id, time and signatures in headers."""

import hashlib
import hmac
import time
from base64 import b64decode, b64encode
from functools import partial
from secrets import token_bytes

from notifications import outbound
from notifications.answers import Answer, Send
from notifications.formats import FORMATS
from notifications.models import Delivery
from notifications.secrets import WEBHOOKS, decrypt

PREFIX = "whsec_"


def new_secret() -> str:
    """Return a secret as receivers enter it: 32 random bytes in base64 of the standard alphabet, which all libraries of
    Standard Webhooks read alike."""
    return PREFIX + b64encode(token_bytes(32)).decode()


def prepare(delivery: Delivery) -> Send:
    """Return what sends a delivery to its endpoint. Raise InvalidToken where SECRET_KEY does not read its secrets."""
    endpoint = delivery.endpoint
    assert endpoint is not None
    keys = [b64decode(decrypt(secret, WEBHOOKS).removeprefix(PREFIX)) for secret in endpoint.secrets]
    chosen = FORMATS[endpoint.format]
    url, body = chosen.address(endpoint.url, delivery.payload), delivery.payload.encode()
    more = {"X-Webhook-Signature": hmac.new(keys[0], body, hashlib.sha256).hexdigest()} if chosen.is_hex_signed else {}
    return partial(_send, url, body, str(delivery.pk), keys, more)


def _send(url: str, body: bytes, message: str, keys: list[bytes], more: dict[str, str]) -> Answer:
    headers = {"Content-Type": "application/json", **signed(message, int(time.time()), body, keys), **more}
    return outbound.post(url, body, headers)


def signed(message: str, at: int, body: bytes, keys: list[bytes]) -> dict[str, str]:
    """Return the three headers of a message, with a signature by each key; `at` is in seconds."""
    text = f"{message}.{at}.".encode() + body
    signatures = [f"v1,{b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()}" for key in keys]
    return {"webhook-id": message, "webhook-timestamp": str(at), "webhook-signature": " ".join(signatures)}
