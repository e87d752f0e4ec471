"""The registry of entry types: what each records and how pages show it. A type that is not here cannot be written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import words


@dataclass(frozen=True, slots=True)
class Step:
    """An entry as a step of a decision's timeline: what follows the actor's name, filled from the entry's facts. Icon
    and tone are those of the type unless the timeline has others."""

    sentence: str
    icon: str = ""
    tone: str | None = None


@dataclass(frozen=True, slots=True)
class EntryType:
    """One type: its name, what it records, its badge (icon of the sprite, tone: "" is plain) and the function of
    `words` that tells its facts in a line. Types about a decision have a step for its timeline."""

    name: str
    meaning: str
    icon: str
    tone: str
    line: Callable[[words.Data], str]
    step: Step | None = None


# fmt: off
ENTRY_TYPES = (
    EntryType("patch.submitted", "A producer pushed a patch revision; its decision is open", "queue", "info",
        words.submitted, Step("pushed revision {revision}", icon="inbox", tone="")),
    EntryType("review.recorded", "A person's verdict on a digest", "check", "info", words.review,
        Step("{verdict}", icon="user", tone="")),
    EntryType("review.withdrawn", "A person took their own verdict back", "undo", "", words.cause,
        Step("withdrew their review")),
    EntryType("comment.added", "Words on a patch", "comment", "", words.comment, Step("commented")),
    EntryType("decision.approved", "People approved", "check-disc", "success", words.cause, Step("approved: {cause}")),
    EntryType("decision.auto_approved", "A policy approved", "spark", "violet", words.cause,
        Step("approved automatically: {cause}")),
    EntryType("decision.rejected", "A person rejected", "x-disc", "danger", words.cause, Step("rejected: {category}")),
    EntryType("decision.changes_requested", "A person asked for another revision", "undo", "warning", words.cause,
        Step("asked for another revision")),
    EntryType("decision.expired", "Nobody decided in time", "clock", "warning", words.cause, Step("ended it: {cause}")),
    EntryType("decision.cancelled", "Producer or lead cancelled", "ban", "", words.cause, Step("cancelled it")),
    EntryType("decision.superseded", "A new revision took its place, or another candidate was approved", "layers",
        "info", words.cause, Step("{superseded}", tone="")),
    EntryType("decision.revoked", "A lead took an approval back", "shield-x", "danger", words.cause,
        Step("revoked the approval", icon="undo")),
    EntryType("revocation.ordered", "A lead took many approvals back: the list they looked at", "shield-x", "danger",
        words.ordered),
    EntryType("revocation.made", "Many approvals were taken back: how many", "shield-x", "danger", words.revoked_many),
    EntryType("decision.acknowledged", "A deployer acted on an item of the feed", "check", "info", words.acknowledged,
        Step("acted on position {position} of the feed: {status}", tone="")),
    EntryType("decision.deployment_reported", "A deployer said what became of a patch", "package", "info",
        words.outcome, Step("reported: {result}", tone="")),
    EntryType("decision.deployment_alarmed", "A deployer deployed what is not, or no longer, approved, or none fetched "
        "what is", "error", "danger", words.outcome, Step("{reported}{alarm}")),
    EntryType("decision.deployment_asked", "GitHub asked whether a commit may be deployed", "package", "info",
        words.deployment, Step("asked for a deployment to {environment}", tone="")),
    EntryType("decision.deployment_answered", "GitHub was told whether it may deploy", "package", "info",
        words.deployment, Step("told GitHub about {environment}: {answer}", tone="")),
    EntryType("decision.deployment_unanswered", "GitHub could not be told whether it may deploy", "error", "danger",
        words.deployment, Step("could not tell GitHub about {environment}: {fault}")),
    EntryType("delegation.started", "A person asked another to review in their name for a time", "user", "info",
        words.delegated),
    EntryType("delegation.ended", "A person ended that before its time", "user", "", words.delegated),
    EntryType("decision.escalated", "Raised to the security leads", "escalate", "warning", words.escalated,
        Step("escalated to level {level}{asked}: {cause}")),
    EntryType("decision.escalation_skipped", "A level was passed over: the patch was opened", "escalate", "",
        words.cause, Step("passed over a level of escalation: {cause}")),
    EntryType("decision.reminded", "The time to decide runs out", "hourglass", "warning", words.reminded,
        Step("reminded, {n} of {of}", icon="clock")),
    EntryType("decision.extended", "A lead gave more time", "clock", "info", words.extended,
        Step("gave more time, until {until}", tone="")),
    EntryType("decision.priority_raised", "New facts raised the priority", "arrow-up", "warning", words.raised,
        Step("raised the priority from {from} to {to}: {cause}")),
    EntryType("decision.refused", "An attempt to decide was refused", "lock", "danger", words.refused,
        Step("was refused: {why}", tone="")),
    EntryType("history.imported", "A decision that was made in another system was imported: nobody made it here",
        "download", "", words.imported),
    EntryType("policy.changed", "A policy has a new version, place or switch", "policy", "warning", words.policy),
    EntryType("proposal.made", "Somebody asked for a change that needs a second person", "download", "info",
        words.proposal),
    EntryType("proposal.applied", "A second person agreed to a change", "policy", "warning", words.proposal),
    EntryType("proposal.refused", "A second person refused a change", "lock", "warning", words.proposal),
    EntryType("proposal.withdrawn", "Somebody took back the change they had asked for", "undo", "", words.proposal),
    EntryType("bypass.asked", "A lead asked that one person may approve alone, for one patch or package, for a time",
        "key", "warning", words.bypass),
    EntryType("bypass.granted", "A second lead granted an emergency bypass", "key", "warning", words.bypass),
    EntryType("bypass.refused", "A lead refused an emergency bypass", "lock", "warning", words.bypass),
    EntryType("bypass.withdrawn", "Whoever asked for an emergency bypass took that back", "undo", "", words.bypass),
    EntryType("bypass.ended", "A lead ended an emergency bypass before its time", "key", "", words.bypass),
    EntryType("bypass.used", "Its holder approved alone under an emergency bypass", "key", "danger", words.bypass_used),
    EntryType("bypass.reviewed", "Another lead judged a use of an emergency bypass afterwards", "check", "info",
        words.bypass_reviewed),
    EntryType("attempt.refused", "Somebody tried with a bypass or a change of the rules what they may not", "lock",
        "danger", words.attempt),
    EntryType("automation.stopped", "Automatic approval was stopped for every policy", "ban", "danger", words.cause),
    EntryType("automation.started", "Automatic approval was allowed again", "spark", "violet", words.cause),
    EntryType("producer.changed", "A producer was added or its trust changed", "policy", "warning", words.producer),
    EntryType("token.issued", "An API token was issued", "key", "info", words.token),
    EntryType("token.revoked", "An API token was revoked", "shield-x", "danger", words.cause),
    EntryType("endpoint.added", "A program is told of decisions by webhook", "key", "warning", words.endpoint),
    EntryType("endpoint.changed", "Name, address, format or secret of a webhook changed", "policy", "warning",
        words.endpoint),
    EntryType("endpoint.disabled", "Nothing more is sent to a webhook until somebody enables it", "ban", "warning",
        words.why),
    EntryType("endpoint.enabled", "A webhook is called again", "check", "info", words.cause),
    EntryType("endpoint.removed", "A webhook is called no more", "shield-x", "warning", words.cause),
    EntryType("endpoint.tried", "Somebody had a test sent to a webhook", "check", "", words.cause),
    EntryType("delivery.replayed", "Deliveries that were given up are sent again", "undo", "info", words.replayed),
    EntryType("user.changed", "A person was added or their account changed", "policy", "warning", words.user),
    EntryType("group.changed", "A group's permissions or members changed", "policy", "warning", words.group),
    EntryType("login.succeeded", "A person signed in", "user", "", words.methods),
    EntryType("login.failed", "A sign-in was refused", "error", "danger", words.failed),
    EntryType("login.locked", "Tries at a password or code were turned away at a limit: how many", "lock", "danger",
        words.locked),
    EntryType("login.confirmed", "A signed-in person proved again who they are", "key", "", words.cause),
    EntryType("account.held", "An administrator changed how somebody signs in; the account decides nothing", "lock",
        "warning", words.account),
    EntryType("account.confirmed", "Its owner confirmed what an administrator changed", "key", "", words.account),
    EntryType("account.released", "An account decides again", "user", "success", words.account),
    EntryType("factor.changed", "A person's second factor was added, removed or renewed", "policy", "warning",
        words.change),
    EntryType("chat.linked", "A person linked their user of a chat: what it decides, they decide", "key", "warning",
        words.chat),
    EntryType("chat.unlinked", "A person took that back", "key", "", words.chat),
    EntryType("login.ended", "A person signed out, or a session ended", "logout", "", words.why),
    EntryType("export.made", "Somebody took a list out of the product", "download", "info", words.export),
    EntryType("kev.imported", "The catalogue of known exploited vulnerabilities was imported", "download", "",
        words.kev),
    EntryType("backup.restored", "The database was put back to an earlier time", "undo", "danger", words.restored),
)
# fmt: on
TYPES: dict[str, EntryType] = {type.name: type for type in ENTRY_TYPES}


def summary(type: str, data: dict[str, Any]) -> str:
    """Return the facts of an entry that say most, in one short line; '' where the type says all."""
    line = TYPES[type].line if type in TYPES else words.cause
    return line(data)[:160]


def badge_of(type: str) -> tuple[str, str]:
    """Return the icon and tone of an entry's badge; a type of an older release is a plain record."""
    known = TYPES.get(type)
    return (known.icon, known.tone) if known else ("audit", "")


def step_of(type: str) -> tuple[str, str, str]:
    """Return icon, tone and sentence of an entry in a decision's timeline; the bare name of a type without a step."""
    known = TYPES.get(type)
    if known is None or known.step is None:
        return "dot", "", type
    step = known.step
    return step.icon or known.icon, known.tone if step.tone is None else step.tone, step.sentence
