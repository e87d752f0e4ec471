"""What Slack sends: a button that was pressed, a dialog that was sent, a command. Slack signs each; who may decide is
for the rules of `policy.rules`, as everywhere."""

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
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
        payload = json.loads(request.POST["payload"])
        kind, user = payload["type"], _person(payload)
        if kind == "view_submission" and payload["view"]["callback_id"] == dialogs.CALLBACK:
            opened = dialogs.Opened(*json.loads(payload["view"]["private_metadata"]))
            return JsonResponse(_submit(request, user, opened, _sent(payload["view"]["state"]["values"]), now))
        pressed = payload["actions"][0] if kind == "block_actions" else {}
        if pressed.get("action_id") not in Verdict.values:
            return HttpResponse()  # the link to the page, too, is a button that tells of itself
        trigger, decision_id, verdict = payload["trigger_id"], pressed["value"], Verdict(pressed["action_id"])
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return HttpResponse("That is not what Slack sends.\n", status=400, content_type="text/plain")
    answer, _ = ask("views.open", {"trigger_id": trigger, "view": _dialog(user, decision_id, verdict, now)})
    if answer.error:
        log.warning("Slack opened no dialog: %s", answer.error)
    return HttpResponse(status=502 if answer.error else 200)
