"""What an entry is: canonical bytes, their hash, its place in the chain of its object."""

import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from approvals.models import Text, Verdict
from audit.log import (
    EXACT,
    MAX_BODY,
    Actor,
    NewEntry,
    Subject,
    canonical,
    json_ready,
    record,
    record_all,
    text_digest,
    timestamp,
)
from audit.models import ActorKind, Context, Entry, Pending
from audit.queries import body_of
from audit.types import ENTRY_TYPES, TYPES, badge_of, step_of, summary
from hitl.settings import BASE_DIR

NOW = datetime(2026, 11, 20, 12, 0, 0, 5, tzinfo=UTC)
ACTOR = Actor("user:41", ActorKind.HUMAN, "alice", "session", "req-1", "192.0.2.7", "curl/8")
TONES = {"", "info", "success", "warning", "danger", "violet"}
ICONS = set(re.findall(r'id="i-([\w-]+)"', (BASE_DIR / "static" / "icons.svg").read_text()))
ON_THE_TIMELINE = {"patch", "review", "comment", "decision"}


def write(type: str = "login.succeeded", subject: Subject | None = None, **more) -> Entry:
    entry_id = record(type, actor=ACTOR, at=NOW, subject=subject or Subject("user", "user:41", "alice"), **more)
    return Entry.objects.get(uuid=entry_id)


@pytest.mark.django_db
def test_the_body_is_canonical_json_and_the_leaf_is_its_hash():
    entry = write(data={"b": 1, "a": "é"})
    raw = bytes(entry.body)
    assert raw == rfc8785.dumps(json.loads(raw))
    assert bytes(entry.leaf_hash) == hashlib.sha256(b"\x00" + raw).digest()


def nested(text: st.SearchStrategy[str]) -> st.SearchStrategy:
    leaves = st.none() | st.booleans() | st.integers(-EXACT, EXACT) | text
    return st.recursive(leaves, lambda deeper: st.lists(deeper) | st.dictionaries(text, deeper), max_leaves=20)


@given(nested(st.text(st.characters(max_codepoint=127))) | nested(st.text(st.characters(exclude_categories=["Cs"]))))
def test_bodies_are_written_as_the_library_of_the_standard_does(value):
    assert canonical({"data": value}) == rfc8785.dumps({"data": value})


def test_keys_beyond_ascii_are_sorted_by_utf_16():
    assert canonical({"\ue000": 1, "\U00010000": 2}) == '{"\U00010000":2,"\ue000":1}'.encode()


@pytest.mark.parametrize("value", [2**53, -(2**53), [{"n": 10**20}]])
def test_an_integer_that_a_reader_may_round_is_refused(value):
    with pytest.raises(ValueError, match="too large an integer"):
        json_ready(value)


@pytest.mark.django_db
def test_the_body_has_every_field_of_the_format():
    body = body_of(write("decision.expired", Subject("decision", "d-1", "label", chained=True), patch_sha256="a" * 64))
    assert set(body) == {"v", "id", "type", "at", "nonce", "actor", "object", "patch", "policy", "data", "request"}
    assert (body["v"], body["type"], body["at"]) == (1, "decision.expired", "2026-11-20T12:00:00.000005Z")
    assert body["actor"] == {"id": "user:41", "kind": "human", "authn": "session"}
    assert body["object"] == {"type": "decision", "id": "d-1", "n": 1, "prev": None}
    assert (body["patch"], body["request"]) == ({"sha256": "a" * 64}, {"id": "req-1"})


@pytest.mark.django_db
def test_two_equal_entries_have_different_hashes():
    assert write().leaf_hash != write().leaf_hash


@pytest.mark.django_db
def test_personal_data_stands_beside_the_body_not_in_it():
    entry = write(subject=Subject("user", "user:41", "Alice Example"))
    for word in (b"alice", b"Alice", b"192.0.2.7", b"curl"):
        assert word not in bytes(entry.body)
    context = Context.objects.get(entry=entry)
    assert (context.actor_label, context.object_label) == ("alice", "Alice Example")
    assert (context.ip_address, context.user_agent) == ("192.0.2.7", "curl/8")


