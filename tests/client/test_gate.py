"""The client against the product: patches, approvals of workflows, waiting, the feed, the approved bytes."""

import hashlib
import threading

import pytest
from django.utils import timezone

from approvals.models import Side, Verdict
from approvals.services.dispatch import dispatch
from approvals.services.lifecycle import revoke
from approvals.services.reviews import comment
from hitl_gate import FeedGap, Gate, NotDecided, Objection, Refused, WrongBytes
from tests.cast import DIFF, actor_for, document

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_patch_is_submitted_replayed_and_revised(gate_of, token_for):
    gate = gate_of(token_for("producer"))
    first = gate.submit(document())
    assert (first.created, first.status, first.revision) == (True, "pending", 1)
    assert gate.submit(document()).created is False
    assert gate.submit(document(title="Other words")).revision == 2
    assert gate.decision(first.decision_id).status == "superseded"


def test_a_diff_beside_the_document_arrives_byte_for_byte(gate_of, token_for):
    raw = DIFF.encode() + b"\n-- \n\xff\xfe no text\n"
    whole = document()
    del whole["diff"]
    sent = gate_of(token_for("producer")).submit(whole, raw)
    assert sent.patch_sha256 == hashlib.sha256(raw).hexdigest()


def test_waiting_ends_when_somebody_decides(gate_of, token_for, make_patch, alice, approve):
    decision = make_patch(severity="low")
    gate = gate_of(token_for("producer"))
    with pytest.raises(NotDecided, match="within 0 seconds; it waits on at http://.*/patches/"):
        gate.wait(str(decision.decision_id), 0)
    found = []
    waiting = threading.Thread(target=lambda: found.append(gate.wait(str(decision.decision_id), 60)))
    waiting.start()
    approve(decision, alice, Verdict.REJECT)
    dispatch()  # as the worker does; whoever waits hears of it
    waiting.join(60)
    [answer] = found
    assert not answer.approved
    assert not answer.pending
    assert (answer.status, answer.category, answer.decided_by) == ("rejected", "incomplete", "alice")
    assert answer.reason == "It misses the second call site."


def test_a_producer_reads_what_was_objected_line_by_line(gate_of, token_for, make_patch, alice, approve):
    decision, now = make_patch(severity="low"), timezone.now()
    at = {"file": "app.py", "line": 1, "side": Side.OLD, "now": now, "actor": actor_for(alice)}
    comment(decision.decision_id, "This call too.", user=alice, **at)
    approve(decision, alice, Verdict.REQUEST_CHANGES, text="Escape both calls.")
    dispatch()
    gate = gate_of(token_for("producer"))
    [item] = gate.feed(0)
    expected = (
        Objection(None, "Escape both calls.", None, None, None),
        Objection(None, "This call too.", "app.py", 1, "old"),
    )
    assert item.objections == gate.decision(item.decision_id).objections == expected
    for other in (token_for("producer", "another"), token_for("deployer", "argo")):
        [item] = gate_of(other).feed(0)
        assert item.objections == ()


def test_a_workflow_asks_and_is_answered(gate_of, token_for, alice, api_of):
    gate = gate_of(token_for("producer"))
    ids = {"workflow_id": "deploy", "job_id": "approve", "execution_id": "17"}
    asked = gate.ask("Deploy shop 7", **ids, context={"image": "shop:7"}, timeout_ms=600_000)
    assert asked.pending
    assert asked.url.startswith("http://")
    assert gate.ask("Deploy shop 7", **ids, context={"image": "shop:7"}, timeout_ms=600_000).id == asked.id
    answer = api_of(alice).post(f"/api/approvals/{asked.id}/approve", {"digest": asked.digest})
    assert answer.status_code == 200
    assert gate.wait_for_approval(asked.id, 0).approved


def test_a_wrong_token_is_refused(gate_of):
    with pytest.raises(Refused) as refusal:
        gate_of("hitl_aaaaaaaa_" + "b" * 43).submit(document())
    assert refusal.value.status == 401


@pytest.fixture
def three_approved(make_patch, alice, approve):
    found = [make_patch(severity="low") for _ in range(3)]
    for decision in found:
        approve(decision, alice)
    dispatch()
    return found


def test_the_feed_is_handled_once_across_restarts(gate_of, token_for, three_approved, tmp_path):
    gate, cursor = gate_of(token_for("deployer", "argo")), tmp_path / "cursor"
    watching = gate.watch(cursor)
    assert [next(watching).position, next(watching).position] == [1, 2]
    watching.close()  # as a crash while the second item is worked on
    assert [item.position for item in gate.watch(cursor, follow=False)] == [2, 3]
    assert list(gate.watch(cursor, follow=False)) == []


def test_a_cursor_of_another_service_is_refused(gate_of, token_for, three_approved, tmp_path):
    cursor = tmp_path / "cursor"
    gate = gate_of(token_for("deployer", "argo"))
    cursor.write_text('{"service": "https://other.example.org", "position": 2}')
    with pytest.raises(ValueError, match="belongs to https://other"):
        next(gate.watch(cursor))
    cursor.write_text("2")
    with pytest.raises(ValueError, match="no cursor"):
        next(gate.watch(cursor))


def test_a_gap_in_the_feed_stops_the_deployer(stand_in, tmp_path):
    item = {
        "position": 2,
        "decision_id": "d",
        "patch_id": "p",
        "kind": "patch",
        "revision": 1,
        "producer": "x",
        "patch_sha256": "ab",
        "canonical_sha256": None,
        "status": "approved",
        "at": "2026-11-30T12:00:00Z",
        "bypass": False,
    }
    stand_in.answers = [(200, {}, [item])]
    with pytest.raises(FeedGap, match="position 2, where 1"):
        next(Gate(stand_in.url, "secret").watch(tmp_path / "cursor"))


def test_what_is_fetched_is_what_was_approved(gate_of, token_for, three_approved, lena):
    gate = gate_of(token_for("deployer", "argo"))
    item = gate.feed(0)[0]
    assert item.deployable
    content = gate.approved_bytes(item)
    assert hashlib.sha256(content).hexdigest() == item.canonical_sha256
    gate.acknowledge(item)
    gate.acknowledge(item)
    revoke(three_approved[0].decision_id, "It breaks the build.", user=lena, actor=actor_for(lena), now=timezone.now())
    with pytest.raises(WrongBytes, match="is revoked, not approved"):
        gate.approved_bytes(item)


def test_other_bytes_than_the_approved_are_never_handed_on(gate_of, token_for, three_approved, stand_in):
    gate = gate_of(token_for("deployer", "argo"))
    item = gate.feed(0)[0]
    stand_in.answers = [(200, {}, gate.decision(item.decision_id).raw), (200, {}, b"other bytes")]
    with pytest.raises(WrongBytes, match=f"approved is {item.canonical_sha256}"):
        Gate(stand_in.url, "secret").approved_bytes(item)
