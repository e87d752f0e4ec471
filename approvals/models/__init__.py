"""The data model, one noun a file."""

from .absence import Delegation
from .access import EXTRA_SCOPES, SCOPES, ApiToken, Attempt, Lockout, Producer, TokenKind
from .bypass import LONGEST_BYPASS, Bypass, BypassReview
from .cve import KnownExploited
from .decision import (
    NO_DEADLINE,
    Acknowledgement,
    Category,
    Channel,
    DeciderKind,
    Decision,
    FeedEntry,
    Priority,
    Revocation,
    Status,
)
from .deployment import (
    REPORTED_ALARMS,
    DeployerCursor,
    DeploymentAlarm,
    DeploymentRequest,
    DeploymentResult,
    DiffFetch,
    OutcomeReport,
    RaisedAlarm,
)
from .gate import Gate
from .idempotency import KeptAnswer
from .imported import IMPORTED_OUTCOMES, MAX_NAME, ImportedDecision, Source
from .patch import Patch, PatchContent, PatchKind, PatchView, RiskLevel, Severity, Strategy, Wargaming
from .policy import AutoApproval, ExpireAction, Policy, PolicyVersion
from .proposal import KillSwitch, Proposal
from .review import Comment, Displayed, Review, Side, Verdict
from .text import MAX_COMMENT, MAX_REASON, MOST_COMMENTS, Text
from .user import Theme, User
from .waiting import Voice, Waiting
from .workbench import Presence, SavedView, ViewedFile
from .worker import Heartbeat, KeyFigures

__all__ = [
    "EXTRA_SCOPES",
    "IMPORTED_OUTCOMES",
    "LONGEST_BYPASS",
    "MAX_COMMENT",
    "MAX_NAME",
    "MAX_REASON",
    "MOST_COMMENTS",
    "NO_DEADLINE",
    "REPORTED_ALARMS",
    "SCOPES",
    "Acknowledgement",
    "ApiToken",
    "Attempt",
    "AutoApproval",
    "Bypass",
    "BypassReview",
    "Category",
    "Channel",
    "Comment",
    "DeciderKind",
    "Decision",
    "Delegation",
    "DeployerCursor",
    "DeploymentAlarm",
    "DeploymentRequest",
    "DeploymentResult",
    "DiffFetch",
    "Displayed",
    "ExpireAction",
    "FeedEntry",
    "Gate",
    "Heartbeat",
    "ImportedDecision",
    "KeptAnswer",
    "KeyFigures",
    "KillSwitch",
    "KnownExploited",
    "Lockout",
    "OutcomeReport",
    "Patch",
    "PatchContent",
    "PatchKind",
    "PatchView",
    "Policy",
    "PolicyVersion",
    "Presence",
    "Priority",
    "Producer",
    "Proposal",
    "RaisedAlarm",
    "Review",
    "Revocation",
    "RiskLevel",
    "SavedView",
    "Severity",
    "Side",
    "Source",
    "Status",
    "Strategy",
    "Text",
    "Theme",
    "TokenKind",
    "User",
    "Verdict",
    "ViewedFile",
    "Voice",
    "Waiting",
    "Wargaming",
]
