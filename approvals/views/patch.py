"""One patch: its page, its files, and what people do with it."""

import re
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from approvals.actors import person_actor
from approvals.errors import Conflict, Invalid, NotAllowed, NotFound, Refusal, StepUpRequired, TooMany
from approvals.forms import PERIODS, CommentForm, VerdictForm
from approvals.models import Category, Channel, Comment, Decision, Displayed, PatchView, Status, User, Verdict
from approvals.policy.visible_fields import sees
from approvals.queries import decisions as find
from approvals.queries import evidence, revocable, same_lines
from approvals.queries.case import outcome
from approvals.queries.delegations import present
from approvals.queries.queue import COUNT_LIMIT, shown_count
from approvals.queries.workbench import earlier_comments, looked_at, viewed_files
from approvals.services import reviews
from approvals.sessions import give_words_back, keep_words, proof_times

from . import confirm, gate, listed
from . import diff as diffs
from .access import demand_sight, go_to, person_of, reader_of, varies, viewers
from .panel import panel

YEAR = 365 * 24 * 3600
OTHERS_SHOWN = 10
ANCHOR = re.compile(r"[A-Za-z][\w-]{0,99}")  # a line of the diff, to come back to
TEMPLATES = {True: "approvals/gate_detail.html", False: "approvals/patch_detail.html"}
"""The page of a workflow gate, and of a patch."""

STEPS = {Verdict.APPROVE: "approve", Verdict.REJECT: "reject", Verdict.REQUEST_CHANGES: "changes"}
LATE = {
    "decide": "Your verdict came after that decision.",
    "escalate": "There is nothing left to escalate.",
    "extend": "There is no more time to give.",
    "cancel": "Your cancellation came after that.",
    "revoke": "There is no approval left to revoke.",
    "withdraw": "Reviews of a decided patch stand, so yours was not withdrawn.",
}
"""What a conflict means for what was tried, after the sentence that says who was first."""

DONE = {
    Verdict.APPROVE: "Approved",
    Verdict.REJECT: "Rejected",
    Verdict.REQUEST_CHANGES: "Changes requested",
}


