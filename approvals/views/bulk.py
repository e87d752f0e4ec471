"""One verdict on many cards: what would happen to each, then what did."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from approvals.actors import person_actor
from approvals.errors import Conflict, Invalid, NotFound, Refusal
from approvals.forms import BulkForm
from approvals.models import Category, Channel, Decision, Displayed, PatchView, Review, User, Verdict
from approvals.policy.rules import Intent, Reviewer, refusal
from approvals.queries.decision_facts import decision_facts, read_gates
from approvals.queries.decisions import by_id
from approvals.queries.delegations import reviewer_with_delegations
from approvals.queries.same_lines import read_alike, waiting_alike
from approvals.requests import Request
from approvals.services import reviews

from .access import user_of, varies, viewers

MOST = 200


@require_http_methods(["GET", "HEAD", "POST"])
@viewers
@varies
def bulk(request: Request) -> HttpResponse:
    """Show what the verdict would do to each ticked card; with `confirmed` do it and show what became of each.

    Looking is a GET, so that a sign-in in between leads back to the same cards.
    """
    asked = request.POST if request.method == "POST" else request.GET
    form, items, verdict = BulkForm(asked), _items(asked), asked.get("verdict", "")
    if not items or not request.POST.get("confirmed") or not form.is_valid():
        return preview(request, asked, form, status=422 if request.POST.get("confirmed") else 200)
    results = _carry_out(request, form, user_of(request), items)
    done = sum(row["why_not"] is None for row in results)
    counts = {"done": done, "refused": len(results) - done}
    return render(
        request, "approvals/bulk_results.html", {"active": "queue", "verdict": verdict, "results": results} | counts
    )


def preview(request: Request, asked: QueryDict, form: BulkForm, *, status: int) -> HttpResponse:
    """Show what the verdict would do to each, with the words typed so far."""
    verdict, items = asked.get("verdict", ""), _items(asked)
    context: dict[str, Any] = {"active": "queue", "form": form, "rows": []}
    if verdict not in Verdict.values or not items:
        return render(request, "approvals/bulk.html", context, status=422)
    now = timezone.now()
    who, in_name_of = reviewer_with_delegations(user_of(request), now), _name(form)
    rows = _preview(items, who, Verdict(verdict), in_name_of, now)
    possible = sum(row["why_not"] is None for row in rows)
    context |= {
        "verdict": verdict,
        "categories": Category.choices,
        "rows": rows,
        "possible": possible,
        "ends_candidates": verdict == Verdict.APPROVE
        and any(row["decision"].policy_version.supersede_candidates for row in rows if row["why_not"] is None),
        "skipped": len(rows) - possible,
        "in_name_of": next((absent for absent in who.absent if absent.id == in_name_of), None),
    }
    return render(request, "approvals/bulk.html", context, status=status)


def _items(asked: QueryDict) -> list[tuple[UUID, str]]:
    """Return what was ticked as (decision, digest seen), or what waits on the lines of the patch that `same_lines`
    names. Raise SuspiciousOperation for a value that no form of ours sends."""
    if named := asked.get("same_lines"):
        return waiting_alike(_patch_of(named), MOST)
    items = []
    for value in asked.getlist("items")[:MOST]:
        decision_id, _, sha256 = value.partition(":")
        try:
            items.append((UUID(decision_id), sha256))
        except ValueError as error:
            raise SuspiciousOperation("damaged bulk item") from error
    return items


def _patch_of(decision_id: str) -> int:
    try:
        return by_id(decision_id).patch_id
    except (NotFound, Conflict) as error:
        raise Http404 from error


def _name(form: BulkForm) -> int | None:
    """Return in whose name the verdict is given, also while the rest of the form is incomplete."""
    form.is_valid()
    chosen: int | None = form.cleaned_data.get("in_name_of")
    return chosen


def _preview(
    items: list[tuple[UUID, str]], who: Reviewer, verdict: Verdict, in_name_of: int | None, now: datetime
) -> list[dict[str, Any]]:
    """Return each ticked decision with the reason why it would be skipped, or None; a fixed number of queries."""
    seen = dict(items)
    decisions = list(
        Decision.objects.filter(decision_id__in=seen).select_related("patch__producer", "policy_version").order_by("id")
    )
    read_gates(decision.patch for decision in decisions)
    live: dict[int, list[Review]] = {decision.pk: [] for decision in decisions}
    for review in Review.objects.filter(decision__in=decisions, withdrawn_at=None):
        live[review.decision_id].append(review)
    read = read_alike([decision.patch_id for decision in decisions], who.id)
    opened = set(
        PatchView.objects.filter(user=who.id, patch__decision__in=decisions).values_list("patch__decision", flat=True)
    )
    return [
        {
            "decision": decision,
            "patch": decision.patch,
            "sha256": seen[decision.decision_id],
            "why_not": refusal(
                decision_facts(decision, live[decision.pk]),
                who,
                Intent(verdict, seen[decision.decision_id], "card", decision.pk in opened, True, in_name_of, read=read),
                now,
            ),
        }
        for decision in decisions
    ]


def _carry_out(request: Request, form: BulkForm, user: User, items: list[tuple[UUID, str]]) -> list[dict[str, Any]]:
    """Give the verdict on each item by itself; one refusal stops nothing else."""
    verdict = Verdict(form.cleaned_data["verdict"])
    results: list[dict[str, Any]] = []
    for decision_id, sha256 in items:
        try:
            decision = reviews.review(
                decision_id,
                verdict,
                user=user,
                actor=person_actor(request, user),
                seen=reviews.Seen(sha256, Displayed.CARD, Channel.BULK),
                now=timezone.now(),
                text=form.cleaned_data["text"],
                category=form.cleaned_data["category"],
                in_name_of=form.cleaned_data["in_name_of"],
            )
            results.append({"decision": decision, "patch": decision.patch, "why_not": None})
        except Invalid:
            raise  # the form has checked the words; this would be our defect
        except Refusal as error:
            found = Decision.objects.select_related("patch").filter(decision_id=decision_id).first()
            results.append({"decision": found, "patch": found.patch if found else None, "why_not": error.detail})
    return results
