"""The ways out: for each channel the function that makes the message of a delivery and returns what sends it."""

from collections.abc import Callable

from notifications.answers import Answer
from notifications.answers import Send as Send
from notifications.models import Channel, Delivery

from . import mail, slack, teams, webhook

Prepare = Callable[[Delivery], Send | Answer]
"""Makes a message and returns what sends it; or, where there is nothing to send, what is to be recorded."""

CHANNELS: dict[Channel, Prepare] = {
    Channel.MAIL: mail.prepare,
    Channel.SLACK: slack.prepare,
    Channel.TEAMS: teams.prepare,
    Channel.WEBHOOK: webhook.prepare,
}


def is_open(channel: Channel) -> bool:
    """Return whether this install has such a way out: without one nothing is queued, and the inbox has everything."""
    return channel != Channel.MAIL or mail.is_set_up()


def of_team() -> tuple[Channel, ...]:
    """Return the channels by which everybody together is told, as the install has set them up."""
    wanted = {Channel.SLACK: slack.tells_team(), Channel.TEAMS: teams.tells_team()}
    return tuple(channel for channel, there in wanted.items() if there)
