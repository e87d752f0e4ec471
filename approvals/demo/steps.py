"""What can happen in the generated history. Steps name people by user name."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .gates import DemoGate

Key = tuple[str, str]
"""A patch by producer and `patch_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A producer pushes intake documents at once."""

    at: datetime
    producer: str
    documents: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A workflow asks for an approval."""

    at: datetime
    producer: str
    gate: DemoGate


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something done to the newest revision of one patch."""

    at: datetime
    patch: Key
    who: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Act):
    """`verdict` and `category` are the words of the API; `seconds_open` is how long the page was open before."""

    verdict: str
    category: str = ""
    seconds_open: float
    on_card: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark(Act):
    """A comment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation(Act):
    """A reviewer asks for a lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation(Act):
    """The producer takes its patch back; `who` is the producer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation(Act):
    """A lead takes an approval back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(Act):
    """The deployer fetches an approved patch and says what became of it; `result` is a word of the API."""

    result: str


Step = Arrival | Asking | Verdict | Remark | Escalation | Cancellation | Revocation | Deployment
