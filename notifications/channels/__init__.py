"""The ways out: for each channel the function that makes the message of a delivery and returns what sends it."""

from collections.abc import Callable

from notifications.answers import Answer
from notifications.answers import Send as Send
from notifications.models import Channel, Delivery

from . import mail

Prepare = Callable[[Delivery], Send | Answer]
"""Makes a message and returns what sends it; or, where there is nothing to send, what is to be recorded."""

CHANNELS: dict[Channel, Prepare] = {Channel.MAIL: mail.prepare}


def is_open(channel: Channel) -> bool:
    """Return whether this install has such a way out: without one nothing is queued, and the inbox has everything."""
    return channel != Channel.MAIL or mail.is_set_up()
