"""What waits for a second person, as the Policies page shows it, and the buttons that agree or refuse."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from approvals.actors import person_actor
from approvals.errors import Refusal, moment
from approvals.models import AutoApproval, PolicyVersion, Proposal, User
from approvals.policy import term_table
from approvals.policy.agreeing import may_refuse, why_not_agree
from approvals.policy.deciders import MAY
from approvals.queries.deciders import rights_of, second, spelled
from approvals.services import policies, second_person, trust

from .access import policy_readers, user_of

Row = tuple[str, str, str]
"""What, as it is now, as it is asked for."""


@require_POST
@policy_readers
def decide(request: HttpRequest, proposal_id: int, answer: str) -> HttpResponse:
    """Agree to somebody's proposal, refuse it, or take back one's own."""
    acts = {"agree": second_person.agree, "refuse": second_person.refuse}
    if answer not in acts:
        raise Http404
    user = user_of(request)
    try:
        done = acts[answer](proposal_id, user=user, actor=person_actor(request, user), now=timezone.now())
        messages.success(request, f"{done}: {done.get_state_display().lower()}.")
    except Refusal as error:
        messages.error(request, error.detail)
    return redirect("policies")


def proposals_shown(proposals: QuerySet[Proposal], user: User) -> list[dict[str, Any]]:
    """Return proposals with what they change and what this person may do with them."""
    who = second(user)
    return [
        {
            "proposal": proposal,
            "changes": _changes(proposal),
            "own": proposal.proposed_by_id in who.accounts,
            "why_not": why_not_agree(proposal, who),
            "may_refuse": may_refuse(proposal, who),
        }
        for proposal in proposals
    ]


def described(version: PolicyVersion) -> dict[str, str]:
    """Return what a version says as label and words, in the order a page shows it."""
    return term_table.described(version, settings.AUTO_APPROVE_THRESHOLD)


def _changes(proposal: Proposal) -> list[Row]:
    if proposal.policy:
        return _of_policy(proposal)
    if proposal.kind == Proposal.Kind.ACCOUNT and proposal.person:
        return _of_account(proposal.person)
    if proposal.producer:
        return [(f"Trusted for its {trust.EVIDENCE[name]}", "no", "yes") for name in proposal.payload]
    if proposal.person:
        return _of_person(proposal.person, proposal.payload)
    return _of_group(proposal.group, proposal.payload) if proposal.group else []


def _of_policy(proposal: Proposal) -> list[Row]:
    if proposal.policy is None or proposal.policy.current is None:
        return []
    old = described(proposal.policy.current) | _place(policies.place_of(proposal.policy))
    wanted = PolicyVersion(**policies.from_plain(proposal.payload["terms"]))
    new = described(wanted) | _place(proposal.payload["place"])
    was, will = policies.terms_of(proposal.policy.current), proposal.payload["terms"]
    begins = proposal.payload["place"]["enabled"] and not proposal.policy.enabled
    begins |= will["auto_approval"] == AutoApproval.ENFORCE != was["auto_approval"]
    # What begins to count may have been changed by one person while it did not: then all of it is shown.
    return [(label, old[label], words) for label, words in new.items() if begins or words != old[label]]


def _place(place: dict[str, Any]) -> dict[str, str]:
    return {"Name": place["name"], "Place": str(place["position"]), "Switched on": "yes" if place["enabled"] else "no"}


def _of_person(person: User, change: dict[str, Any]) -> list[Row]:
    now = rights_of(person)
    rows = [(name.capitalize(), "no", "yes") for name in ("active", "staff", "superuser") if change.get(name)]
    if joins := change.get("groups"):
        rows.append(("Groups", _listed(now.groups), _listed(now.groups | set(joins))))
    return rows


def _of_account(person: User) -> list[Row]:
    at = person.owner_confirmed_at
    return [("Decides", "no", "yes"), ("Confirmed by its owner", f"yes, at {moment(at)}" if at else "not yet", "yes")]


def _of_group(group: Group, change: dict[str, Any]) -> list[Row]:
    now = spelled(group.permissions.all()) & MAY.keys()
    members = ", ".join(sorted(map(str, group.user_set.all()))) or "nobody"
    return [("Members", members, members), ("Members may", _may(now), _may(now | set(change["permissions"])))]


def _may(permissions: set[str] | frozenset[str]) -> str:
    return ", ".join(words for name, words in MAY.items() if name in permissions) or "none of this"


def _listed(names: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
