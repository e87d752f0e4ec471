"""The ways out: for each channel the function that makes the message of a delivery and returns what sends it."""

from collections.abc import Callable

from notifications.answers import Answer
from notifications.models import Channel, Delivery

Send = Callable[[], Answer]
"""Sends one message; runs in a thread of its own, so it asks the database nothing."""
Prepare = Callable[[Delivery], Send]

CHANNELS: dict[Channel, Prepare] = {}