@require_safe
@viewers
@varies
def detail(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """The patch page; opening it is what lets a card approve this digest later."""
    decision, user = decision_or_404(decision_id), person_of(request)
    shown = request.method == "GET"  # a HEAD shows nobody anything
    kept = give_words_back(request, decision_id) if shown else None
    form = VerdictForm(initial=kept) if kept else None
    step = request.GET.get("step")
    chosen = {"step": step} if step in STEPS.values() else {}
    response = render(request, TEMPLATES[decision.patch.is_gate], _page(request, decision, user, form=form, **chosen))
    if shown and sees(reader_of(request), "request" if decision.patch.is_gate else "diff"):
        reviews.open_page(decision.patch, user, timezone.now())  # a page that failed was not read
    if request.GET.get("view") in diffs.LAYOUTS:
        response.set_cookie("diff", request.GET["view"], max_age=YEAR, samesite="Lax", secure=request.is_secure())
    return response


@require_safe
@viewers
@varies
def file(request: HttpRequest, decision_id: UUID, key: str) -> HttpResponse:
    """One file of the diff, opened, or more of its lines: a fragment for htmx, a page of its own otherwise."""
    decision, first = with_diff(decision_id), request.GET.get("from", "0")
    demand_sight(request, "diff")
    first_line = int(first) if first.isdecimal() and len(first) < 8 else 0
    reading = _reading(request, decision, person_of(request), _said(decision), first_line)
    shown = diffs.one_file(reading, key, first_line)
    if shown is None:
        raise Http404
    context = {"active": "queue", "decision": decision, "patch": decision.patch, "file": shown}
    if request.htmx:  # type: ignore[attr-defined]
        name = "approvals/_diff_lines.html" if first_line else "approvals/_diff_file.html"
        return render(request, name, context)
    return render(request, "approvals/diff_file.html", context)


@sensitive_post_parameters("password")
@require_POST
@viewers
@varies
def decide(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """Take one verdict from the panel or a card; answer with the next item, the panel's errors or what happened."""
    form, user = VerdictForm(request.POST), person_of(request)
    decision = decision_or_404(decision_id)
    card = request.POST.get("displayed") == Displayed.CARD
    if not form.is_valid():
        return again(request, decision, user, form, card, status=422)
    try:
        done = _decided(request, decision_id, user, form, card)
    except Refusal as error:
        if isinstance(error, StepUpRequired) and not card:
            if not confirm.proofs(request, decision)["password"]:
                keep_words(request, decision_id, **{name: form.cleaned_data[name] for name in confirm.KEPT})
                return go_to(request, confirm.address(request, decision))
            form.add_error("password", error.detail)
        return again(request, decision_or_404(decision_id), user, form, card, status=error.status, error=error)
    messages.success(request, _sentence(done, Verdict(form.cleaned_data["verdict"])))
    return _onward(request, done, card)


def _decided(request: HttpRequest, decision_id: UUID, user: User, form: VerdictForm, card: bool) -> Decision:
    """Give the verdict; the password beside it is looked at only where nothing else speaks against an approval."""
    review = partial(
        reviews.review,
        decision_id,
        Verdict(form.cleaned_data["verdict"]),
        user=user,
        actor=person_actor(request, user),
        text=form.cleaned_data["text"],
        category=form.cleaned_data["category"],
        in_name_of=form.cleaned_data["in_name_of"],
    )
    try:
        return review(seen=_seen(request, form, card), now=timezone.now())
    except StepUpRequired:
        if card or not form.cleaned_data["password"]:
            raise
    try:
        confirm.take_password(request, form.cleaned_data["password"])
    except (Invalid, TooMany) as error:
        form.add_error("password", error.detail)
        raise
    return review(seen=_seen(request, form, card), now=timezone.now())


@require_POST
@viewers
@varies
def comment(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """Add words to the discussion; htmx, which only the composer at a line asks by, gets the thread for that row."""
    decision, user, form = decision_or_404(decision_id), person_of(request), CommentForm(request.POST)
    if not user.has_perm("approvals.comment_decision"):
        return refused(request, decision, NotAllowed("Your groups do not include commenting."), "comment")
    if request.POST.get("file") or request.POST.get("line"):
        demand_sight(request, "diff")  # the answer would tell what the diff has
    anchor = ANCHOR.fullmatch(request.POST.get("anchor", ""))
    added = _added(request, decision, user, form) if form.is_valid() else None
    if added is None:
        if request.htmx:  # type: ignore[attr-defined]
            place = {name: form[name].value() for name in ("file", "line", "side")} | {"anchor": anchor and anchor[0]}
            context = {"decision": decision, "comment_form": form, "place": place}
            return render(request, "approvals/_line_composer.html", context, status=422)
        return comment_again(request, decision, form, status=422)
    if request.htmx:  # type: ignore[attr-defined]
        context = {"decision": decision, "comment": added, "added": [added], "said": len(_said(decision))}
        return render(request, "approvals/_line_said.html", context)
    messages.success(request, "Comment added.")
    return go_to(request, f"{listed.patch_address(request, decision_id)}#{anchor[0] if anchor else 'discussion'}")


def _added(request: HttpRequest, decision: Decision, user: User, form: CommentForm) -> Comment | None:
    """Return the comment; None where the diff has no such place, which the form then says."""
    said = form.cleaned_data
    actor, place = person_actor(request, user), {name: said[name] for name in ("file", "line", "side")}
    try:
        return reviews.comment(decision.decision_id, said["text"], user=user, actor=actor, now=timezone.now(), **place)
    except Invalid as error:
        form.add_error("text", error.detail)
        return None


def comment_again(request: HttpRequest, decision: Decision, form: CommentForm, *, status: int) -> HttpResponse:
    """Show the page with the discussion's form as it was sent, and what is wrong with it."""
    context = _page(request, decision, person_of(request)) | {"comment_form": form}
    return render(request, TEMPLATES[decision.patch.is_gate], context, status=status)


@require_safe
@viewers
@varies
def card_action(request: HttpRequest, decision_id: UUID, action: str) -> HttpResponse:
    """The form for acting from a queue card: a dialog's content for htmx, a page otherwise."""
    if action not in {"approve", "reject", "comment"}:
        raise Http404
    decision, user = decision_or_404(decision_id), person_of(request)
    return render(request, "approvals/card_action.html", _card(request, decision, user, action))


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


def panel_context(request: HttpRequest, decision: Decision, **changes: Any) -> dict[str, Any]:
    """Return what the decision panel alone needs: an error or a live notice need not read the diff."""
    given, user, now = find.with_reviews(decision), person_of(request), timezone.now()
    replaced = decision.status == Status.SUPERSEDED
    shown = panel(decision, given, present(user, now), now, **proof_times(request), **changes)
    return {
        "decision": decision,
        "patch": decision.patch,
        "sha256": decision.patch.sha256,
        "reviews": given,
        "categories": Category.choices,
        "periods": PERIODS,
        "acknowledged": revocable.acknowledged(decision),
        "not_acknowledged": revocable.not_acknowledged(decision, now),
        "newest": find.revisions(decision)[0] if replaced else None,
        "panel": shown,
        "proofs": confirm.proofs(request, decision) if shown["asks"] else None,
    } | listed.context(request, decision, now)


def _said(decision: Decision) -> list[Comment]:
    """Return the discussion of all revisions up to this one: what was said of a line outlives a new revision."""
    return [*(earlier_comments(decision) if decision.patch.revision > 1 else []), *find.comments(decision)]


def _reading(
    request: HttpRequest, decision: Decision, user: User, said: list[Comment], first_line: int = 0
) -> diffs.Reading:
    viewed, usual = viewed_files(decision, user), evidence.usual_sizes(decision.patch)
    start = f"&from={first_line}" if first_line else ""
    ask = f"?{listed.parameter(request)['more']}{start}&at=".replace("?&", "?")
    ask = ask if user.has_perm("approvals.comment_decision") else ""
    layout, composing = diffs.layout_of(request), request.GET.get("at", "")
    return diffs.read(decision, said, viewed, layout, usual, composing=composing if ask else "", ask=ask)


def _page(request: HttpRequest, decision: Decision, user: User, **changes: Any) -> dict[str, Any]:
    """Return the context of the patch's or the gate's page."""
    shown = panel_context(request, decision, **changes)
    looks_anew = decision.status == Status.PENDING and not shown["panel"]["may_withdraw"]
    return shown | {
        "active": "queue" if decision.status == Status.PENDING else "history",
        "timeline": evidence.timeline(decision, reader_of(request)),
        "revisions": find.revisions(decision),
        "looked_at": looked_at(decision, user) if looks_anew else None,
        **(gate.section(decision, _said(decision)) if decision.patch.is_gate else _evidence(request, decision, user)),
    }


def _evidence(request: HttpRequest, decision: Decision, user: User) -> dict[str, Any]:
    """Return what only a patch has: its diff, what speaks for it, and the other candidates."""
    patch, said = decision.patch, _said(decision)
    reading = _reading(request, decision, user, said) if sees(reader_of(request), "diff") else None
    raw_url = {"raw_url": reverse("patch-raw", args=[decision.decision_id])}
    return {
        "diff": diffs.section(reading) | raw_url if reading else diffs.closed(patch),
        "policy": evidence.policy(decision),
        "ml": evidence.ml(patch, decision),
        "war": patch,
        "comments": [
            {
                "comment": one,
                "outdated": reading is not None and bool(one.file) and not diffs.attached(reading, one),
                "earlier": one.decision_id != decision.pk,
            }
            for one in said
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


def _panel_or_page(
    request: HttpRequest, decision: Decision, user: User, *, status: int, **changes: Any
) -> HttpResponse:
    """Answer htmx with the panel and what else says the status, everybody else with the page."""
    if request.htmx:  # type: ignore[attr-defined]
        context = panel_context(request, decision, **changes)
        answer = render(request, "approvals/_panel_answer.html", context, status=status)
        answer["HX-Retarget"], answer["HX-Reswap"] = "#decision", "outerHTML"  # whoever asked, from wherever
        return answer
    context = _page(request, decision, user, **changes)
    return render(request, TEMPLATES[decision.patch.is_gate], context, status=status)


def _card(request: HttpRequest, decision: Decision, user: User, action: str, **changes: Any) -> dict[str, Any]:
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
        "queue_url": listed.address(request),
        "panel": panel(
            decision, given, present(user, now), now, step=action, opened=opened, displayed="card", **changes
        ),
    }


def again(
    request: HttpRequest,
    decision: Decision,
    user: User,
    form: VerdictForm,
    card: bool,
    *,
    status: int,
    error: Refusal | None = None,
) -> HttpResponse:
    """Show the same form with its errors, or what happened meanwhile; the words typed are kept."""
    verdict = form.data.get("verdict", Verdict.APPROVE)
    step = STEPS.get(verdict, "approve")
    conflict = _conflict(decision, error) if isinstance(error, Conflict) else None
    if error and not conflict and not form.has_error("password"):
        form.add_error(None, error.detail)
    if card:
        context = _card(request, decision, user, step, form=form, conflict=conflict)
        return render(request, "approvals/card_action.html", context, status=status)
    answer = _panel_or_page(request, decision, user, status=status, form=form, step=step, conflict=conflict)
    if isinstance(error, TooMany):
        answer["Retry-After"] = str(error.retry_after)
    return answer


def _conflict(decision: Decision, error: Conflict, act: str = "decide") -> dict[str, str]:
    said = outcome(decision)
    title = said.rstrip(".") if said else "The patch changed while you looked"
    return {"title": f"Already decided: {title}" if said else title, "detail": error.detail, "late": LATE[act]}


def _onward(request: HttpRequest, decision: Decision, card: bool) -> HttpResponse:
    """Go to the next item in the queue after a decision; stay where a quorum still misses somebody."""
    if card:
        return go_to(request, listed.address(request))
    if decision.status == Status.PENDING:
        return go_to(request, listed.patch_address(request, decision.decision_id))
    after = listed.place_of(request, decision, timezone.now()).after
    return go_to(request, listed.patch_address(request, after) if after else listed.address(request))


def refused(request: HttpRequest, decision: Decision, error: Refusal, act: str) -> HttpResponse:
    """Show the panel as it is now, with what was wrong and the words of the act that was refused."""
    conflict = _conflict(decision, error, act) if isinstance(error, Conflict) else None
    if isinstance(error, NotAllowed):
        conflict = {"title": "Nothing was changed", "detail": error.detail}
    tried = {"name": act, "text": request.POST.get("reason", request.POST.get("text", "")), "error": error.detail}
    return _panel_or_page(request, decision, person_of(request), status=error.status, conflict=conflict, act=tried)


def _sentence(decision: Decision, verdict: Verdict) -> str:
    patch = decision.patch
    name = patch.cve_id or (patch.title if patch.is_gate else patch.patch_id)
    if verdict == Verdict.APPROVE and decision.status == Status.PENDING:
        return f"Your approval of {name} counts: {decision.approvals} of {decision.required_approvals}."
    if decision.bypass_id:
        return f"Approved alone under {decision.bypass}: {name}. Somebody else reviews that afterwards."
    return f"{DONE[verdict]}: {name}."


def _seen(request: HttpRequest, form: VerdictForm, card: bool) -> reviews.Seen:
    opened_at: datetime | None = form.cleaned_data["opened_at"]
    return reviews.Seen(
        form.cleaned_data["patch_sha256"],
        Displayed.CARD if card else Displayed.PAGE,
        Channel.CARD if card else Channel.PAGE,
        opened_at,
        bypass=form.cleaned_data["bypass"],
        **proof_times(request),
    )
