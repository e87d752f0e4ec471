"""The data model, one noun a file."""

from .access import EXTRA_SCOPES, SCOPES, ApiToken, Producer, TokenKind
from .cve import KnownExploited
from .decision import (
    NO_DEADLINE,
    Category,
    Channel,
    DeciderKind,
    Decision,
    FeedEntry,
    Priority,
    Revocation,
    Status,
)
from .idempotency import KeptAnswer
from .patch import Patch, PatchContent, PatchKind, PatchView, RiskLevel, Severity, Strategy, Wargaming
from .policy import AutoApproval, ExpireAction, Policy, PolicyVersion
from .review import Comment, Displayed, Review, Side, Verdict
from .text import Text
from .user import Theme, User
from .waiting import Waiting
from .workbench import Presence, SavedView, ViewedFile
from .worker import Heartbeat, KeyFigures

__all__ = [
    "EXTRA_SCOPES",
    "NO_DEADLINE",
    "SCOPES",
    "ApiToken",
    "AutoApproval",
    "Category",
    "Channel",
    "Comment",
    "DeciderKind",
    "Decision",
    "Displayed",
    "ExpireAction",
    "FeedEntry",
    "Heartbeat",
    "KeptAnswer",
    "KeyFigures",
    "KnownExploited",
    "Patch",
    "PatchContent",
    "PatchKind",
    "PatchView",
    "Policy",
    "PolicyVersion",
    "Presence",
    "Priority",
    "Producer",
    "Review",
    "Revocation",
    "RiskLevel",
    "SavedView",
    "Severity",
    "Side",
    "Status",
    "Strategy",
    "Text",
    "Theme",
    "TokenKind",
    "User",
    "Verdict",
    "ViewedFile",
    "Waiting",
    "Wargaming",
]
