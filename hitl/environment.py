"""Readers of the environment for `settings`: a value of the right kind, or a sentence that stops the start."""

import os
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


def env(name: str, default: str = "") -> str:
    """Return a setting from NAME or from the file that NAME_FILE points to."""
    path = os.environ.get(f"{name}_FILE")
    if path and name in os.environ:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
    if path:
        try:
            return Path(path).read_text("utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from error
    return os.environ.get(name, default).strip()


def env_as(name: str, default: str, convert: Callable[[str], T], what: str) -> T:
    """Return a converted setting or stop with what it should have been."""
    text = env(name, default)
    try:
        return convert(text)
    except (ValueError, KeyError, InvalidOperation) as error:
        raise ImproperlyConfigured(f"{name} must be {what}, not {text!r}.") from error


def env_int(name: str, default: int, least: int, most: int) -> int:
    def convert(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return env_as(name, str(default), convert, f"a whole number from {least} to {most}")


def env_bool(name: str, default: bool) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    return env_as(name, str(default), lambda text: words[text.lower()], "true or false")


def env_list(name: str, default: str = "") -> list[str]:
    return [item.strip() for item in env(name, default).split(",") if item.strip()]


def env_networks(name: str, default: str = "") -> list[IPv4Network | IPv6Network]:
    return env_as(
        name,
        default,
        lambda text: [ip_network(item.strip()) for item in text.split(",") if item.strip()],
        "addresses or networks such as 10.0.0.0/8, separated by commas",
    )


def env_one_of(name: str, default: str, *allowed: str) -> str:
    return env_as(name, default, {word: word for word in allowed}.__getitem__, f"one of {', '.join(allowed)}")


def origin(text: str) -> str:
    """Return an origin as browsers send it, scheme://host[:port]; raise ValueError for anything else."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
        raise ValueError
    return text


def env_origins(name: str, default: str = "") -> list[str]:
    return env_as(
        name,
        default,
        lambda text: [origin(item.strip()) for item in text.split(",") if item.strip()],
        "origins such as https://hitl.example.org, separated by commas, without a path",
    )


def issuer(text: str) -> str:
    """Return an OpenID Connect issuer as it was given, since it is compared so; plain http for this machine only."""
    parts = urlsplit(text)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    secure = parts.scheme == "https" or local and parts.scheme == "http"
    if text and (not parts.hostname or parts.query or parts.fragment or not secure):
        raise ValueError
    return text


def group_pairs(text: str) -> dict[str, str]:
    """Return the provider's groups with ours, from `theirs=ours` pairs; theirs may hold an equals sign."""
    pairs = [item.strip().rpartition("=") for item in text.split(",") if item.strip()]
    if not all(theirs.strip() and ours.strip() for theirs, _, ours in pairs):
        raise ValueError
    return {theirs.strip(): ours.strip() for theirs, _, ours in pairs}


def probability(text: str) -> Decimal:
    value = Decimal(text)
    if not Decimal("0.5") <= value <= 1:
        raise ValueError
    return value


def env_token(name: str) -> str:
    """Return a secret that nobody guesses, as RFC 6750 lets it be sent; '' for none."""
    text = env(name)
    if text and not re.fullmatch(r"[A-Za-z0-9._~+/-]{20,}=*", text):  # it is not shown: a blank may be all its fault
        raise ImproperlyConfigured(f"{name} must be at least 20 letters, digits or - . _ ~ + /.")
    return text
