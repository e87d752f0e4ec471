"""Who may make a proposal so, or refuse it: pure, for the page that shows it and the service that enforces it."""

from dataclasses import dataclass

from approvals.models import Proposal


@dataclass(frozen=True, slots=True)
class Second:
    """What counts of somebody who would agree: their rights, every account of theirs, and the groups of all these."""

    lead: bool
    superuser: bool
    changes_policies: bool
    accounts: frozenset[int]
    groups: frozenset[int]
    held: str = ""
    leads: bool = True
    """Whether there is a lead at all whose account decides."""


def why_not_agree(proposal: Proposal, who: Second) -> str | None:
    """Return why this person may not make a proposal so."""
    if sentence := lacks_right(proposal, who):
        return sentence
    if proposal.proposed_by_id in who.accounts:
        return "You asked for this change, so a second person must agree to it."
    if proposal.person_id in who.accounts:
        return "You would gain by this change, so somebody else must agree to it."
    if proposal.kind == Proposal.Kind.ACCOUNT and (sentence := _account(proposal, who)):
        return sentence
    if proposal.group_id in who.groups:
        return "You are in this group, so somebody who is not must agree to it."
    return None


def _account(proposal: Proposal, who: Second) -> str | None:
    """Whoever sends the way in must not agree; and a word given before the owner's could be used by somebody else."""
    if who.accounts & set(proposal.payload["by"]):
        return "You changed how they sign in, so a second person must agree to it."
    if proposal.person and proposal.person.owner_confirmed_at is None:
        return "They have not confirmed it yet. Once they have, ask them whether it was they who did, and agree then."
    return None


def may_refuse(proposal: Proposal, who: Second) -> bool:
    """Return whether they may take it back or refuse it."""
    return proposal.proposed_by_id in who.accounts or lacks_right(proposal, who) is None


def lacks_right(proposal: Proposal, who: Second) -> str | None:
    """Return why a person may neither agree to such a proposal nor refuse it."""
    if who.held:
        return who.held
    if proposal.kind == Proposal.Kind.POLICY:
        return None if who.changes_policies else "Only policy administrators and security leads agree to a policy."
    if proposal.kind == Proposal.Kind.KILL_SWITCH:
        return None if who.lead else "Only security leads switch automatic approval on."
    if proposal.kind == Proposal.Kind.ACCOUNT and who.leads and not who.lead:
        return "Only security leads agree that an account decides again."
    # A new install has administrators and no lead yet.
    return None if who.lead or who.superuser else "Only security leads and superusers agree to more rights."
