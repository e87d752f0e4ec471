"""The faults that the reference systems were seen to have, one test each that would catch it here.

Most of these faults have more tests beside the code they concern; here is the short, direct one.
"""

import re
import socket
import sys
from datetime import timedelta
from functools import partial
from html import unescape
from importlib.metadata import packages_distributions
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.api import caller
from approvals.models import Comment, Decision, Patch, Review, Status
from approvals.queries.summary import summary
from approvals.services import intake, reviews
from approvals.services.dispatch import dispatch
from audit.models import Entry, Leaf
from hitl import ops
from tests.cast import Api, document, opened
from tests.races.together import at_once
from tests.test_architecture import PRODUCT, imports

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf]")


def act(api: Api, decision: Decision, name: str, **more):
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256, **more}
    return api.post(f"/hitl/patches/{decision.patch.patch_id}/{name}", body)


@pytest.mark.django_db(transaction=True)
def test_approve_and_reject_at_once_have_one_winner_and_one_story(api_of, make_patch, alice, bob):
    callers = [api_of(alice), api_of(bob)]
    for _ in range(5):
        decision = make_patch()
        told = at_once(
            partial(act, callers[0], decision, "approve"), partial(act, callers[1], decision, "reject", reason="No.")
        )
        assert sorted(answer.status_code for answer in told) == [200, 409]
        stored = Decision.objects.get(pk=decision.pk)
        told_of = Entry.objects.filter(object_id=str(decision.decision_id), type__startswith="decision.").order_by("id")
        assert [entry.type for entry in told_of] == [f"decision.{stored.status}", "decision.refused"]


@pytest.mark.django_db(transaction=True)
def test_more_approvals_at_once_than_the_pool_has_connections_are_all_answered(api_of, make_patch, alice):
    decisions = [make_patch() for _ in range(16)]
    callers = [api_of(alice) for _ in decisions]
    told = at_once(*[partial(act, *pair, "approve") for pair in zip(callers, decisions, strict=True)])
    assert [answer.status_code for answer in told] == [200] * 16
    assert Client().get("/health").status_code == 200


@pytest.mark.django_db
def test_without_its_entry_no_change_happens(producer_api, api_of, make_patch, alice, monkeypatch):
    decision = make_patch()

    def full(*_: object, **__: object) -> None:
        raise ValueError("no space left for the log")

    monkeypatch.setattr(reviews, "record_all", full)
    monkeypatch.setattr(intake, "record_all", full)
    assert act(api_of(alice), decision, "approve").status_code == 500
    assert Decision.objects.get(pk=decision.pk).status == Status.PENDING
    assert not Review.objects.exists()
    assert producer_api.post("/hitl/patches", document(patch_id="new")).status_code == 500
    assert not Patch.objects.filter(patch_id="new").exists()


@pytest.mark.django_db
def test_the_schema_is_applied_by_migrations_that_can_run_again_and_match_the_models():
    executor = MigrationExecutor(connection)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
    call_command("migrate", verbosity=0)


@pytest.mark.django_db
def test_critical_is_first_even_when_the_page_is_full(producer_api, make_patch):
    for severity in ("medium", "low", "high", "critical", "medium"):
        make_patch(severity=severity)
    rows = producer_api.get("/hitl/patches/pending", limit=3).json()
    assert [row["priority"] for row in rows] == ["critical", "high", "medium"]


@pytest.mark.django_db
def test_a_patch_is_read_by_its_id_through_an_index(producer_api, make_patch):
    make_patch(patch_id="P")
    assert producer_api.get("/hitl/patches/P").json()["patch_id"] == "P"
    assert producer_api.get("/hitl/patches/none").status_code == 404
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_indexes where tablename = 'approvals_patch' and indexdef like '%%(patch_id)%%'"
        )
        assert cursor.fetchone()[0] >= 1


