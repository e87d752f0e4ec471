"""Slack: messages by incoming webhook or as a bot, and the calls of its Web API. One attempt a call, through the guard.

Neither way has a key by which Slack would know a message that it has taken already: where its answer is lost, the next
attempt is a second message.
"""

import json
import re
from functools import partial
from itertools import accumulate
from typing import Any

from django.conf import settings
from django.utils import timezone

from notifications.answers import Answer, Outcome, Send
from notifications.models import Delivery
from notifications.outbound import Unanswered, answer_of, call

from .messages import HEADLINE, Message, message_of

API = "https://slack.com/api/"
JSON = {"Content-Type": "application/json; charset=utf-8"}
BUTTONS = {"approve": "Approve…", "reject": "Reject…", "request_changes": "Request changes…"}
"""By the verdicts they lead to. Each opens a dialog, where the verdict is given."""
FIELDS, TEXT = 10, 2000  # fields that Slack takes in one block; characters of a field
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited", "rate_limited"}
"""What Slack answers with 200 although it may work the next time."""
GONE = {"message_not_found", "cant_update_message", "channel_not_found", "edit_window_closed"}
"""There is nothing left to change: a message that somebody deleted needs no end."""
NOT_SET_UP = "Slack is not set up for that: see SLACK_BOT_TOKEN, SLACK_CHANNEL and SLACK_WEBHOOK_URL."
NOT_LINKED = "This person has not linked their Slack user on their account page."


def tells_team() -> bool:
    """Return whether there is a channel for everybody."""
    return bool(settings.SLACK_WEBHOOK_URL or (settings.SLACK_BOT_TOKEN and settings.SLACK_CHANNEL))


def has_buttons() -> bool:
    """Return whether messages may have buttons: somebody answers them, and can change the message afterwards."""
    return bool(settings.SLACK_BOT_TOKEN and settings.SLACK_SIGNING_SECRET)


def prepare(delivery: Delivery) -> Send:
    """Return what sends a delivery: to the team, to a person, or as the end of a message sent before."""
    message = message_of(delivery, timezone.now())
    if delivery.closing and delivery.receipt:
        channel, _, ts = delivery.receipt.partition(" ")
        return partial(_close, {"channel": channel, "ts": ts, **content(message)})
    channel = settings.SLACK_CHANNEL if delivery.person is None else _slack_user(delivery)
    if settings.SLACK_BOT_TOKEN and channel:
        return partial(_by_bot, {"channel": channel, **content(message, buttons=has_buttons())})
    if settings.SLACK_WEBHOOK_URL and delivery.person is None:
        return partial(_by_webhook, content(message))
    if settings.SLACK_BOT_TOKEN and delivery.person is not None:
        return partial(Answer, Outcome.NEEDLESS, error=NOT_LINKED)
    return partial(Answer, Outcome.REFUSED, error=NOT_SET_UP)


def ask(method: str, body: dict[str, Any]) -> tuple[Answer, dict[str, Any]]:
    """Call a method of the Web API as the bot; return what came of it and what Slack says, {} where that is nothing."""
    headers = JSON | {"Authorization": f"Bearer {settings.SLACK_BOT_TOKEN}"}
    try:
        response = call(API + method, json.dumps(body).encode(), headers)
    except Unanswered as error:
        return Answer(Outcome.RETRY, error=str(error)), {}
    answer = answer_of(response)
    if answer.outcome is not Outcome.DELIVERED:
        return answer, {}
    try:
        said = json.loads(response.body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return Answer(Outcome.RETRY, response.status, "Slack's answer is not one of its Web API."), {}
    if said.get("ok") is True:
        return answer, said
    code = (
        said["error"] if re.fullmatch(r"[a-z_]{1,60}", str(said.get("error"))) else "an error that is none of its own"
    )
    outcome = Outcome.RETRY if code in PASSING else Outcome.REFUSED
    return Answer(outcome, response.status, f"Slack answers {code}."), said


def content(message: Message, *, buttons: bool = False) -> dict[str, Any]:
    """Return a message as Slack takes it: Block Kit, and one line where only that is shown. Nothing in it is markup, so
    no text makes a link, a mention or a style."""
    blocks: list[dict[str, Any]] = [{"type": "header", "text": text(message.headline, HEADLINE)}]
    said = [message.closing, message.why, message.time_left]
    blocks += [{"type": "section", "text": text(sentence)} for sentence in said if sentence]
    if message.facts:
        fields = [text(f"{label}: {value}") for label, value in message.facts[:FIELDS]]
        blocks.append({"type": "section", "fields": fields})
    page = {"type": "button", "action_id": "open", "text": text("Open the page"), "url": message.link}
    verdicts = [
        {"type": "button", "action_id": verdict, "text": text(label), "value": message.decides}
        for verdict, label in BUTTONS.items()
        if buttons and message.decides
    ]
    blocks.append({"type": "actions", "elements": [page, *verdicts]})
    line = f"{message.title}: {message.closing or message.headline}"
    return {
        "text": escaped(line, TEXT),
        "blocks": blocks,
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def text(words: str, most: int = TEXT) -> dict[str, Any]:
    """Return words as a text object of Block Kit without markup, not even `:names:` of pictures."""
    return {"type": "plain_text", "text": escaped(words, most), "emoji": False}


def escaped(words: str, most: int = TEXT) -> str:
    """Return words with the three characters replaced by which Slack knows its own markup, cut to so many characters as
    Slack may count them: after that."""
    whole = "".join(ESCAPES.get(one, one) for one in words)
    if len(whole) <= most:
        return whole
    lengths = accumulate(len(ESCAPES.get(one, one)) for one in words)
    kept = sum(length < most for length in lengths)
    return "".join(ESCAPES.get(one, one) for one in words[:kept]) + "…"


def _slack_user(delivery: Delivery) -> str:
    hours = getattr(delivery.person, "hours", None)
    return hours.slack_id if hours else ""


def _by_webhook(body: dict[str, Any]) -> Answer:
    try:
        answer = answer_of(call(settings.SLACK_WEBHOOK_URL, json.dumps(body).encode(), JSON))
    except Unanswered as error:
        return Answer(Outcome.RETRY, error=str(error))
    # Of a webhook that was removed, or whose channel is archived, nothing more will come.
    return Answer(Outcome.REFUSED, 410, answer.error) if answer.outcome is Outcome.GONE else answer


def _by_bot(body: dict[str, Any]) -> Answer:
    answer, said = ask("chat.postMessage", body)
    channel, ts = str(said.get("channel", "")), str(said.get("ts", ""))
    buttons = any("value" in element for block in body["blocks"] for element in block.get("elements", ()))
    if answer.outcome is not Outcome.DELIVERED or not (channel and ts and buttons) or len(channel) + len(ts) > 59:
        return answer
    return Answer(Outcome.DELIVERED, answer.status, receipt=f"{channel} {ts}")


def _close(body: dict[str, Any]) -> Answer:
    answer, said = ask("chat.update", body)
    return Answer(Outcome.DELIVERED, answer.status) if said.get("error") in GONE else answer
