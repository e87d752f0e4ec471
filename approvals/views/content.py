"""What a patch contains, apart from its page: the exact bytes, and what differs between two revisions or patches."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from approvals.api.patches import raw_diff
from approvals.queries import decisions as find
from approvals.queries.differences import differences, grouped

from .access import person_of, varies, viewers
from .comparison import comparison
from .patch import decision_or_404, with_diff


@require_safe
@viewers
@varies
def compare(request: HttpRequest, decision_id: UUID, revision: int) -> HttpResponse:
    """What changed from another revision of the same patch to this one; of a workflow gate, in what it asks."""
    decision = decision_or_404(decision_id)
    other = find.revision_of(decision, revision)
    if other is None:
        raise Http404
    key, first = _window(request)
    older, newer = sorted([other, decision], key=lambda one: one.patch.revision)
    compared = None
    if not decision.patch.is_gate:
        compared = comparison(older.patch, newer.patch, key, first)
        if compared is None:
            raise Http404
    context = {
        "active": "queue",
        "decision": decision,
        "patch": decision.patch,
        "older": older,
        "newer": newer,
        "differences": [] if key else grouped(differences(older, newer)),
        "comparison": compared,
    }
    return render(request, "approvals/compare.html", context)


def _window(request: HttpRequest) -> tuple[str, int]:
    """Return the file that is asked for alone, and the line from which on."""
    first = request.GET.get("from", "")
    return request.GET.get("file", ""), int(first) if first.isdecimal() and len(first) < 8 else 0


@require_safe
@viewers
@varies
def compare_patches(request: HttpRequest, decision_id: UUID, other_id: UUID) -> HttpResponse:
    """What differs between two patches, whoever sent them; the one that arrived first is the older."""
    decision, other = with_diff(decision_id), with_diff(other_id)
    if decision.pk == other.pk:
        raise Http404
    older, newer = sorted([other, decision], key=lambda one: one.pk)
    key, first = _window(request)
    compared = comparison(older.patch, newer.patch, key, first)
    if compared is None:
        raise Http404
    context = {
        "active": "queue",
        "decision": decision,
        "patch": decision.patch,
        "older": older,
        "newer": newer,
        "same_lines": older.patch.change_sha256 is not None and older.patch.change_sha256 == newer.patch.change_sha256,
        "differences": [] if key else grouped(differences(older, newer)),
        "comparison": compared,
    }
    return render(request, "approvals/compare_patches.html", context)


@require_safe
@viewers
def raw(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """The exact bytes, for people whose groups may read diffs."""
    decision = with_diff(decision_id)
    if not person_of(request).has_perm("approvals.view_diff"):
        raise Http404
    return raw_diff(decision)