@pytest.mark.django_db
def test_whoever_creates_a_record_decides_nothing_about_it(producer_api):
    claims = {"decision": "approved", "decided_by": "sam", "decided_at": "2024-01-01T00:00:00"}
    for name, value in claims.items():
        assert producer_api.post("/hitl/patches", document() | {name: value}).status_code == 422
    sent = document() | {"created_at": "2124-01-01T00:00:00", "auto_approval_eligible": True}
    record = producer_api.get(producer_api.post("/hitl/patches", sent)["Location"]).json()
    assert (record["status"], record["auto_approval_eligible"]) == ("pending", False)
    assert record["created_at"] < "2100"
    assert summary(None, None, timezone.now())["avg_decision_time_seconds"] is None


@pytest.mark.django_db
def test_odd_input_is_an_answer_and_a_retry_is_the_same_decision(producer_api):
    first = producer_api.post("/hitl/patches", document(decision_id="d") | {"created_at": "2024-01-01T00:00:00+03:00"})
    again = producer_api.post("/hitl/patches", document(decision_id="d"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["decision_id"] == first.json()["decision_id"]
    for odd in ({"decision_id": "d", "patch_id": "other"}, {"package_name": "x" * 300}):
        answer = producer_api.post("/hitl/patches", document(**odd))
        assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert Decision.objects.filter(status="pending").count() == 1


@pytest.mark.django_db(transaction=True)
def test_times_are_right_whatever_zone_the_database_has(producer_api, make_patch):
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"alter database {database} set timezone to 'America/Sao_Paulo'")
    try:
        connection.close()
        connection.close_pool()  # sessions opened from here on begin in that zone
        make_patch(now=timezone.now() - timedelta(seconds=30))
        [row] = producer_api.get("/hitl/patches/pending").json()
        assert 30 <= row["age_seconds"] < 60
        assert row["sla_state"] == "ok"
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"alter database {database} reset timezone")
        connection.close()
        connection.close_pool()


@pytest.mark.django_db
def test_agreement_is_one_number_in_the_record_the_summary_and_the_metric(producer_api, make_patch):
    run = {"phase1_success": True, "phase2_success": True, "validation_passed": True}
    agreed = make_patch(ml_prediction={"confidence": 0.9, "prediction": True}, wargaming_result=run)
    for _ in range(3):
        make_patch()
    assert producer_api.get(f"/hitl/decisions/{agreed.decision_id}").json()["ml_wargaming_agreement"] is True
    assert summary(None, None, timezone.now())["ml_accuracy"] == 1
    assert "hitl_ml_accuracy 1.0" in Client().get("/metrics").content.decode()


@pytest.mark.django_db
def test_a_decision_talks_to_nobody_outside(api_of, make_patch, alice, monkeypatch):
    decision, caller = make_patch(), api_of(alice)

    def outside(*_: object) -> None:
        raise AssertionError("a request must not open a connection to anywhere but the database")

    monkeypatch.setattr(socket.socket, "connect", outside)
    assert act(caller, decision, "approve").status_code == 200


@pytest.mark.django_db
def test_a_full_disk_hides_no_lost_database_and_a_lost_database_kills_no_pod(no_database, monkeypatch):
    full = SimpleNamespace(total=100e9, used=95e9, free=5e9)
    monkeypatch.setattr(ops.shutil, "disk_usage", lambda _: full)
    answer = Client().get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert Client().get("/readyz").status_code == 503
    assert Client().get("/healthz").status_code == 200


def required_by(name: str) -> set[str]:
    return {
        re.split(r"[\[=<>; ]", line)[0].lower().replace("_", "-")
        for line in (ROOT / name).read_text("utf-8").splitlines()
        if line and line[0].isalpha()
    }


