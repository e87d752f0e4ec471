"""What a patch contains, apart from its page: the exact bytes, and what differs between two revisions or patches."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from approvals.api.patches import raw_diff
from approvals.models import Decision
from approvals.policy.visible_fields import sees
from approvals.queries import decisions as find
from approvals.queries.differences import differences, grouped

from .access import demand_sight, reader_of, varies, viewers
from .comparison import comparison
from .patch_context import decision_or_404, with_diff


@require_safe
@viewers
@varies
def compare(request: HttpRequest, decision_id: UUID, revision: int) -> HttpResponse:
    """What changed from another revision of the same patch to this one; of a workflow gate, in what it asks."""
    decision = decision_or_404(decision_id)
    other = find.revision_of(decision, revision)
    if other is None:
        raise Http404
    older, newer = sorted([other, decision], key=lambda one: one.patch.revision)
    return render(request, "approvals/compare.html", _compared(request, decision, older, newer))


@require_safe
@viewers
@varies
def compare_patches(request: HttpRequest, decision_id: UUID, other_id: UUID) -> HttpResponse:
    """What differs between two patches, whoever sent them; the one that arrived first is the older."""
    decision, other = with_diff(decision_id), with_diff(other_id)
    if decision.pk == other.pk:
        raise Http404
    older, newer = sorted([other, decision], key=lambda one: one.pk)
    lines = older.patch.change_sha256
    context = _compared(request, decision, older, newer) | {
        "same_lines": lines is not None and lines == newer.patch.change_sha256
    }
    return render(request, "approvals/compare_patches.html", context)


def _compared(request: HttpRequest, decision: Decision, older: Decision, newer: Decision) -> dict[str, Any]:
    """Return what a comparison shows: all of it, or from some line on the one file that is asked for."""
    key, from_line = request.GET.get("file", ""), request.GET.get("from", "")
    compared, reader = None, reader_of(request)
    hidden = "request" if decision.patch.is_gate else "diff"
    if key:
        demand_sight(request, hidden)
    if not decision.patch.is_gate and sees(reader, hidden):
        first = int(from_line) if from_line.isdecimal() and len(from_line) < 8 else 0
        compared = comparison(older.patch, newer.patch, key, first)
        if compared is None:
            raise Http404
    return {
        "active": "queue",
        "decision": decision,
        "patch": decision.patch,
        "older": older,
        "newer": newer,
        "differences": [] if key else grouped(differences(older, newer, reader)),
        "comparison": compared,
        "hidden": "" if sees(reader, hidden) else hidden,
    }


@require_safe
@viewers
def raw(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """The exact bytes, for people whose groups may read diffs."""
    decision = with_diff(decision_id)
    demand_sight(request, "diff")
    return raw_diff(decision)
