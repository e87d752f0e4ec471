"""Server-sent events: what a page hears, what it is told after an absence, the cap."""

import json
import queue
import time
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import override_settings
from django.utils import timezone

from approvals.accounts.services import identity
from approvals.live import Subscriber, listener, wait_slots
from approvals.models import ApiToken, User
from approvals.services.dispatch import dispatch
from audit.models import Leaf
from tests.cast import SYSTEM, Api


@pytest.fixture(autouse=True)
def quiet_ear():
    yield
    listener.stop()


def frames(response, count):
    """Return the first frames of a stream as (event, data), without its head, and close it."""
    found = []
    for chunk in response.streaming_content:
        fields = dict(line.split(": ", 1) for line in chunk.decode().strip().split("\n") if ": " in line)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
        if len(found) == count:
            break
    response.close()
    return found


@pytest.mark.django_db(transaction=True)
def test_a_page_hears_of_a_new_patch_and_of_its_decision(make_patch, approve, alice):
    response = Api(user=alice).get("/hitl/events")
    assert response["Content-Type"] == "text/event-stream; charset=utf-8"
    decision = make_patch()
    dispatch()
    approve(decision, alice)
    dispatch()
    heard = [frame for frame in frames(response, 4) if frame[0] != "reset"]
    assert [event for event, _, _ in heard][:3] == ["patch.submitted", "review.recorded", "decision.changed"]
    assert {data["decision_id"] for _, data, _ in heard} == {str(decision.decision_id)}


@pytest.mark.django_db(transaction=True)
def test_what_was_missed_is_replayed(make_patch, alice):
    make_patch()
    dispatch()
    last = Leaf.objects.latest("seq").seq
    missed = make_patch()
    dispatch()
    api = Api(user=alice)
    response = api.client.get("/hitl/events", headers={"Last-Event-ID": str(last)})
    ((event, data, _),) = frames(response, 1)
    assert (event, data["decision_id"]) == ("patch.submitted", str(missed.decision_id))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("last", ["-1", "x", "99999999999999999999"])
def test_an_unknown_place_starts_over(alice, last):
    response = Api(user=alice).client.get("/hitl/events", headers={"Last-Event-ID": last})
    assert frames(response, 1)[0][0] == "reset"


@pytest.mark.django_db(transaction=True)
def test_after_ten_minutes_the_page_starts_over(make_patch, alice):
    make_patch(now=timezone.now() - timedelta(minutes=11))
    dispatch()
    first = Leaf.objects.earliest("seq").seq
    response = Api(user=alice).client.get("/hitl/events", headers={"Last-Event-ID": str(max(first - 1, 0))})
    heard = frames(response, 1)
    assert heard[0][0] in {"reset"}


@pytest.mark.django_db(transaction=True)
@override_settings(EVENT_STREAMS=1)
def test_beyond_the_cap_a_page_is_told_to_poll(alice):
    api = Api(user=alice)
    first = api.get("/hitl/events")
    second = api.get("/hitl/events")
    assert (second.status_code, second["Retry-After"]) == (429, "15")
    first.close()
    assert not listener.streams


@pytest.mark.django_db(transaction=True)
@override_settings(WAITS_PER_CALLER=2)
def test_one_person_or_token_has_so_many_places_and_no_more(alice, bob, token_for, make_patch):
    decision = make_patch()
    streams = [Api(user=alice).get("/hitl/events") for _ in range(2)]
    token = Api(token_for("personal", "mine", user=alice))  # the same person, whatever they come with
    path = f"/hitl/decisions/{decision.decision_id}"
    for refused in (Api(user=alice).get("/hitl/events"), token.get(path, wait=5)):
        assert (refused.status_code, refused["Retry-After"]) == (429, "15")
        assert "wait 2 times at once" in refused.json()["detail"]
    assert token.get(path).status_code == 200
    assert token.get(path, wait=0.1).status_code == 429
    other = Api(user=bob).get("/hitl/events")
    assert other.status_code == 200
    for stream in (*streams, other):
        stream.close()
        stream.close()
    assert token.get(path, wait=0.1).status_code == 200
    assert not wait_slots.in_use


@pytest.mark.django_db(transaction=True)
def test_a_stream_that_could_not_begin_holds_no_place(alice, monkeypatch):
    def away(*arguments):
        raise OperationalError("away")

    monkeypatch.setattr("approvals.api.events.notices.since", away)
    answer = Api(user=alice).client.get("/hitl/events", headers={"Last-Event-ID": "1"})
    assert answer.status_code == 503
    assert not wait_slots.in_use
    assert not listener.streams


@pytest.mark.django_db
def test_signed_out_there_are_no_events(client):
    assert client.get("/hitl/events").status_code == 401


def test_a_page_that_does_not_read_is_let_go():
    stream = queue.Queue(1)
    listener.streams[stream] = Subscriber()
    try:
        listener.broadcast({"event": "stats"})
        listener.broadcast({"event": "stats"})
        assert stream.get_nowait() is None
    finally:
        listener.streams.pop(stream)


def ends_within(response, seconds):
    """Read a stream to its end and return whether that came in time."""
    began = time.monotonic()
    for _ in response.streaming_content:
        if time.monotonic() - began > seconds:
            response.close()
            return False
    response.close()
    return time.monotonic() - began <= seconds


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["switched off", "signed out everywhere", "signed out", "password", "token"])
def test_a_stream_ends_within_ten_seconds_when_its_person_may_no_longer_hear(alice, token_for, how):
    api = Api(token_for("personal", "laptop", user=alice)) if how == "token" else Api(user=alice)
    response, other = api.get("/hitl/events"), listener.subscribe(Subscriber())
    if how == "switched off":
        User.objects.filter(pk=alice.pk).update(is_active=False)  # by whatever way
    elif how == "signed out everywhere":
        identity.sign_out_everywhere(alice, actor=SYSTEM, now=timezone.now())
    elif how == "signed out":
        api.client.post("/accounts/logout")
    elif how == "password":
        User.objects.filter(pk=alice.pk).update(password="x")
    else:
        ApiToken.objects.update(revoked_at=timezone.now())
    assert ends_within(response, 10)
    assert None not in list(other.queue), "nobody else's"
    listener.unsubscribe(other)