def test_everything_parses_and_whatever_is_imported_is_required():
    required = required_by("requirements.txt")
    optional = {ROOT / "hitl" / "telemetry.py": required_by("requirements-telemetry.txt")}  # imported where asked for
    known = packages_distributions()
    ours = {"hitl", "approvals", "audit", "notifications", "postgresql"}
    missing = {
        name
        for path in PRODUCT
        for _, imported in imports(path)
        if (name := imported.split(".")[0]) not in ours | sys.stdlib_module_names
        and not {one.lower().replace("_", "-") for one in known.get(name, [])} & (required | optional.get(path, set()))
    }
    assert missing == set()


@pytest.mark.django_db
def test_lists_have_totals_filters_and_cursors_and_the_summary_a_period(
    token_for, producer_api, make_patch, django_assert_max_num_queries
):
    for _ in range(3):
        make_patch()
    page = producer_api.get("/hitl/patches/pending", limit=2)
    assert (page["X-Total-Count"], "cursor=" in page["Link"]) == ("3", True)
    auditor = Api(token_for("auditor", "audit"))
    rows = auditor.get("/hitl/analytics/audit-logs", action="patch.submitted", limit=2).json()
    assert (
        len(auditor.get("/hitl/analytics/audit-logs", action="patch.submitted", cursor=rows[-1]["cursor"]).json()) == 1
    )
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    with django_assert_max_num_queries(4):
        assert auditor.get("/hitl/analytics/summary", since=tomorrow).json()["total_patches"] == 0


@pytest.mark.django_db
def test_the_log_names_who_really_acted(api_of, make_patch, alice, bob):
    for api in (Api(), Api("hitl_abcdefgh_wrong")):
        assert act(api, make_patch(), "approve").status_code == 401
    assert act(api_of(alice), make_patch(), "approve", user="bob").status_code == 422
    for person in (alice, bob):
        act(api_of(person), make_patch(), "approve")
    actors = Entry.objects.filter(type="decision.approved").order_by("id").values_list("actor_id", flat=True)
    assert list(actors) == [f"user:{alice.pk}", f"user:{bob.pk}"]


@pytest.mark.django_db
def test_nothing_is_read_by_strangers(settings, make_patch):
    settings.METRICS_ALLOWED_IPS = [ip_network("192.0.2.0/24")]
    decision = make_patch()
    stranger = Client()
    patch_id = decision.patch.patch_id
    machine = [
        "/hitl/patches/pending", f"/hitl/patches/{patch_id}", f"/hitl/patches/{patch_id}/diff", "/hitl/decisions",
        f"/hitl/decisions/{decision.decision_id}", "/hitl/analytics/summary", "/hitl/analytics/audit-logs",
        "/hitl/events", "/metrics",
    ]  # fmt: skip
    assert {path: stranger.get(path).status_code for path in machine} == dict.fromkeys(machine, 401)
    pages = [
        "/",
        "/history",
        "/analytics",
        "/audit/",
        f"/patches/{decision.decision_id}",
        f"/patches/{decision.decision_id}/raw",
    ]
    assert {path: stranger.get(path).status_code for path in pages} == dict.fromkeys(pages, 302)


@pytest.mark.django_db
def test_the_admin_header_is_a_token_of_its_own_that_can_be_replaced(token_for, token_row):
    path, old, new = "/hitl/admin/create-decision", token_for(), token_for()
    for wrong in ("anything", "", " ", old[:-1]):
        assert Api().post(path, document(), **{"X-Admin-Token": wrong}).status_code == 401
    for secret in (old, new):
        assert Api().post(path, document(), **{"X-Admin-Token": secret}).status_code == 200
    assert old not in str(vars(token_row(old)))


@pytest.mark.django_db
def test_the_log_cannot_be_changed_says_from_where_and_comments_have_a_place(api_of, make_patch, alice):
    decision = make_patch()
    api_of(alice).client.post(
        f"/hitl/patches/{decision.patch.patch_id}/comment",
        {"decision_id": str(decision.decision_id), "comment": "Look at line 3."},
        content_type="application/json",
        headers={"User-Agent": "curl/8"},
    )
    entry = Entry.objects.select_related("context").get(type="comment.added")
    assert (entry.context.ip_address, entry.context.user_agent) == ("127.0.0.1", "curl/8")
    assert [str(comment.text) for comment in Comment.objects.all()] == ["Look at line 3."]
    dispatch()
    assert Leaf.objects.count() == Entry.objects.count()
    with pytest.raises(Exception, match="append-only"), connection.cursor() as cursor:
        cursor.execute("delete from audit_entry")


