"""What single values of an intake document may say: addresses, severity words, names of vulnerabilities. Pure."""

from urllib.parse import urlsplit

from approvals.models import Severity

from .severity import WORDS, severity_of
from .vulnerability import alias_names, names_in

MAPPED = ", ".join(sorted(set(WORDS) - set(Severity.values)))


def is_web_link(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:  # such as http://[
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def web_link(value: str) -> str:
    if not is_web_link(value):
        raise ValueError("must be an http or https link")
    return value


def known_severity(value: str) -> str:
    if severity_of(value) is None:
        raise ValueError(f"must be one of {', '.join(Severity.values)}, or {MAPPED}")
    return value


def readable(value: str) -> str:
    if not names_in(value):
        raise ValueError("names no vulnerability: send an identifier such as CVE-2024-9999 or GHSA-jfh8-c2jp-5v3q")
    return value


def readable_or_blank(value: str) -> str:
    return readable(value) if value.strip() else value


def readable_alias(value: str) -> str:
    if not alias_names(value):
        raise ValueError("names no vulnerability: leave out what is not known, and what is no name")
    return value
