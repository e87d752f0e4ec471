"""Patches that one producer sends at the same moment are written together, each as if it had come alone."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event
from typing import Any

import pytest
from django.db import DataError, connection
from django.utils import timezone

from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.errors import Invalid
from approvals.models import Decision, Producer
from approvals.services import together
from approvals.services.intake import Submission, SubmissionResult, submit_all
from audit.log import Actor
from audit.models import ActorKind, Context, Entry
from tests.cast import SYSTEM, document

from .together import PATIENCE_SECONDS, at_once

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 6
Told = SubmissionResult | Exception


def sent(**given: Any) -> Submission:
    return submission_of(IntakeDocument.model_validate(document(**given)))


def send(submission: Submission, producer: Producer, actor: Actor = SYSTEM) -> Told:
    try:
        return together.submit(submission, producer=producer, actor=actor, now=timezone.now())
    except Exception as error:
        return error


class Crowd:
    """Writes the first patch slowly, while others come; notes how many each transaction took."""

    def __init__(self, producer: Producer, monkeypatch: pytest.MonkeyPatch, refused: str = "") -> None:
        self.producer, self.refused, self.sizes, self.begun = producer, refused, list[int](), Event()
        self.others = 0
        monkeypatch.setattr(together, "submit_all", self._write)

    def _write(self, submissions: Sequence[Submission], **more: Any) -> Any:
        self.sizes.append(len(submissions))
        if len(self.sizes) == 1:
            self.begun.set()
            until = time.monotonic() + PATIENCE_SECONDS / 3
            while len(together.line_of(self.producer).waiting) < self.others and time.monotonic() < until:
                time.sleep(0.005)
        if any(submission.patch_id == self.refused for submission in submissions):
            raise DataError("value too long")
        return submit_all(submissions, **more)

    def sends(self, *calls: Callable[[], Told]) -> list[Told]:
        """Make the calls while a patch of the producer is being written, and return what they are told."""
        self.others = len(calls)
        return at_once(partial(send, sent(patch_id="FIRST"), self.producer), *(partial(self._then, c) for c in calls))[
            1:
        ]

    def _then(self, call: Callable[[], Told]) -> Told:
        self.begun.wait(PATIENCE_SECONDS)
        return call()


def caller(number: int) -> Actor:
    return Actor(f"service:{number}", ActorKind.SERVICE, f"caller {number}", "token", request_id=f"request-{number}")


def test_what_came_meanwhile_is_written_in_one_transaction_under_the_name_of_each_caller(producer, monkeypatch):
    crowd = Crowd(producer, monkeypatch)
    calls = [partial(send, sent(patch_id=f"P-{number}"), producer, caller(number)) for number in range(CROWD)]
    told = crowd.sends(*calls)
    assert crowd.sizes == [1, CROWD]
    for number, result in enumerate(told):
        assert isinstance(result, SubmissionResult)
        assert (result.created, result.decision.patch.patch_id) == (True, f"P-{number}")
        entry = Entry.objects.get(object_id=str(result.decision.decision_id))
        assert entry.actor_id == f"service:{number}"
        assert f'"request":{{"id":"request-{number}"}}'.encode() in bytes(entry.body)
        assert Context.objects.get(entry=entry).actor_label == f"caller {number}"


def test_two_revisions_that_come_at_once_follow_each_other(producer, monkeypatch):
    crowd = Crowd(producer, monkeypatch)
    diffs = [document()["diff"].replace("select %s", f"select {number}") for number in range(3)]
    told = crowd.sends(*[partial(send, sent(patch_id="P", diff=diff), producer) for diff in (*diffs, diffs[0])])
    assert sum(result.created for result in told) >= 3
    assert set(Decision.objects.filter(patch__patch_id="P").values_list("patch__revision", flat=True)) >= {1, 2, 3}
    assert Decision.objects.filter(patch__patch_id="P", status="pending").count() == 1


def test_who_is_refused_is_refused_alone(producer, monkeypatch):
    crowd = Crowd(producer, monkeypatch)
    calls = [partial(send, sent(patch_id=f"P-{number}", decision_id="taken"), producer) for number in range(3)]
    told = crowd.sends(*calls, partial(send, sent(patch_id="P-9"), producer))
    assert crowd.sizes == [1, 4]
    assert [type(result) for result in told].count(Invalid) == 2
    assert isinstance(told[3], SubmissionResult)
    assert Decision.objects.filter(alias="taken").count() == 1


def test_what_the_database_refuses_harms_nobody_who_came_at_the_same_moment(producer, monkeypatch):
    crowd = Crowd(producer, monkeypatch, refused="P-2")
    told = crowd.sends(*[partial(send, sent(patch_id=f"P-{number}"), producer) for number in range(CROWD)])
    assert [isinstance(result, DataError) for result in told] == [number == 2 for number in range(CROWD)]
    assert Decision.objects.filter(patch__patch_id__startswith="P-").count() == CROWD - 1
    assert isinstance(send(sent(patch_id="LATER"), producer), SubmissionResult)


def test_a_large_crowd_is_written_in_several_transactions(producer, monkeypatch):
    monkeypatch.setattr(together, "MOST", 4)
    crowd = Crowd(producer, monkeypatch)
    told = crowd.sends(*[partial(send, sent(patch_id=f"P-{number}"), producer) for number in range(CROWD)])
    assert crowd.sizes == [1, 4, 2]
    assert all(isinstance(result, SubmissionResult) for result in told)


def test_who_waits_for_others_to_be_written_holds_no_connection(producer, monkeypatch):
    crowd = Crowd(producer, monkeypatch)
    connected: list[bool] = []

    def after_a_look_at_the_database(number: int) -> Told:
        Producer.objects.get(pk=producer.pk)
        told = send(sent(patch_id=f"P-{number}"), producer)
        connected.append(connection.connection is not None)
        return told

    crowd.sends(*[partial(after_a_look_at_the_database, number) for number in range(CROWD)])
    assert connected.count(True) == 1  # who wrote for all


def test_only_those_are_written_together_who_found_the_producer_as_it_is(producer):
    trusted = Producer.objects.get(pk=producer.pk)
    assert together.line_of(trusted) is together.line_of(producer)
    trusted.trusted_for_ml = not producer.trusted_for_ml
    assert together.line_of(trusted) is not together.line_of(producer)