@pytest.mark.django_db
def test_reasons_are_words_and_two_people_stand_behind_what_is_critical(api_of, make_patch, alice, approve):
    assert act(api_of(alice), make_patch(), "reject", reason=" ").status_code == 422
    assert act(api_of(alice), make_patch(), "reject", reason="x" * 2001).status_code == 422
    own = make_patch(submitted_by="alice@example.org")
    assert act(api_of(alice), own, "approve").status_code == 403
    critical = make_patch(severity="critical")
    assert act(api_of(alice), critical, "approve").json()["type"] == "step_up_required"
    critical = approve(critical, alice)
    assert (critical.status, critical.approvals, critical.required_approvals) == ("pending", 1, 2)


@pytest.mark.django_db
def test_bodies_and_rates_have_limits_and_an_id_is_safe_in_a_path(producer_api, monkeypatch):
    large = producer_api.client.generic(
        "POST", "/hitl/patches", b" " * (8 * 1024**2 + 1), content_type="application/json"
    )
    assert large.status_code == 413
    for patch_id in ("../x", "a/b", "a?b", "a#b"):
        assert producer_api.post("/hitl/patches", document(patch_id=patch_id)).status_code == 422
    monkeypatch.setattr(caller, "BURST", 1)
    monkeypatch.setattr(caller, "requests", caller.Bucket(60))
    producer_api.get("/hitl/patches/pending")
    answer = producer_api.get("/hitl/patches/pending")
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")


@pytest.mark.django_db
def test_a_refused_decision_tells_the_operator_who_was_first_and_repeats_nothing(
    sign_in, make_patch, approve, alice, bob
):
    decision, browser = make_patch(), sign_in(alice)
    form = {"verdict": "approve", "patch_sha256": decision.patch.sha256, "displayed": "page"}
    approve(decision, bob)
    answer = opened(browser, decision).post(reverse("patch-decide", args=[decision.decision_id]), form)
    assert answer.status_code == 409
    shown = answer.content.decode()
    assert "bob" in shown.lower()
    assert "nothing was changed" in shown.lower()
    again = make_patch()
    form["patch_sha256"] = again.patch.sha256
    told = [
        opened(browser, again).post(reverse("patch-decide", args=[again.decision_id]), form).status_code
        for _ in range(2)
    ]
    assert told == [302, 409]  # a repeated POST is told, not taken
    assert Review.objects.filter(decision=again).count() == 1


@pytest.mark.django_db
def test_cards_are_links_with_words_true_ages_and_whole_counts(sign_in, make_patch, alice):
    now = timezone.now()
    for number in range(51):
        make_patch(
            severity="low",
            now=now - timedelta(minutes=45),
            package_name="lodash",
            current_version="4.17.20",
            target_version=f"4.17.{number}",
        )
    page = sign_in(alice).get("/").content.decode()
    decision = Decision.objects.select_related("patch").order_by("sla_due_at", "id").first()
    assert f'href="/patches/{decision.decision_id}' in page
    assert re.search(r"45\s*(&nbsp;)?m", page), "an age of 45 minutes is not an hour"
    assert re.search(r'id="count-all">\s*51\s*<', page)
    assert "lodash" in page
    assert "4.17.20" in page
    detail = sign_in(alice).get(f"/patches/{decision.decision_id}").content.decode()
    assert "select %s" in unescape(re.sub("<[^>]+>", "", detail))
    for template in TEMPLATES:
        text = template.read_text("utf-8")
        assert not EMOJI.search(text), template.name
        assert "ws://" not in text
