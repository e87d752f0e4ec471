"""The kinds of notices: what each says, and how people hear of it who chose nothing. Pure."""

from dataclasses import dataclass

from .models import When


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `title` names it where people choose, `meaning` says when it comes. `asks` somebody to act, so it is
    settled once nobody needs to any more; `to_team` goes to the channels of the whole team too."""

    name: str
    title: str
    meaning: str
    when: When = When.AT_ONCE
    asks: bool = False
    to_team: bool = False


# fmt: off
ALL_KINDS = (
    Kind("decision_required", "Decision required", "a patch waits and you are one of those asked first", asks=True),
    Kind("urgent", "Time runs out", "the SLA of a patch that you may decide ends soon", asks=True, to_team=True),
    Kind("reminder", "Reminder", "50, 80 or 95 % of the time until a patch expires are over", asks=True),
    Kind("escalated", "Escalated", "a patch was raised to your level", asks=True, to_team=True),
    Kind("approvals_fell", "Your approval fell", "a new revision came, and your approval was of the one before",
        asks=True),
    Kind("changes_requested", "Changes requested", "a reviewer asked for another revision of a patch of yours"),
    Kind("decided", "Decided", "a patch of yours, or one that you reviewed, was decided", when=When.DIGEST),
    Kind("expired", "Expired", "nobody decided in time on a patch that you were asked about", when=When.DIGEST),
    Kind("revoked", "Approval revoked", "an approval of yours, or of a patch of yours, was taken back", to_team=True),
    Kind("stand_in", "Asked to stand in", "somebody asked you to review in their name"),
    Kind("second_person", "Second person needed", "a change or an emergency bypass needs somebody to agree", asks=True),
    Kind("bypass_granted", "Bypass granted", "an emergency bypass was granted to you, or by the leads", to_team=True),
    Kind("bypass_used", "Bypass used", "somebody approved alone under an emergency bypass", to_team=True),
    Kind("deployment_alarm", "Deployment alarm", "what runs is not what was approved", to_team=True),
    Kind("daily_digest", "Daily digest", "what you chose to hear of once a day"),
    Kind("weekly_digest", "Weekly digest", "what waits, what was decided and how long it took, once a week",
        when=When.NEVER),
    Kind("summary", "Summary", "the notices beyond your limit, in one"),
)
# fmt: on
KINDS: dict[str, Kind] = {kind.name: kind for kind in ALL_KINDS}
ASKING = [kind.name for kind in ALL_KINDS if kind.asks]
COLLECTED = ("daily_digest", "weekly_digest", "summary")
"""Kinds that gather others; nobody is told of them one by one."""
