"""People's users of a chat, and the end of messages there once their decision has ended."""

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from approvals.accounts.services.owners import demand_own
from approvals.errors import NotFound
from approvals.models import Decision, Status, User
from approvals.queries.decision_facts import outcome
from audit.log import Actor, Subject, record
from notifications.queries.chats import open_subjects
from notifications.services import deliveries, slack_users

SLACK = "slack"
"""How somebody authenticated whom Slack vouches for."""
NO_SUCH_CODE = (
    "That is no code of ours, it is over, or your Slack user is linked to another account. Your account page makes a "
    "new one; a user that is another account's is unlinked there first."
)


def new_code(user: User, *, now: datetime) -> str:
    """Return a code by which a person links their Slack user. Raise NotAllowed while their account is held."""
    demand_own(user)
    return slack_users.new_code(user.pk, now=now)


@transaction.atomic
def link_slack(code: str, slack_id: str, home: str, *, origin: Actor, now: datetime) -> User:
    """Link a Slack user to the person whose code this is; `origin` says where the request came from. Raise NotFound, or
    NotAllowed while their account is held."""
    key = slack_users.link(code, slack_id, home, now=now)
    user = User.objects.filter(pk=key, is_active=True).first() if key else None
    if user is None:
        transaction.set_rollback(True)
        raise NotFound(NO_SUCH_CODE)
    demand_own(user)
    actor = replace(origin, id=f"user:{user.pk}", label=user.username, authn=SLACK)
    _record("chat.linked", user, slack_id, actor, now)
    return user


@transaction.atomic
def unlink_slack(user: User, *, actor: Actor, now: datetime) -> bool:
    """Take a person's Slack user from them; return whether they had one."""
    slack_id = slack_users.unlink(user.pk)
    if slack_id:
        _record("chat.unlinked", user, slack_id, actor, now)
    return bool(slack_id)


def close_messages(now: datetime) -> int:
    """Let every message whose decision has ended say so, without buttons; return how many that are."""
    waiting = open_subjects()
    ended = (
        Decision.objects.filter(decision_id__in=waiting)
        .exclude(status=Status.PENDING)
        .select_related("decided_by_user")
    )
    return sum(deliveries.close(str(decision.decision_id), outcome(decision), now=now) for decision in ended)


def _record(type: str, user: User, slack_id: str, actor: Actor, now: datetime) -> None:
    subject = Subject("user", f"user:{user.pk}", user.username)
    record(type, actor=actor, at=now, subject=subject, data={"chat": "slack"}, aside={"slack_user": slack_id})