@pytest.mark.django_db
def test_each_entry_of_an_object_names_the_hash_of_the_one_before():
    subject = Subject("decision", "d-1", chained=True)
    written = [write("decision.escalated", subject) for _ in range(4)]
    write("decision.escalated", Subject("decision", "d-2", chained=True))
    previous = None
    for number, entry in enumerate(written, start=1):
        assert body_of(entry)["object"] == {"type": "decision", "id": "d-1", "n": number, "prev": previous}
        assert entry.object_n == number
        previous = bytes(entry.leaf_hash).hex()


@pytest.mark.django_db
def test_the_chain_of_a_decision_holds_through_its_whole_life(make_patch, approve, alice, bob, lena):
    decision = make_patch(severity="critical")
    for person in (alice, bob, lena):
        approve(decision, person)
    rows = list(Entry.objects.filter(object_id=str(decision.decision_id), object_n__isnull=False).order_by("object_n"))
    assert [row.object_n for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) == 5
    for before, after in zip(rows, rows[1:], strict=False):
        assert body_of(after)["object"]["prev"] == bytes(before.leaf_hash).hex()


@pytest.mark.django_db
def test_an_attempt_that_was_refused_stands_outside_the_chain():
    write("decision.escalated", Subject("decision", "d-1", chained=True))
    refused = write("decision.refused", Subject("decision", "d-1"))
    assert (refused.object_n, body_of(refused)["object"]["prev"]) == (None, None)
    assert write("decision.escalated", Subject("decision", "d-1", chained=True)).object_n == 2


@pytest.mark.django_db
def test_a_type_that_is_not_registered_is_refused():
    with pytest.raises(KeyError):
        write("decision.forgotten")
    assert not Entry.objects.exists()


@pytest.mark.parametrize("type", TYPES.values(), ids=TYPES)
def test_no_type_lacks_anything(type):
    noun, _, verb = type.name.partition(".")
    assert noun.isalpha()
    assert verb.replace("_", "").isalpha(), "types are namespaced words in the past tense"
    assert len(type.name) <= 40
    assert len(type.meaning) > 10, "it says what it records"
    assert type.icon in ICONS
    assert type.tone in TONES
    assert isinstance(type.line({}), str), "its line stands without facts, as after an erasure"
    assert (type.step is not None) == (noun in ON_THE_TIMELINE), "what happens to a decision is a step of its timeline"
    if type.step:
        assert type.step.sentence
        assert type.step.icon in ICONS | {""}
        assert type.step.tone is None or type.step.tone in TONES


def test_a_type_stands_once_in_the_registry():
    assert len(TYPES) == len(ENTRY_TYPES)


def test_a_type_of_an_older_release_is_still_shown():
    assert badge_of("decision.forgotten") == ("audit", "")
    assert step_of("decision.forgotten") == ("dot", "", "decision.forgotten")
    assert summary("decision.forgotten", {"cause": "nobody knows"}) == "nobody knows"


@pytest.mark.django_db
def test_an_entry_has_at_most_65535_bytes():
    room = MAX_BODY - len(bytes(write(data={"x": ""}).body))
    assert len(bytes(write(data={"x": "y" * room}).body)) == MAX_BODY
    before = Entry.objects.count()
    with pytest.raises(ValueError, match="65,535"):
        write(data={"x": "y" * (room + 1)})
    assert Entry.objects.count() == before


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1e21, "1000000000000000000000"),
        (2.0, "2.0"),
        (True, True),
        (None, None),
        (3, 3),
        ([0.5, {"a": 0.25}], ["0.5", {"a": "0.25"}]),
        ((1, 2), [1, 2]),
        ({1: "a"}, {"1": "a"}),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T22:00:00.000000Z"),
        (Verdict.APPROVE, "approve"),
    ],
)
def test_values_are_written_so_that_two_readers_hash_the_same(value, expected):
    assert json_ready(value) == expected


@pytest.mark.django_db
def test_no_float_is_ever_in_a_body(make_patch):
    make_patch(ml_prediction={"confidence": 0.97, "prediction": True}, cvss_score=7.5)
    for entry in Entry.objects.all():
        json.loads(bytes(entry.body), parse_float=_no_float)


def _no_float(text: str) -> None:
    raise AssertionError(f"a float in an entry: {text}")


