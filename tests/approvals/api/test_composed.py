"""What PostgreSQL composes is what the shapes say: every answer beside the one that its shape reads from the models,
for every kind of reader."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from pydantic_core import to_json

from approvals.api.answers import FeedItem, PendingRow
from approvals.api.records import Record
from approvals.api.shapes import Answer, read, shown
from approvals.models import (
    DeciderKind,
    Decision,
    FeedEntry,
    OutcomeReport,
    Priority,
    Review,
    Side,
    Status,
    Text,
    Verdict,
)
from approvals.policy.visible_fields import Reader
from approvals.queries import composed, decisions, queue, revocable
from approvals.services import absence, lifecycle, reviews
from approvals.services.dispatch import dispatch
from tests.approvals.api.test_intake import FULL
from tests.cast import Api, actor_for
from tests.mutations import SAMPLES

pytestmark = pytest.mark.django_db
LISTED = ("patch__producer", "policy_version__policy", "revocation")


def pending_row(decision: Decision, reader: Reader, now: datetime) -> PendingRow:
    age, state = max(0, int((now - decision.created_at).total_seconds())), queue.sla_state(decision, now)
    return read(PendingRow, reader, decision=decision, patch=decision.patch, age_seconds=age, sla_state=state)


def feed_item(entry: FeedEntry, reader: Reader) -> FeedItem:
    decision = entry.decision
    by, kind = decision.decided_by, decision.decided_by_kind
    if entry.status == Status.REVOKED:
        by, kind = decision.revocation.revoked_by, DeciderKind.HUMAN
    source = {"entry": entry, "decision": decision, "patch": decision.patch}
    objected = objections(decision) if entry.status in REFUSED else []
    return read(FeedItem, reader, **source, decided_by=by, decided_by_kind=kind, objections=objected)


REFUSED = (Status.REJECTED, Status.CHANGES_REQUESTED)


def objections(decision: Decision) -> list[dict[str, Any]]:
    """Return what each person who refuses says, and after it what they wrote at lines."""
    found: list[dict[str, Any]] = []
    for review in decision.reviews.exclude(verdict=Verdict.APPROVE).filter(withdrawn_at=None).order_by("pk"):
        words = review.text.body if review.text else None
        found.append({"category": review.category, "text": words, "file": None, "line": None, "side": None})
        for one in decision.comments.filter(author=review.reviewer).exclude(file="").order_by("pk"):
            at = {"file": one.file, "line": one.line, "side": one.side_of_line}
            found.append({"category": "", "text": one.text.body, **at})
    return found


def record(decision: Decision, reader: Reader) -> Record:
    given = decisions.with_reviews(decision)
    return read(
        Record,
        reader,
        decision=decision,
        patch=decision.patch,
        comment=approval_words(given),
        updated_at=updated_at(decision, given),
        reviews=given,
        objections=objections(decision) if decision.status in REFUSED else [],
        comments=decisions.comments(decision),
        acknowledgements=revocable.acknowledged(decision),
        outcomes=list(OutcomeReport.objects.filter(decision=decision).select_related("note").order_by("pk")),
    )


def approval_words(given: list[Review]) -> str | None:
    bodies = [one.text.body for one in given if one.verdict == "approve" and one.text and one.text.body]
    return bodies[-1] if bodies else None


def updated_at(decision: Decision, given: list[Review]) -> datetime:
    revocation = getattr(decision, "revocation", None)
    ended = [decision.decided_at, revocation.revoked_at if revocation else None]
    return max([decision.created_at, *(review.created_at for review in given), *(at for at in ended if at)])


def strictly(text: str | bytes) -> str:
    """Return JSON in one form, in which a truth is no number and a whole number is as long as any other."""
    return json.dumps(json.loads(text, parse_int=float), sort_keys=True)


def same(answer: Answer, text: str) -> None:
    """Compare an answer as Pydantic writes it with one that PostgreSQL composed, and the order of their fields."""
    assert strictly(text) == strictly(to_json(answer.model_dump()))
    assert list(json.loads(text)) == list(type(answer).model_fields)


def compare_all() -> dict[str, int]:
    """Compare every answer of this database with its shape; return how many of each there were."""
    now = timezone.now()
    pending = list(queue.pending().order_by("-pk"))
    rows = composed.pending_rows([one.pk for one in pending], now)
    entries = list(FeedEntry.objects.select_related(*(f"decision__{name}" for name in LISTED)).order_by("position"))
    items = composed.feed_items(0, len(entries) + 1)
    records = [
        (one, composed.record(str(one.decision_id))) for one in Decision.objects.select_related(*LISTED, "reason")
    ]
    for reader in Reader:
        for decision, row in zip(pending, rows, strict=True):
            same(pending_row(decision, reader, now), shown(PendingRow, reader, row.text))
        for entry, item in zip(entries, items, strict=True):
            same(feed_item(entry, reader), shown(FeedItem, reader, item.text))
        for decision, whole in records:
            same(record(decision, reader), shown(Record, reader, whole.text))
    of = {"patch__producer": [decision.patch.producer_id for decision, _ in records]}
    assert [whole.producer_id for _, whole in records] == of["patch__producer"]
    assert [row.producer_id for row in rows] == [decision.patch.producer_id for decision in pending]
    assert [item.producer_id for item in items] == [entry.decision.patch.producer_id for entry in entries]
    return {"pending": len(rows), "feed": len(items), "records": len(records)}


@pytest.fixture
def one_of_each(producer_api, token_for, make_patch, make_gate, approved_alone, approve, alice, bob, lena) -> None:
    """A database in which every field holds something once and nothing once."""
    now = timezone.now()
    sent = producer_api.post("/hitl/patches", FULL).json()
    full = Decision.objects.get(decision_id=sent["decision_id"])
    Decision.objects.filter(pk=full.pk).update(escalation_level=2)
    for line, file in ((1, "app.py"), (None, "")):
        reviews.comment(full.decision_id, "Look.", user=bob, actor=actor_for(bob), now=now, file=file, line=line)
    approve(full, alice, text="First.")
    reviews.withdraw(full.decision_id, "A mistake.", user=alice, actor=actor_for(alice), now=now)
    make_patch(title="", package_name="", repository="https://example.org/wigeon", target_version="2")
    make_patch(title="", package_name="flask", current_version="1", target_version="2", severity="low")
    unrun = dict.fromkeys(("phase1_success", "phase2_success", "validation_passed"))
    failed = {"phase1_success": True, "phase2_success": False, "validation_passed": None, "error_message": "broke"}
    make_patch(ml_prediction={"confidence": 1.0, "prediction": True}, wargaming_result=failed, cve_ids=[], cve_id=None)
    make_patch(wargaming_result={**unrun, "log": "only a log"}, ml_prediction={"confidence": 1e-7, "prediction": False})
    for minutes in (13, 16, 9_000):
        make_patch(now=now - timedelta(minutes=minutes))
    make_patch(now=(now + timedelta(minutes=5)).replace(microsecond=0))
    make_gate(title="Deploy “it”\n\u2028 now")
    away = now + timedelta(days=1)
    absence.delegate(lena, bob, now, away, "Away.", actor=actor_for(lena), now=now)
    approve(make_patch(), bob, in_name_of=lena.pk, text="In her name.")
    for patch_id, verdict in (("P-1", Verdict.REJECT), ("P-2", Verdict.REQUEST_CHANGES)):
        refused = make_patch(patch_id=patch_id)
        for who, line, side in ((alice, 1, Side.OLD), (alice, None, Side.NEW), (bob, 1, Side.NEW)):
            at: dict[str, Any] = {"file": "app.py", "line": line, "side": side}
            reviews.comment(refused.decision_id, "Look.", user=who, actor=actor_for(who), now=now, **at)
        approve(refused, alice, verdict)
    revoked = approve(make_patch(severity="low"), alice, text="Fine.")
    lifecycle.revoke(revoked.decision_id, "It broke.", user=lena, actor=actor_for(lena), now=timezone.now())
    while dispatch():
        pass
    acted = Api(token_for("deployer", "argo"))
    for item in acted.get("/hitl/decisions").json():
        acted.post(f"/hitl/decisions/{item['decision_id']}/acknowledge", {"position": item["position"]})
        report = {"deployed_sha256": item["patch_sha256"], "result": "deployed", "at": now.isoformat()}
        acted.post(f"/hitl/patches/{item['patch_id']}/outcome", report)
        acted.post(f"/hitl/patches/{item['patch_id']}/outcome", report | {"result": "rolled_back", "note": "It broke."})


def test_each_answer_is_what_its_shape_says(one_of_each):
    assert compare_all() == {"pending": 10, "feed": 6, "records": 15}


def test_erased_words_are_null(one_of_each):
    Text.objects.update(body=None)
    compare_all()


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data in {SAMPLES} (set HITL_SAMPLE_DATA)")
@pytest.mark.parametrize(
    ("names", "patches"),
    [
        (["odd_cve_patches"], 142),
        pytest.param(["upstream_cve_fixes", "bot_cve_backports"], 485, marks=pytest.mark.soak),
    ],
)
def test_each_answer_on_demo_and_real_patches_is_what_its_shape_says(tmp_path, names, patches):
    with override_settings(HITL_DATA_DIR=tmp_path):
        call_command("load_demo", verbosity=0)
    for name in names:
        call_command("import_patches", str(SAMPLES / f"{name}.ndjson"), producer=name, with_clocks=True, verbosity=0)
    while dispatch():
        pass
    found = compare_all()
    assert found["records"] > patches
    assert found["feed"] > 50


def test_what_has_ended_since_it_was_found_is_no_pending_row(make_patch, approve, alice):
    first, second = make_patch(severity="low"), make_patch(severity="low")
    approve(first, alice)
    rows = composed.pending_rows([first.pk, second.pk], timezone.now())
    assert [json.loads(row.text)["decision_id"] for row in rows] == [str(second.decision_id)]


def test_a_time_is_written_as_everywhere_else():
    full = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    times = [full + timedelta(microseconds=more) for more in (0, 1, 999, 1000, 500_000, 999_999)]
    times += [datetime(2024, 2, 29, tzinfo=UTC), datetime(1999, 12, 31, 23, 0, 0, 123_456, tzinfo=UTC)]
    with connection.cursor() as cursor:
        cursor.execute("set local timezone = 'Asia/Kathmandu'")
        cursor.execute("select array(select approvals_moment(at) from unnest(%s::timestamptz[]) at)", [times])
        [(written,)] = cursor.fetchall()
        cursor.execute("select approvals_moment(%s)", [queue.NO_DEADLINE])
        [(never,)] = cursor.fetchall()
    assert written == [DjangoJSONEncoder().default(at) for at in times]
    assert never is None


def test_every_priority_has_the_name_that_the_statements_give_it():
    assert [one.name.lower() for one in Priority] == [
        "low",
        "medium",
        "high",
        "critical",
    ]


def test_a_part_that_no_row_of_the_table_names_is_for_nobody():
    whole: dict[str, Any] = dict.fromkeys(Record.model_fields) | {"reviews": [{"reviewer": "alice", "tomorrow": 1}]}
    text = shown(Record, Reader.VIEWER, json.dumps(whole))
    assert json.loads(text)["reviews"] == [{"reviewer": "alice", "tomorrow": None}]
