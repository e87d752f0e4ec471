"""The ways out: for each channel the function that makes the message of a delivery and returns what sends it."""

from collections.abc import Callable

from notifications.answers import Send
from notifications.models import Channel, Delivery

from . import webhook

Prepare = Callable[[Delivery], Send]

CHANNELS: dict[Channel, Prepare] = {Channel.WEBHOOK: webhook.prepare}
