"""Readers of the environment for `own_settings`: a value of the right kind, or a sentence that stops the start. Each
reader keeps what it was told of a setting, for the reference."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """One setting as the reference shows it; `default` is Markdown."""

    name: str
    takes: str
    default: str
    meaning: str
    is_secret: bool = False


@dataclass
class Section:
    """Settings that belong together, in the order in which they were read."""

    title: str
    settings: list[Setting] = field(default_factory=list)

    def converted(
        self, name: str, default: str, convert: Callable[[str], T], what: str, meaning: str, *, shown: str = ""
    ) -> T:
        """Return a converted setting or stop with what it should have been; `shown` stands for a default that is
        worked out."""
        self._keep(name, what, default, meaning, shown)
        text = env(name, default)
        try:
            return convert(text)
        except (ValueError, KeyError, InvalidOperation) as error:
            raise ImproperlyConfigured(f"{name} must be {what}, not {text!r}.") from error

    def text(self, name: str, meaning: str, *, default: str = "", shown: str = "") -> str:
        """Return a setting as it is."""
        self._keep(name, "text", default, meaning, shown)
        return env(name, default)

    def secret(self, name: str, meaning: str, *, default: str = "", shown: str = "") -> str:
        """Return a setting that only this process may know."""
        self._keep(name, "a secret", default, meaning, shown, is_secret=True)
        return env(name, default)

    def number(self, name: str, default: int, bounds: tuple[int, int], meaning: str) -> int:
        """Return a whole number within bounds, both of which it may be."""
        least, most = bounds

        def convert(text: str) -> int:
            number = int(text)
            if not least <= number <= most:
                raise ValueError
            return number

        return self.converted(name, str(default), convert, f"a whole number from {least} to {most}", meaning)

    def switch(self, name: str, default: bool, meaning: str) -> bool:
        """Return whether something is on."""
        return self.converted(name, str(default).lower(), lambda text: WORDS[text.lower()], "true or false", meaning)

    def words(self, name: str, meaning: str, *, default: str = "", secret: bool = False) -> list[str]:
        """Return what stands between commas."""
        self._keep(name, "a list, separated by commas", default, meaning, "", is_secret=secret)
        return _split(env(name, default))

    def networks(self, name: str, meaning: str, *, default: str = "") -> list[IPv4Network | IPv6Network]:
        """Return addresses and networks."""
        what = "addresses or networks such as 10.0.0.0/8, separated by commas"
        return self.converted(name, default, lambda text: [ip_network(item) for item in _split(text)], what, meaning)

    def origins(self, name: str, meaning: str, *, default: str = "", shown: str = "") -> list[str]:
        """Return origins as browsers send them."""
        what = "origins such as https://hitl.example.org, separated by commas, without a path"
        return self.converted(
            name, default, lambda text: [origin(item) for item in _split(text)], what, meaning, shown=shown
        )

    def one_of(self, name: str, default: str, allowed: tuple[str, ...], meaning: str, *, shown: str = "") -> str:
        """Return one word of several."""
        what = f"one of {', '.join(allowed)}"
        return self.converted(name, default, {word: word for word in allowed}.__getitem__, what, meaning, shown=shown)

    def _keep(self, name: str, what: str, default: str, meaning: str, shown: str, *, is_secret: bool = False) -> None:
        default = shown or (f"`{default}`" if default else "none")
        self.settings.append(Setting(name, what, default, meaning, is_secret))


WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


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


def base_url(text: str) -> str:
    """Return the product's own address without a slash at its end."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError
    return text.rstrip("/")


def origin(text: str) -> str:
    """Return an origin as browsers send it, scheme://host[:port]; raise ValueError for anything else."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
        raise ValueError
    return text


def issuer(text: str) -> str:
    """Return an OpenID Connect issuer as it was given, since it is compared so; plain http for this machine only."""
    parts = urlsplit(text)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    secure = parts.scheme == "https" or local and parts.scheme == "http"
    if text and (not parts.hostname or parts.query or parts.fragment or not secure):
        raise ValueError
    return text


def hosts_and_networks(text: str) -> list[str | IPv4Network | IPv6Network]:
    """Return host names in lower case, and addresses and networks; raise ValueError for what is neither."""
    return [_host_or_network(item) for item in _split(text)]


def _host_or_network(item: str) -> str | IPv4Network | IPv6Network:
    try:
        return ip_network(item)
    except ValueError:
        # A name has a letter, so that no network that is written wrongly passes for one.
        if not re.fullmatch(r"[A-Za-z0-9._-]*[A-Za-z][A-Za-z0-9._-]*", item, re.ASCII):
            raise
        return item.lower()


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
