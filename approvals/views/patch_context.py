"""What the page, the panel and the card of one patch show."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from approvals.accounts.sessions import proof_times
from approvals.accounts.views import confirm
from approvals.errors import Conflict, NotFound
from approvals.forms import PERIODS
from approvals.models import Category, Comment, Decision, PatchView, Status, User
from approvals.permissions import COMMENT_DECISION
from approvals.policy.visible_fields import sees
from approvals.queries import decisions as find
from approvals.queries import deployments, revocable, same_lines
from approvals.queries.delegations import reviewer_with_delegations
from approvals.queries.evidence import usual_sizes
from approvals.queries.queue import COUNT_LIMIT
from approvals.queries.workbench import looked_at, viewed_files
from approvals.requests import Request
from approvals.templatetags.number_tags import shown_count

from . import diff as diffs
from . import evidence, gate, list_navigation
from .access import reader_of, user_of
from .discussion import Discussion, discussion_of
from .panel import panel

OTHERS_SHOWN = 10
TEMPLATES = {True: "approvals/gate_detail.html", False: "approvals/patch_detail.html"}
"""The page of a workflow gate, and of a patch."""


def decision_or_404(decision_id: UUID) -> Decision:
    try:
        return find.by_id(str(decision_id))
    except (NotFound, Conflict) as error:
        raise Http404 from error


def with_diff(decision_id: UUID) -> Decision:
    """Return the decision of a patch; a workflow gate has no diff to look into."""
    decision = decision_or_404(decision_id)
    if decision.patch.is_gate:
        raise Http404
    return decision


def sees_what_is_decided(request: Request, decision: Decision) -> bool:
    """Return whether the page shows this person what a verdict is on; otherwise opening it is no look at it."""
    return sees(reader_of(request), "request" if decision.patch.is_gate else "diff")


def panel_context(request: Request, decision: Decision, **changes: Any) -> dict[str, Any]:
    """Return what the decision panel alone needs: an error or a live notice need not read the diff."""
    given, user, now = find.with_reviews(decision), user_of(request), timezone.now()
    replaced = decision.status == Status.SUPERSEDED
    person, seen = reviewer_with_delegations(user, now), sees_what_is_decided(request, decision)
    shown = panel(decision, given, person, now, opened=seen, **proof_times(request), **changes)
    return {
        "decision": decision,
        "patch": decision.patch,
        "sha256": decision.patch.sha256,
        "reviews": given,
        "categories": Category.choices,
        "periods": PERIODS,
        **deployments.of_decision(decision),
        "sees_notes": sees(reader_of(request), "outcomes.note"),
        "acknowledged": revocable.acknowledged(decision),
        "not_acknowledged": revocable.not_acknowledged(decision, now),
        "newest": find.revisions(decision)[0] if replaced else None,
        "panel": shown,
        "proofs": confirm.proofs(request, decision) if shown.asks else None,
    } | list_navigation.context(request, decision, now)


def page_context(request: Request, decision: Decision, user: User, **changes: Any) -> dict[str, Any]:
    """Return the context of the patch's or the gate's page."""
    shown = panel_context(request, decision, **changes)
    said = discussion_of(request, decision)
    looks_anew = decision.status == Status.PENDING and not shown["panel"].may_withdraw
    return shown | {
        "active": "queue" if decision.status == Status.PENDING else "history",
        "timeline": evidence.timeline(decision, reader_of(request)),
        "revisions": find.revisions(decision),
        "looked_at": looked_at(decision, user) if looks_anew else None,
        **(gate.section(decision, said.shown) if decision.patch.is_gate else _evidence(request, decision, user, said)),
        "discussion": said,
    }


def _evidence(request: Request, decision: Decision, user: User, said: Discussion) -> dict[str, Any]:
    """Return what only a patch has: its diff, what speaks for it, and the other candidates."""
    patch = decision.patch
    reading = diff_reading(request, decision, user, said.shown) if sees(reader_of(request), "diff") else None
    raw_url = reverse("patch-raw", args=[decision.decision_id])
    return {
        "diff": diffs.section(reading, raw_url) if reading else diffs.closed(patch),
        "ml": evidence.ml(patch, decision),
        "war": patch,
        "comments": [
            {
                "comment": one,
                "outdated": reading is not None and bool(one.file) and not diffs.attached(reading, one),
                "earlier": one.decision_id != decision.pk,
            }
            for one in said.shown
        ],
        "others": (others := find.for_same_cves(decision, OTHERS_SHOWN)),
        "others_count": (counted := _others_count(decision, len(others))),
        "others_more": counted != shown_count(len(others)),
        "alike": same_lines.alike([decision], user.pk, timezone.now()).get(decision.pk),
        "spaced_otherwise": same_lines.spaced_otherwise(decision),
    }


def _others_count(decision: Decision, listed_count: int) -> str:
    """Return how many other patches there are for the same CVEs; counted only where the list does not hold them all."""
    if listed_count < OTHERS_SHOWN:
        return shown_count(listed_count)
    return shown_count(find.count_for_same_cves(decision, COUNT_LIMIT + 1))


def diff_reading(
    request: Request, decision: Decision, user: User, said: list[Comment], first_line: int = 0
) -> diffs.Reading:
    viewed, usual = viewed_files(decision, user), usual_sizes(decision.patch)
    start = f"&from={first_line}" if first_line else ""
    ask = f"?{list_navigation.parameter(request)['more']}{start}&at=".replace("?&", "?")
    ask = ask if user.has_perm(COMMENT_DECISION) else ""
    layout, composing = diffs.layout_of(request), request.GET.get("at", "")
    return diffs.read(decision, said, viewed, layout, usual, composing=composing if ask else "", ask=ask)


def panel_or_page(request: Request, decision: Decision, user: User, *, status: int, **changes: Any) -> HttpResponse:
    """Answer htmx with the panel and what else says the status, everybody else with the page."""
    if request.htmx:
        context = panel_context(request, decision, **changes)
        answer = render(request, "approvals/_panel_answer.html", context, status=status)
        answer["HX-Retarget"], answer["HX-Reswap"] = "#decision", "outerHTML"  # whoever asked, from wherever
        return answer
    context = page_context(request, decision, user, **changes)
    return render(request, TEMPLATES[decision.patch.is_gate], context, status=status)


def card_context(request: Request, decision: Decision, user: User, action: str, **changes: Any) -> dict[str, Any]:
    """Return the context of one action on a card."""
    opened = PatchView.objects.filter(patch=decision.patch_id, user=user).exists()
    given, now = find.with_reviews(decision), timezone.now()
    return {
        "active": "queue",
        "action": action,
        "decision": decision,
        "patch": decision.patch,
        "sha256": decision.patch.sha256,
        "categories": Category.choices,
        "queue_url": list_navigation.address(request),
        "panel": panel(
            decision,
            given,
            reviewer_with_delegations(user, now),
            now,
            step=action,
            opened=opened,
            displayed="card",
            **changes,
        ),
    }
