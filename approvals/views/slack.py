"""What Slack sends: a button that was pressed, a dialog that was sent, a command. Slack signs each; who may decide is
for the rules of `policy.rules`, as everywhere."""

import hashlib
import hmac
import json
import logging
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from approvals.actors import nobody, person_actor
from approvals.errors import Conflict, Invalid, NotFound, Refusal
from approvals.models import Channel, Displayed, User, Verdict
from approvals.permissions import VIEW_DECISION
from approvals.policy.rules import Intent, refusal
from approvals.queries import decisions as find
from approvals.queries.decision_facts import decision_facts
from approvals.queries.verdict_context import verdict_context
from approvals.services import chat, idempotency, reviews
from notifications.answers import Outcome
from notifications.channels.slack import ask, escaped
from notifications.queries.chats import person_of_slack

from . import slack_dialogs as dialogs
from .decide import sentence_of

log = logging.getLogger(__name__)

WINDOW = 300  # seconds that Slack's clock and ours may differ, and that a message is new
NOT_LINKED = (
    "Your Slack user is not linked to an account of HITL. Your account page there shows a code: send it here as "
    "/hitl link CODE."
)
HELP = "Send /hitl link CODE with the code that your account page shows."
NO_SIGHT = "Your groups do not show patches."


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button of a message: who pressed it, and which dialog it leads to while the trigger is new."""

    user: User | None
    decision_id: str
    verdict: Verdict
    trigger: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A dialog that was sent: by whom, what it was opened for, and what was typed and chosen in it."""

    user: User | None
    opened: dialogs.Opened
    text: str
    category: str


@csrf_exempt  # no browser sends this, and no cookie counts
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Answer Slack within the three seconds that it waits. What is not signed, or came before, changes nothing."""
    now = timezone.now()
    if not settings.SLACK_SIGNING_SECRET:
        raise Http404
    if not is_slacks(request, now):
        return HttpResponse("Slack did not sign this, or it came before.\n", status=401, content_type="text/plain")
    if "command" in request.POST:
        return JsonResponse({"response_type": "ephemeral", "text": escaped(_command(request, now))})
    try:
        came = read(json.loads(request.POST["payload"]))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return HttpResponse("That is not what Slack sends.\n", status=400, content_type="text/plain")
    if isinstance(came, Sent):
        return JsonResponse(_decide(request, came, now))
    return _open(came, now) if came else HttpResponse()


def is_slacks(request: HttpRequest, now: datetime) -> bool:
    """Return whether Slack signed this body within the window and it comes for the first time
    (https://docs.slack.dev/authentication/verifying-requests-from-slack)."""
    at, signature = (request.headers.get(f"X-Slack-{name}", "") for name in ("Request-Timestamp", "Signature"))
    if not re.fullmatch(r"[0-9]{1,12}", at) or abs(now.timestamp() - int(at)) > WINDOW:
        return False
    signed = b"v0:" + at.encode() + b":" + request.body
    expected = "v0=" + hmac.new(settings.SLACK_SIGNING_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return False
    return idempotency.is_first("slack", request.path, expected, now)


def read(payload: dict[str, Any]) -> Pressed | Sent | None:
    """Return what somebody did; None where there is nothing to do. Raise KeyError, IndexError, TypeError,
    AttributeError or ValueError for what is not as Slack sends it."""
    kind = payload["type"]
    if kind == "view_submission" and payload["view"]["callback_id"] == dialogs.CALLBACK:
        opened = dialogs.Opened.read(payload["view"]["private_metadata"])
        values = payload["view"]["state"]["values"]
        chosen = values.get("category", {}).get("category", {}).get("selected_option")
        return Sent(_person(payload), opened, values["text"]["text"]["value"] or "", chosen["value"] if chosen else "")
    button = payload["actions"][0] if kind == "block_actions" else {}
    if button.get("action_id") not in Verdict.values:
        return None  # the link to the page, too, is a button that tells of itself
    return Pressed(_person(payload), str(button["value"]), Verdict(button["action_id"]), str(payload["trigger_id"]))


def _open(pressed: Pressed, now: datetime) -> HttpResponse:
    answer, _ = ask("views.open", {"trigger_id": pressed.trigger, "view": _dialog(pressed, now)})
    if answer.outcome is not Outcome.DELIVERED:
        log.warning("Slack opened no dialog: %s", answer.error)
        return HttpResponse(status=502)  # so that Slack says that it did not work
    return HttpResponse()


def _dialog(pressed: Pressed, now: datetime) -> dict[str, Any]:
    """Return the dialog, by the rules that the verdict itself is asked of later."""
    title = dialogs.TITLES[pressed.verdict]
    if pressed.user is None:
        return dialogs.told(title, NOT_LINKED)
    try:
        decision = find.by_id(pressed.decision_id)
    except (NotFound, Conflict):
        return dialogs.told(title, "There is no such patch any more.")
    context = verdict_context(decision, pressed.user, chat.SLACK, now)
    if VIEW_DECISION not in context.reviewer.permissions:
        return dialogs.told(title, NO_SIGHT)
    intent = Intent(pressed.verdict, decision.patch.sha256, Displayed.CHAT, context.opened)
    if sentence := refusal(decision_facts(decision, context.live), context.reviewer, intent, now):
        return dialogs.refused_dialog(decision, pressed.verdict, sentence, now)
    return dialogs.verdict_dialog(decision, pressed.verdict, now)


def _decide(request: HttpRequest, sent: Sent, now: datetime) -> dict[str, Any]:
    """Give the verdict on the digest that the dialog showed; return Slack's word for what becomes of the dialog."""
    verdict, opened = sent.opened.verdict, sent.opened
    if sent.user is None:
        return _update(dialogs.told(dialogs.TITLES[verdict], NOT_LINKED))
    try:
        decision = reviews.review(
            opened.decision_id,
            verdict,
            user=sent.user,
            actor=person_actor(request, sent.user, chat.SLACK),
            seen=reviews.Seen(opened.sha256, Displayed.CHAT, Channel.CHAT, opened.at),
            now=now,
            text=sent.text,
            category=sent.category,
        )
    except Invalid as error:
        wrong = "category" if any("category" in each["loc"] for each in error.errors or ()) else "text"
        return {"response_action": "errors", "errors": {wrong: error.detail}}
    except Refusal as error:
        return _update(dialogs.told(error.title, error.detail, opened.decision_id))
    return _update(dialogs.told("Done", sentence_of(decision, verdict), opened.decision_id))


def _update(view: dict[str, Any]) -> dict[str, Any]:
    return {"response_action": "update", "view": view}


def _command(request: HttpRequest, now: datetime) -> str:
    """Return what a command answers to whoever sent it, and to them alone."""
    word, _, code = request.POST.get("text", "").strip().partition(" ")
    slack_id, home = (
        request.POST.get("user_id", ""),
        request.POST.get("enterprise_id") or request.POST.get("team_id", ""),
    )
    if word != "link" or not (slack_id and home):
        return HELP
    try:
        user = chat.link_slack(code, slack_id[:30], home[:30], origin=nobody(request), now=now)
    except Refusal as error:
        return error.detail
    return f"Your Slack user is linked to the account of {user}. Whoever uses it decides in that name."


def _person(payload: dict[str, Any]) -> User | None:
    """Return whose Slack user acts. User ids are of a workspace, or of the organisation that it belongs to."""
    user, organisation = payload["user"], payload.get("enterprise") or {}
    home = organisation.get("id") or user.get("team_id") or payload["team"]["id"]
    person = person_of_slack(user["id"], home)
    return User.objects.filter(pk=person, is_active=True).first() if person else None
