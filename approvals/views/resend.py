"""A form of ours with a stale CSRF token: show the page again with the text that was sent; nothing is done.

A sign-in in another tab changes the secret behind the tokens of all open pages. A script loads its page again and puts
the words back; this is for those who have none.
"""

from typing import TypeVar

from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect

from approvals.accounts.views.sign_in import SignIn
from approvals.errors import Invalid
from approvals.forms import BulkForm, CommentForm, VerdictForm
from approvals.models import Displayed
from approvals.permissions import VIEW_DECISION
from approvals.requests import Request

from . import bulk, comment, decide, workbench
from .access import user_of, way_back
from .lifecycle import ACTS
from .patch_context import decision_or_404

Words = TypeVar("Words", bound=Form)

SENTENCE = "Nothing was sent: you signed in again since this page was opened. Your words are here; send them again."
UNSENT = "Nothing was sent: this page was open for too long. Enter your password again."


def form_again(request: Request) -> HttpResponse | None:
    """Return the page that holds the form which was sent, or None for a form that holds no words."""
    match = request.resolver_match
    if match is None or not match.url_name:
        return None
    if match.url_name == "login":
        return redirect(way_back(request)) if request.user.is_authenticated else SignIn.again(request, UNSENT)
    if not request.user.has_perm(VIEW_DECISION):
        return None
    if match.url_name == "view-save":
        return workbench.name_again(request, SENTENCE)
    if match.url_name == "bulk":
        return bulk.preview(request, request.POST, _refused(BulkForm(request.POST)), status=403)
    act = match.url_name.removeprefix("patch-")
    if act not in {"decide", "confirm", "comment", *ACTS}:
        return None
    decision = decision_or_404(match.kwargs["decision_id"])
    if act == "comment":
        return comment.comment_again(request, decision, _refused(CommentForm(request.POST), "text"), status=403)
    if act in {"decide", "confirm"}:
        form, card = VerdictForm(request.POST), request.POST.get("displayed") == Displayed.CARD
        return decide.again(request, decision, user_of(request), _refused(form), card, status=403)
    answer = decide.refused(request, decision, Invalid(SENTENCE), act)
    answer.status_code = 403
    return answer


def _refused(form: Words, field: str | None = None) -> Words:
    """Return the form with the sentence where one looks for what is wrong, and nothing else about it."""
    form.full_clean()
    form.errors.clear()
    form.add_error(field, SENTENCE)
    return form