def test_times_are_utc_with_microseconds():
    assert timestamp(NOW.astimezone(timezone(timedelta(hours=-3)))) == "2026-11-20T12:00:00.000005Z"
    assert timestamp(NOW.replace(microsecond=0)) == "2026-11-20T12:00:00.000000Z"


@pytest.mark.django_db
def test_free_text_is_committed_to_by_its_salted_digest(make_patch, approve, alice):
    approve(make_patch(), alice, text="unmistakable words")
    text = Text.objects.get()
    entry = body_of(Entry.objects.get(type="review.recorded"))
    assert entry["data"]["text"] == {
        "text": text.pk,
        "sha256": hashlib.sha256(bytes(text.salt) + b"unmistakable words").hexdigest(),
        "characters": 18,
    }
    assert not any(b"unmistakable" in bytes(body) for body in Entry.objects.values_list("body", flat=True))
    assert text_digest(b"a", "x") != text_digest(b"b", "x")


@pytest.mark.django_db
def test_what_is_rolled_back_leaves_no_entry_and_nothing_to_place():
    with transaction.atomic():
        write()
        transaction.set_rollback(True)
    assert not Entry.objects.exists()
    assert not Pending.objects.exists()


@pytest.mark.django_db
def test_every_entry_waits_for_its_place_from_the_start():
    entry = write()
    assert list(Pending.objects.values_list("entry_id", flat=True)) == [entry.pk]


@pytest.mark.django_db
def test_what_does_not_fit_the_side_table_is_cut_not_lost():
    actor = Actor("user:1", ActorKind.HUMAN, "x" * 500, "session", "r", None, "y" * 500)
    record("login.failed", actor=actor, at=NOW, subject=Subject("user", "unknown", "z" * 500))
    context = Context.objects.get()
    assert (len(context.actor_label), len(context.object_label), len(context.user_agent)) == (150, 300, 300)


def lines(*names: str, chained: bool = True) -> list[NewEntry]:
    return [
        NewEntry("decision.expired", ACTOR, Subject("decision", name, f"label {name}", chained=chained), {"name": name})
        for name in names
    ]


@pytest.mark.django_db
def test_entries_written_together_are_each_the_next_link_of_their_object():
    first = write("decision.escalated", Subject("decision", "b", "label", chained=True))
    record_all(lines("a", "b", "c"), at=NOW)
    written = list(Entry.objects.exclude(pk=first.pk).order_by("id"))
    assert [(entry.object_id, entry.object_n) for entry in written] == [("a", 1), ("b", 2), ("c", 1)]
    assert body_of(written[1])["object"]["prev"] == bytes(first.leaf_hash).hex()
    assert [body_of(entry)["data"]["name"] for entry in written] == ["a", "b", "c"]
    assert written[2].context.object_label == "label c"
    assert (written[2].context.actor_label, written[2].context.ip_address) == ("alice", "192.0.2.7")
    assert Pending.objects.count() == 4


@pytest.mark.django_db
def test_entries_about_one_object_follow_each_other_when_they_are_written_together():
    new = replace(lines("a")[0], subject=Subject("decision", "a", "label", new=True))
    record_all([new, *lines("a", "b", "a")], at=NOW)
    first, second, other, third = Entry.objects.order_by("id")
    assert [(entry.object_id, entry.object_n) for entry in (first, second, other, third)] == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("a", 3),
    ]
    assert body_of(first)["object"]["prev"] is None
    assert body_of(second)["object"]["prev"] == bytes(first.leaf_hash).hex()
    assert body_of(third)["object"]["prev"] == bytes(second.leaf_hash).hex()


@pytest.mark.django_db
def test_entries_written_together_take_two_statements(django_assert_num_queries):
    with django_assert_num_queries(2):
        record_all(lines(*"abcdefgh"), at=NOW)
    with django_assert_num_queries(0):
        assert record_all([], at=NOW) == []
    with django_assert_num_queries(1):
        record_all(lines("x", chained=False), at=NOW)
    assert Entry.objects.get(object_id="x").object_n is None


@pytest.mark.django_db
def test_a_wrong_entry_among_several_writes_none():
    with pytest.raises(KeyError):
        record_all([*lines("a"), replace(lines("b")[0], type="decision.unheard")], at=NOW)
    assert not Entry.objects.exists()
