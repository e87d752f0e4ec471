"""Transactions that lock several decisions take them in one order: none ends in a deadlock."""

import time
from collections.abc import Callable
from threading import Event
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.errors import NotFound
from approvals.models import Decision, Producer, Status
from approvals.services.decision_lock import lock_decision, lock_decisions, lock_free_decisions
from approvals.services.intake import Submission, submit_all
from tests.cast import DIFF, SYSTEM, document

from .together import PATIENCE_SECONDS, at_once

pytestmark = pytest.mark.django_db(transaction=True)

MakePatch = Callable[..., Decision]
OTHER_DIFF = DIFF.replace("select %s", "select ?")


def revisions(*patch_ids: str) -> list[Submission]:
    sent = [document(patch_id=patch_id, diff=OTHER_DIFF) for patch_id in patch_ids]
    return [submission_of(IntakeDocument.model_validate(one)) for one in sent]


def wait_until_somebody_waits() -> None:
    until = time.monotonic() + PATIENCE_SECONDS / 3
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_locks where not granted")
            if cursor.fetchall():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited for a lock")


def test_revisions_lock_what_they_replace_by_key_in_whatever_order_they_come(
    make_patch: MakePatch, producer: Producer
) -> None:
    first, second = make_patch(patch_id="PATCH-1"), make_patch(patch_id="PATCH-2")

    held = Event()

    def hold_both() -> None:
        with transaction.atomic():
            lock_decision(first.decision_id)
            held.set()
            wait_until_somebody_waits()
            lock_decision(second.decision_id)

    def send() -> None:
        held.wait(PATIENCE_SECONDS)
        submit_all(revisions("PATCH-2", "PATCH-1"), producer=producer, actor=SYSTEM, now=timezone.now())

    at_once(hold_both, send)
    statuses = Decision.objects.filter(pk__in=[first.pk, second.pk]).values_list("status", flat=True)
    assert list(statuses) == [Status.SUPERSEDED, Status.SUPERSEDED]


def test_any_number_of_revisions_lock_with_one_statement(make_patch: MakePatch, producer: Producer) -> None:
    patch_ids = [make_patch().patch.patch_id for _ in range(3)]
    with CaptureQueriesContext(connection) as captured:
        submit_all(revisions(*patch_ids), producer=producer, actor=SYSTEM, now=timezone.now())
    assert sum("FOR UPDATE" in query["sql"] for query in captured.captured_queries) == 1
    with CaptureQueriesContext(connection) as captured:
        submit_all(revisions(*patch_ids), producer=producer, actor=SYSTEM, now=timezone.now())  # replays
    assert not any("FOR UPDATE" in query["sql"] for query in captured.captured_queries)


def test_the_locks_wait_or_skip_and_know_what_is_not_there(make_patch: MakePatch) -> None:
    first, second = make_patch(), make_patch()
    rows = Decision.objects.order_by("-id")
    held = Event()
    free: list[Decision] = []
    in_order: list[Decision] = []

    def hold_first() -> None:
        with transaction.atomic():
            lock_decision(first.decision_id)
            held.set()
            wait_until_somebody_waits()
            assert in_order == []

    def skip_and_wait() -> None:
        held.wait(PATIENCE_SECONDS)
        with transaction.atomic():
            free.extend(lock_free_decisions(rows, 10))
        with transaction.atomic():
            in_order.extend(lock_decisions(rows))

    at_once(hold_first, skip_and_wait)
    assert free == [second]
    assert in_order == [first, second]
    with transaction.atomic(), pytest.raises(NotFound):
        lock_decision(uuid4())
