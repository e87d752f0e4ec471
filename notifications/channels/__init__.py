"""The ways out: for each channel the function that makes the message of a delivery and returns what sends it."""

from collections.abc import Callable

from notifications.answers import Send
from notifications.models import Channel, Delivery

from . import slack, teams, webhook

Prepare = Callable[[Delivery], Send]

CHANNELS: dict[Channel, Prepare] = {
    Channel.SLACK: slack.prepare,
    Channel.TEAMS: teams.prepare,
    Channel.WEBHOOK: webhook.prepare,
}


def of_team() -> tuple[Channel, ...]:
    """Return the channels by which everybody together is told, as the install has set them up."""
    wanted = {Channel.SLACK: slack.tells_team(), Channel.TEAMS: teams.tells_team()}
    return tuple(channel for channel, there in wanted.items() if there)
