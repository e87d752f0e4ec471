"""Approvals: signed-in people, and the decisions they approve."""

from dataclasses import dataclass
from importlib import import_module
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group
from django.middleware.csrf import _get_new_csrf_string

from approvals.models import Decision, Priority, Status, User
from benchmarks.scale import load


@dataclass(frozen=True)
class Reviewer:
    """A person with a session, as cookies."""

    user: User
    session: str
    csrf: str


@dataclass(frozen=True)
class Item:
    """A pending decision that one approval ends."""

    key: int
    decision_id: UUID
    patch_id: str
    sha256: str

    @property
    def path(self) -> str:
        return f"/patches/{self.decision_id}"


def reviewers(number: int) -> list[Reviewer]:
    """Make people who may decide, each with a session of their own."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    people = []
    for one in range(number):
        user = User.objects.create_user(f"reviewer-{one}", f"reviewer-{one}@example.org")
        user.groups.add(Group.objects.get(name="reviewer"))
        session = store()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        people.append(Reviewer(user, session.session_key, _get_new_csrf_string()))
    return people


def pending(number: int) -> list[Item]:
    """Return pending decisions that need one approval; `number` of them or fewer."""
    rows = (
        Decision.objects.filter(status=Status.PENDING, required_approvals=1, priority__lt=Priority.CRITICAL)
        .order_by("-pk")
        .values_list("pk", "decision_id", "patch__patch_id", "patch__sha256")
    )
    return [Item(*row) for row in rows[:number]]


def request(item: Item, person: Reviewer) -> bytes:
    return load.request(
        "POST",
        f"/hitl/patches/{item.patch_id}/approve",
        {"decision_id": str(item.decision_id), "patch_sha256": item.sha256},
        Cookie=f"sessionid={person.session}; csrftoken={person.csrf}",
        X_CSRFToken=person.csrf,
    )
