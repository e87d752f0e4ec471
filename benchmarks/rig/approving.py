"""Approvals: signed-in people, the decisions they approve, and the same rows as a pgbench script."""

import re
from dataclasses import dataclass
from importlib import import_module
from unittest.mock import patch
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group
from django.db import connection
from django.middleware.csrf import _get_new_csrf_string
from django.utils import timezone

from approvals.actors import command
from approvals.models import Channel, Decision, Displayed, Priority, Status, User, Verdict
from approvals.services.reviews import Seen, review

from . import load, pgbench

NEXT_ITEM = r"""
\set counter :counter + 1
\set number :client_id * 1000000 + :counter
begin;
select decision_pk as pk, decision_uuid as uuid, sha256 as sha from bench_todo where number = :number \gset
"""


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
        .exclude(patch__producer__name="pgbench")
        .order_by("-pk")
        .values_list("pk", "decision_id", "patch__patch_id", "patch__sha256")
    )
    return [Item(*row) for row in rows[:number]]


def all_pending() -> list[Item]:
    """Return every pending decision, oldest first."""
    rows = Decision.objects.filter(status=Status.PENDING).order_by("pk")
    return [Item(*row) for row in rows.values_list("pk", "decision_id", "patch__patch_id", "patch__sha256")]


def request(item: Item, person: Reviewer) -> bytes:
    return load.request(
        "POST",
        f"/hitl/patches/{item.patch_id}/approve",
        {"decision_id": str(item.decision_id), "patch_sha256": item.sha256},
        Cookie=f"sessionid={person.session}; csrftoken={person.csrf}",
        X_CSRFToken=person.csrf,
    )


def script(todo: list[Item], person: Reviewer, clients: int) -> str:
    """Return the writes of one approval; each client takes its own items from a table made for it here."""
    with connection.cursor() as cursor:
        cursor.execute("drop table if exists bench_todo")
        cursor.execute(
            "create table bench_todo (number int primary key, decision_pk bigint, decision_uuid text, sha256 text)"
        )
        cursor.executemany(
            "insert into bench_todo values (%s, %s, %s, %s)",
            [
                [number % clients * 1_000_000 + number // clients + 1, item.key, str(item.decision_id), item.sha256]
                for number, item in enumerate(todo)
            ],
        )
        cursor.execute("analyze bench_todo")
    made = _recorded(todo[-1], person)
    connection.close()
    return made


def _recorded(item: Item, person: Reviewer) -> str:
    with pgbench.recorded() as statements, patch("approvals.services.reviews.insert", pgbench.plainly):
        review(
            item.decision_id,
            Verdict.APPROVE,
            user=person.user,
            actor=command("bench"),
            seen=Seen(item.sha256, Displayed.API, Channel.API),
            now=timezone.now(),
        )
        with connection.cursor() as cursor:
            cursor.execute("select uuid from audit_entry where object_id = %s", [str(item.decision_id)])
            entries = [form for (entry,) in cursor.fetchall() for form in (str(entry), entry.hex)]
    lines = [NEXT_ITEM]
    for statement in statements:
        for entry in entries:
            statement = statement.replace(f"'{entry}'", "gen_random_uuid()")
        statement = statement.replace(str(item.decision_id), ":uuid").replace(item.sha256, ":sha")
        lines.append(re.sub(rf"\b{item.key}\b", ":pk", statement) + ";")
    return "\n".join([*lines, "commit;\n"])
