"""Microsoft Teams: an adaptive card to the team, by the webhook of a workflow. One attempt a call, by the guard."""

import json
from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone

from notifications.answers import Answer, Outcome, Send
from notifications.models import Delivery
from notifications.outbound import Unanswered, answer_of, call

from .messages import Message, message_of

CARD = "application/vnd.microsoft.card.adaptive"
NOT_SET_UP = "Teams is not set up: see TEAMS_WEBHOOK_URL."
TO_NOBODY = "A workflow of Teams tells the team, not a person."


def tells_team() -> bool:
    """Return whether there is a channel for everybody."""
    return bool(settings.TEAMS_WEBHOOK_URL)


def prepare(delivery: Delivery) -> Send:
    """Return what sends a delivery to the team."""
    if delivery.person_id is not None:
        return partial(Answer, Outcome.NEEDLESS, error=TO_NOBODY)
    if not tells_team():
        return partial(Answer, Outcome.REFUSED, error=NOT_SET_UP)
    return partial(_send, card(message_of(delivery, timezone.now())))


def card(message: Message) -> dict[str, Any]:
    """Return a message as a workflow takes it. All words are runs of text, the one element of a card that knows no
    Markdown, so that no text makes a link or a style."""
    body = [words(message.title, size="small", isSubtle=True), words(message.headline, size="large", weight="bolder")]
    body += [words(sentence) for sentence in (message.why, message.time_left) if sentence]
    body += [words(f"{label}: {value}") for label, value in message.facts]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open the page", "url": message.link}],
    }
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": content}]}


def words(text: str, **style: Any) -> dict[str, Any]:
    """Return words as an element of a card."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def _send(body: dict[str, Any]) -> Answer:
    try:
        answer = answer_of(
            call(settings.TEAMS_WEBHOOK_URL, json.dumps(body).encode(), {"Content-Type": "application/json"})
        )
    except Unanswered as error:
        return Answer(Outcome.RETRY, error=str(error))
    return Answer(Outcome.REFUSED, 410, answer.error) if answer.outcome is Outcome.GONE else answer
