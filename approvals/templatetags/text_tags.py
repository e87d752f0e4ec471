"""Text from outside as pages show it: escaped, the invisible drawn, links that tell nothing; digests and paths."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from approvals.diff.excerpts import Excerpt, excerpt
from approvals.diff.invisible import Drawing, plainly

register = template.Library()
register.filter(plainly)

LINK = re.compile(r"https?://[^\s<>\"'`\x00-\x1f\x7f]+", re.IGNORECASE)
# Punctuation that ends a sentence is rarely part of the address before it.
TRAILING = ".,;:!?)]}"


@register.filter
def hexgroups(digest: str) -> SafeString:
    """Return a digest in groups of eight, the first one bright: easy to compare by eye."""
    groups = [digest[i : i + 8] for i in range(0, len(digest), 8)]
    if not groups:
        return mark_safe("")
    rest = format_html_join("", " {}", ((group,) for group in groups[1:]))
    return format_html("<b>{}</b>{}", groups[0], rest)


@register.filter
def bare(path: str) -> SafeString:
    """Return a path with its last part strong, isolated so that no bidi character reorders what is around it."""
    head, slash, tail = path.rpartition("/")
    return format_html("<bdi>{}{}<b>{}</b></bdi>", visible(head), slash, visible(tail))


@register.filter
def visible(text: str) -> SafeString:
    """Return text escaped, its invisible characters drawn: a name must not look like another one."""
    return mark_safe(Drawing().html(str(text)))  # noqa: S308  it escapes


@register.filter
def linkify(text: str | None) -> SafeString:
    """Return text escaped, its line breaks kept and http(s) addresses as links that tell the other site nothing."""
    text = text or ""
    parts: list[str] = []
    position, drawing = 0, Drawing()
    for match in LINK.finditer(text):
        address = match.group().rstrip(TRAILING)
        if not urlsplit_host(address):
            continue
        parts += [
            _lines(text[position : match.start()], drawing),
            format_html('<a href="{0}" rel="noreferrer nofollow ugc">{0}</a>', address),
        ]
        position = match.start() + len(address)
    parts.append(_lines(text[position:], drawing))
    return mark_safe("".join(parts))  # noqa: S308  every part is escaped


def _lines(text: str, drawing: Drawing) -> str:
    """Return text escaped, line breaks as elements, every other invisible character drawn."""
    return "<br>".join(drawing.html(line) for line in text.replace("\r\n", "\n").split("\n"))


@register.filter
def link_host(address: str) -> str:
    """Return the host of an http(s) address, '' for anything else: nothing else may become a link."""
    return urlsplit_host(address)


def urlsplit_host(address: object) -> str:
    if not isinstance(address, str) or not address.lower().startswith(("http://", "https://")):
        return ""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:  # such as http://[: the address stays plain text
        return ""


@register.filter
def folders(files: Iterable[Any]) -> list[dict[str, Any]]:
    """Return files grouped by folder in the order they came, each folder without what all of them share."""
    groups: list[dict[str, Any]] = []
    for file in files:
        folder, _, name = file.path.rpartition("/")
        if not groups or groups[-1]["path"] != folder:
            groups.append({"path": folder, "files": []})
        groups[-1]["files"].append({"name": name, "file": file})
    shared = _shared_folder([group["path"] for group in groups])
    for group in groups:
        group["short"] = group["path"].removeprefix(shared).strip("/") or group["path"].rpartition("/")[2] or "/"
    return groups


def _shared_folder(paths: list[str]) -> str:
    """Return the leading folders that all paths have in common, '' when there are none."""
    if len(paths) < 2:
        return ""
    split = [path.split("/") for path in paths]
    shared: list[str] = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared) + "/" if shared else ""


@register.filter
def log_text(text: str) -> SafeString:
    """Return a log escaped with its line breaks, every other invisible character drawn."""
    drawing, lines = Drawing(), text.replace("\r\n", "\n").split("\n")
    return mark_safe("\n".join(drawing.html(line) for line in lines))  # noqa: S308  it escapes


@register.filter
def opening(text: str, largest: int) -> Excerpt:
    """Return the beginning of a long text: as many lines as stay below so many characters of markup."""
    return excerpt(text.encode(), lines=2_000, largest=largest)


@register.filter
def link_title(address: str) -> str:
    """Return the end of an address, which says more than its beginning."""
    parts = urlsplit(address)
    return (parts.path.rstrip("/").rpartition("/")[2] or parts.hostname or address)[:80]
