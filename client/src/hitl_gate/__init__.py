"""The client of HITL: submit patches, ask for approvals, wait for decisions, follow the feed. Standard library only."""

from .answers import Approval, Decision, FeedItem, Objection, Submission, Trace
from .errors import DeploymentAlarm, FeedGap, GateError, NotDecided, NotReachable, Refused, WrongBytes
from .gate import Gate

__all__ = [
    "Approval",
    "Decision",
    "DeploymentAlarm",
    "FeedGap",
    "FeedItem",
    "Gate",
    "GateError",
    "NotDecided",
    "NotReachable",
    "Objection",
    "Refused",
    "Submission",
    "Trace",
    "WrongBytes",
]
