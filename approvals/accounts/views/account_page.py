"""A person's own account: sessions, second factors, personal tokens, their Slack user."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from approvals.accounts.services import identity, owners, tokens
from approvals.accounts.sessions import authenticated_at, is_factor_fresh, is_fresh
from approvals.actors import person_actor
from approvals.errors import Invalid, NotAllowed, Refusal
from approvals.forms import TokenForm
from approvals.models import ApiToken, TokenKind
from approvals.queries.people import comes_from_provider, second_factors, tokens_of
from approvals.services import chat
from approvals.views.access import user_of
from notifications.channels import is_open, slack
from notifications.models import Channel
from notifications.queries.chats import slack_user_of

from .confirm import by_factor
from .sign_in import signed_out

FACTORS = {"totp": "an authenticator app", "webauthn": "a security key", "recovery_codes": "recovery codes"}
"""What the page calls each kind of second factor, in its order."""


@never_cache
@require_safe
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """What there is of this person's sessions, factors and tokens, with the buttons that end them."""
    return _page(request, TokenForm())


@never_cache
@require_POST
@login_required
def issue_token(request: HttpRequest) -> HttpResponse:
    """Make a personal token and show its secret, this once; an open session alone is not enough for one."""
    user, form, now = user_of(request), TokenForm(request.POST), timezone.now()
    if proof := _proof_wanted(request, now):
        return proof
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        token, secret = tokens.issue_token(
            form.cleaned_data["name"],
            TokenKind.PERSONAL,
            actor=person_actor(request, user),
            now=now,
            user=user,
            expires_at=now + timedelta(days=form.cleaned_data["days"]),
        )
    except (Invalid, NotAllowed) as error:
        form.add_error("name", error.detail)
        status = error.status
    else:
        return _page(request, TokenForm(), issued=token, secret=secret)
    return _page(request, form, status=status)


@require_POST
@login_required
def confirm_change(request: HttpRequest) -> HttpResponse:
    """Keep this person's word that what an administrator changed of their account is theirs; asked at a fresh sign-in.

    A fresh one made before the change says nothing of it: every session was ended then.
    """
    user, now = user_of(request), timezone.now()
    if not is_fresh(request, now):
        return _prove_first()
    try:
        kept = owners.confirm(
            user, authenticated_at=authenticated_at(request), actor=person_actor(request, user), now=now
        )
    except Refusal as error:
        messages.error(request, error.detail)
        return redirect("account")
    words = (
        "a second lead must agree on the Policies page: tell one" if kept.held_since else "your account decides again"
    )
    messages.success(request, f"You have confirmed it; {words}.")
    return redirect("account")


@require_POST
@login_required
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of this person's own tokens."""
    user = user_of(request)
    token = tokens_of(user).filter(pk=pk).first()
    if token is None:
        raise Http404
    tokens.revoke_token(token, actor=person_actor(request, user), now=timezone.now())
    messages.success(request, f"The token {token.name} is revoked.")
    return redirect("account")


@never_cache
@require_POST
@login_required
def slack_code(request: HttpRequest) -> HttpResponse:
    """Show a code, this once, by which this person links their Slack user; an open session alone is not enough."""
    if not slack.has_buttons():
        raise Http404
    now = timezone.now()
    if proof := _proof_wanted(request, now):
        return proof
    try:
        code = chat.new_code(user_of(request), now=now)
    except NotAllowed as error:
        messages.error(request, error.detail)
        return redirect("account")
    return _page(request, TokenForm(), code=code)


@require_POST
@login_required
def unlink_slack(request: HttpRequest) -> HttpResponse:
    """Take this person's Slack user from their account: what it does decides nothing any more."""
    user = user_of(request)
    if chat.unlink_slack(user, actor=person_actor(request, user), now=timezone.now()):
        messages.success(request, "Your Slack user is unlinked.")
    return redirect("account")


@require_POST
@login_required
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of this person's own sessions; an open session alone is not enough for that."""
    user = user_of(request)
    if not is_fresh(request, timezone.now()):
        return _prove_first()
    if not identity.end_session(user, pk, actor=person_actor(request, user), now=timezone.now()):
        raise Http404
    messages.success(request, "That session is ended.")
    return redirect("account")


@require_POST
@login_required
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """End every session of this person, this one too, and where they tick it their personal tokens."""
    user, now = user_of(request), timezone.now()
    if not is_fresh(request, now):
        return _prove_first()
    actor = person_actor(request, user)
    if request.POST.get("tokens") == "on":
        tokens.revoke_personal_tokens(user, actor=actor, now=now)
    identity.sign_out_everywhere(user, actor=actor, now=now)
    return signed_out(request)


def _proof_wanted(request: HttpRequest, now: datetime) -> HttpResponse | None:
    """Lead to where this person proves who they are before they get something that acts as them later on; None where
    they just did."""
    if settings.SECOND_FACTOR_REQUIRED and not is_factor_fresh(request, now):
        return redirect(by_factor(reverse("account")))
    return None if is_fresh(request, now) else _prove_first()


def _prove_first() -> HttpResponse:
    """Lead to the page that asks who one is, and back to the account page."""
    return redirect(f"{reverse('confirm')}?{urlencode({'next': reverse('account')})}")


def _page(
    request: HttpRequest,
    form: TokenForm,
    *,
    status: int = 200,
    issued: ApiToken | None = None,
    secret: str = "",
    code: str = "",
) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    had = second_factors(user)
    context = {
        "sessions": identity.sessions_of(user),
        "session_key": request.session.session_key,
        "factors": [words for kind, words in FACTORS.items() if kind in had],
        "from_provider": comes_from_provider(user),
        "tokens": [token for token in tokens_of(user) if token.expires_at is None or token.expires_at > now],
        "form": form,
        "mails": is_open(Channel.MAIL),
        "issued": issued,
        "secret": secret,
        "slack": slack.has_buttons(),
        "slack_user": slack_user_of(user.pk) if slack.has_buttons() else "",
        "slack_code": code,
    }
    return render(request, "registration/account.html", context, status=status)
