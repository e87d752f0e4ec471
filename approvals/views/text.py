"""Excerpts of what was sent: the patch, one of its files, text that belongs to no file, a log, a gate's request."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from approvals.diff.excerpts import excerpt
from approvals.diff.structure import Diff, File
from approvals.models import Patch
from approvals.requests import Request

from .access import demand_sight, varies, viewers
from .comment_positions import content, load
from .patch_context import decision_or_404

WHOLE, SENT, REQUEST = "whole", "sent", "request"  # the patch, the mail it came in where that is encoded, a gate's
TITLES = {
    WHOLE: "The whole patch as it was sent",
    SENT: "The mail as it came",
    REQUEST: "The request as its digest covers it",
}
BESIDE: dict[str, tuple[str, Callable[[Patch], str]]] = {
    "log": ("The log of the wargaming run", lambda patch: patch.wargaming_log),
    "steps": ("The steps of the wargaming run", lambda patch: _indented(patch.wargaming_phases)),
}
"""Parts that were sent beside the diff: title, and how their text is had; '' where nothing was sent."""
FIELDS = {"log": "wargaming_result.log", "steps": "wargaming_result.phases", REQUEST: "request"}
"""What a part shows, as `policy.visible_fields` calls it; any other is of the diff."""


@require_safe
@viewers
@varies
def text(request: Request, decision_id: UUID, part: str) -> HttpResponse:
    """An excerpt of a part of what was sent from a byte on: a fragment for htmx, a page of its own otherwise."""
    decision, first = decision_or_404(decision_id), request.GET.get("from", "0")
    demand_sight(request, FIELDS.get(part, "diff"))
    title, data = _part(decision.patch, part)
    start = int(first) if first.isdecimal() and len(first) < 10 else 0
    context = {
        "active": "queue",
        "decision": decision,
        "patch": decision.patch,
        "part": part,
        "title": title,
        "excerpt": excerpt(data, start),
        "size": len(data),
    }
    name = "approvals/_raw.html" if request.htmx else "approvals/diff_text.html"
    return render(request, name, context)


def _part(patch: Patch, part: str) -> tuple[str, bytes]:
    """Return the title and the bytes of a part; raise Http404 where the patch or gate has none of that name."""
    if patch.is_gate:
        if part == REQUEST:
            return TITLES[REQUEST], patch.gate.document.encode()
        raise Http404
    if part == WHOLE:
        return TITLES[WHOLE], content(patch)
    if part in BESIDE:
        title, read = BESIDE[part]
        if text := read(patch):
            return title, text.encode()
        raise Http404
    diff = load(patch)
    if part == SENT and diff.sent is not None:
        return TITLES[SENT], diff.sent.to_bytes()
    if (found := _chunk(diff, part)) is not None:
        return found
    raise Http404


def _indented(steps: list[dict[str, Any]]) -> str:
    return json.dumps(steps, indent=2, ensure_ascii=False) if steps else ""


def _chunk(diff: Diff, part: str) -> tuple[str, bytes] | None:
    """Return a file by its key, or the words that are the chunk of a number as in `words-3`."""
    for number, chunk in enumerate(diff.chunks):
        if isinstance(chunk, File):
            if chunk.key == part:
                return f"{chunk.path} as it was sent", chunk.to_bytes()
        elif part == f"words-{number}":
            return f"Words from line {chunk.line:,} of the patch on", chunk.to_bytes()
    return None
