"""`import_s1` and `import_s3`: both schemas, made on the test server, with rows as people's databases have them."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import InternalError, ProgrammingError, connection, transaction
from django.urls import reverse
from psycopg.conninfo import make_conninfo

from approvals.models import Decision, FeedEntry, ImportedDecision, Patch, Status
from approvals.services.dispatch import dispatch
from audit.models import Entry
from postgresql.other_database import snapshot
from tests import heavy
from tests.approvals.management.other_database import BASE, DECIDED, S1, SCHEMA, WORKFLOW, Other

pytestmark = pytest.mark.django_db


def run(command: str, other: Other, *arguments: str) -> str:
    out = io.StringIO()
    call_command(command, other.dsn, *arguments, stdout=out)
    return out.getvalue()


def test_a_decided_row_is_kept_as_decided_elsewhere_and_is_no_decision_of_ours(s1, client, lena):
    s1.decision("d-1", "approved", comment="Looks right.", ml_shap_values={"lines added": 0.2}, **DECIDED)
    s1.add(
        "hitl_audit_logs",
        log_id="l-1",
        decision_id="d-1",
        action="approved",
        performed_by="operator@maximus.ai",
        details={"comment": "Looks right.", "reason": None},
    )
    out = run("import_s1", s1)
    assert "1 rows read: 1 new, 0 already imported, 0 not carried over." in out
    row = ImportedDecision.objects.get()
    assert (row.outcome, row.decided_at, row.decided_by) == (
        Status.APPROVED,
        datetime(2024, 5, 1, 10, 30, tzinfo=UTC),
        "ada@example.org",
    )
    dispatch()
    assert (Patch.objects.count(), Decision.objects.count(), FeedEntry.objects.count()) == (0, 0, 0)
    client.force_login(lena)
    page = " ".join(client.get(reverse("imported")).content.decode().split())
    assert "Imported from the reference API, decided there by ada@example.org at <time" in page
    assert "without a diff" in page
    assert "sqlalchemy 1.4.0 to 1.4.46" in page
    record = client.get(reverse("imported-detail", args=[row.pk])).content.decode()
    assert "Looks right." in record
    assert "operator@maximus.ai" in record


def test_each_imported_row_has_an_entry_of_its_own_kind_that_names_nobody(s1, client, lena):
    s1.decision("d-1", "rejected", reason="Wrong cause.", **DECIDED)
    run("import_s1", s1)
    entry = Entry.objects.get(type="history.imported")
    data = json.loads(bytes(entry.body))["data"]
    assert (data["outcome"], data["system"], data["source_id"]) == ("rejected", "the reference API", "d-1")
    body = bytes(entry.body).decode()
    assert "ada@example.org" not in body
    assert "Wrong cause" not in body
    client.force_login(lena)
    log = client.get(reverse("audit:entries")).content.decode()
    assert "rejected in the reference API by ada@example.org at 2024-05-01 10:30 UTC" in log


def test_a_second_run_changes_nothing_and_says_so_and_takes_what_is_new_since(s1):
    s1.decision("d-1", "approved", **DECIDED)
    run("import_s1", s1)
    before = Entry.objects.count()
    out = run("import_s1", s1)
    assert "0 new, 1 already imported" in out
    assert "Nothing was changed here." in out
    assert (ImportedDecision.objects.count(), Entry.objects.count()) == (1, before)
    s1.decision("d-2", "rejected", reason="No.", **DECIDED)
    assert "1 new, 1 already imported" in run("import_s1", s1)
    assert ImportedDecision.objects.count() == 2


def test_a_row_that_changed_there_since_stays_here_as_it_was(s1):
    s1.decision("d-1", "approved", **DECIDED)
    run("import_s1", s1)
    s1.run("update hitl_decisions set decision = 'rejected'")
    out = run("import_s1", s1)
    assert "hitl_decisions d-1: It has changed there since it was imported; here it stays as it was." in out
    assert ImportedDecision.objects.get().outcome == Status.APPROVED


def test_what_waits_there_is_reported_and_its_producer_has_to_send_it_again(s1):
    s1.decision("d-1", "pending")
    s1.decision("d-2", "escalated")
    out = run("import_s1", s1)
    assert "hitl_decisions d-1: It waits there, with no diff that anybody could look at" in out
    assert "hitl_decisions d-2: It was escalated and never decided." in out
    assert ImportedDecision.objects.count() == 0
    assert Decision.objects.count() == 0


def test_broken_rows_are_named_with_the_reason_and_harm_no_other(s1, tmp_path):
    s1.run("alter table hitl_decisions drop constraint hitl_decisions_pkey, alter decision_id drop not null")
    s1.run("alter table hitl_decisions alter decided_at type text, alter package_name drop not null")
    s1.decision("good", "approved", **DECIDED)
    s1.decision("good", "rejected", **(DECIDED | {"decided_at": "2024-05-02 10:30:00"}))
    s1.decision("d-unknown", "maybe", **DECIDED)
    s1.add("hitl_decisions", **(BASE | DECIDED | {"decision": "approved", "decision_id": None}))
    s1.decision("  ", "approved", **DECIDED)
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}
    s1.decision("d-deep", "approved", ml_shap_values=deep, **DECIDED)
    s1.decision("d-number", "approved", **DECIDED)
    s1.run("update hitl_decisions set ml_shap_values = repeat('9', 5000)::jsonb where decision_id = 'd-number'")
    s1.add("hitl_audit_logs", log_id="l-lost", decision_id="gone", action="created", performed_by="system")
    report = tmp_path / "report.json"
    out = run("import_s1", s1, "--report", str(report))
    read = json.loads(report.read_text("utf-8"))
    why = {(line["table"], line["id"]): line["why"] for line in read["left_out"]}
    assert why == {
        ("hitl_decisions", "good"): "Another row has this id and is carried over.",
        ("hitl_decisions", "d-unknown"): "No decision is called “maybe”.",
        ("hitl_decisions", "(no id)"): "It has no decision_id.",
        ("hitl_decisions", "  "): "It has no decision_id.",
        ("hitl_decisions", "d-deep"): "Its ml_shap_values is nested more than 100 levels deep.",
        (
            "hitl_decisions",
            "d-number",
        ): "It holds a number of more than 4,300 digits, or JSON that is nested too deeply.",
        ("hitl_audit_logs", "l-lost"): "Its decision is not there.",
    }
    assert (read["read"], read["new"], read["dry_run"]) == (7, 1, False)
    assert ImportedDecision.objects.get().outcome == Status.APPROVED
    assert all(f"{table} {row}: {text}" in out for (table, row), text in why.items())


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"decided_by": None}, "It names nobody who decided."),
        ({"decided_at": None}, "It has no time of the decision."),
        ({"decided_at": "infinity"}, "Its decided_at “infinity” is no time."),
        ({"decided_at": "1999-01-01"}, "It was decided before it was created."),
        ({"decided_at": "2999-01-01"}, "It was decided in the future."),
        ({"decision": "rejected", "reason": " "}, "It was rejected without a reason."),
        ({"reason": "x" * 3_000_000}, "Of the 3,000,000 characters in its reason the first 10,000 are carried over."),
    ],
)
def test_what_is_odd_about_a_row_is_said_and_the_row_is_carried_over(s1, changes, note):
    s1.add("hitl_decisions", **({"decision_id": "d-1", "decision": "approved"} | BASE | DECIDED | changes))
    assert f"Carried over, but: hitl_decisions d-1: {note}" in run("import_s1", s1)
    assert ImportedDecision.objects.count() == 1


def test_a_row_that_is_too_long_stays_there_and_a_long_history_loses_its_end(s1):
    s1.decision("d-long", "approved", cwe_ids=["x" * 9_000] * 10, **DECIDED)
    s1.decision("d-talk", "approved", **DECIDED)
    for number in range(20):
        s1.add(
            "hitl_audit_logs",
            log_id=f"l-{number:02}",
            decision_id="d-talk",
            action="commented",
            performed_by="ada",
            details={"comment": "x" * 9_000},
        )
    out = run("import_s1", s1)
    assert "hitl_decisions d-long: It has 90," in out
    assert "hitl_decisions d-talk: Of its 20 rows of history the first 5 are carried over." in out
    assert len(ImportedDecision.objects.get().history) == 5


def test_times_without_a_zone_are_of_the_zone_that_is_named(s1):
    s1.decision("d-1", "approved", **DECIDED)
    run("import_s1", s1, "--time-zone", "America/Sao_Paulo")
    assert ImportedDecision.objects.get().decided_at == datetime(2024, 5, 1, 13, 30, tzinfo=UTC)
    with pytest.raises(CommandError, match="No time zone is called Mars"):
        run("import_s1", s1, "--time-zone", "Mars")


def test_a_dry_run_says_the_same_and_writes_nothing(s1):
    s1.decision("d-1", "approved", **DECIDED)
    s1.decision("d-2", "pending")
    before = Entry.objects.count()
    assert "2 rows read: 1 would be new, 0 already imported, 1 not carried over." in run("import_s1", s1, "--dry-run")
    assert (ImportedDecision.objects.count(), Entry.objects.count()) == (0, before)


def test_the_other_database_is_read_only_whatever_its_address_says(s1):
    s1.decision("d-1", "approved", **DECIDED)
    dsn = make_conninfo(s1.dsn, options=f"-c search_path={SCHEMA} -c default_transaction_read_only=off")
    with snapshot(dsn) as source:
        assert source.rows("select current_setting('transaction_isolation')") == [("repeatable read",)]
        assert source.rows("select count(*) from hitl_decisions") == [(1,)]
        s1.decision("d-2", "approved", **DECIDED)
        assert source.rows("select count(*) from hitl_decisions") == [(1,)], "a row of meanwhile was seen"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            source.rows("delete from hitl_decisions returning decision_id")


def test_a_database_that_is_not_there_or_is_another_one_is_said(other):
    with pytest.raises(CommandError, match="The other database has no table hitl_decisions"):
        run("import_s1", other)
    other.dsn = "postgresql://127.0.0.1:1/nothing"
    with pytest.raises(CommandError, match="The other database: "):
        run("import_s1", other)


@pytest.mark.parametrize(("encoding", "said"), [("LATIN1", "1 new"), ("SQL_ASCII", "invalid byte sequence")])
def test_text_of_another_encoding_is_converted_and_of_none_refused(other, encoding, said):
    name = f"{connection.settings_dict['NAME']}_{encoding.lower()}"  # runs at the same time have one each
    other.run(f"drop database if exists {name}")
    other.run(f"create database {name} encoding '{encoding}' locale 'C' template template0")
    try:
        dsn = make_conninfo(other.dsn, dbname=name, options="")
        with psycopg.connect(dsn, autocommit=True) as there:
            there.execute(S1)
            Other(there, dsn).decision("d-1", "approved", decided_at=DECIDED["decided_at"])
            there.execute("update hitl_decisions set decided_by = convert_from('\\xe9'::bytea, getdatabaseencoding())")
        if encoding == "LATIN1":
            assert said in run("import_s1", Other(there, dsn))
            assert ImportedDecision.objects.get().decided_by == "\u00e9"
        else:
            with pytest.raises(CommandError, match=said):
                run("import_s1", Other(there, dsn))
    finally:
        other.run(f"drop database {name} with (force)")


def test_gates_of_the_workflow_engine_come_with_their_history(s3, client, lena):
    gate = s3.gate(1, "approved", decided_by="ada", decided_at="2024-05-01 13:00+02", context={"image": "shop:7"})
    s3.add("approval_audit_log", approval_request_id=gate, action="approved", user_email="ada@example.org")
    s3.add("approval_notifications", approval_request_id=gate, channel="slack", recipient="ada", status="sent")
    s3.gate(2, "timeout", decided_by="system", decided_at="2024-05-01 12:00+00")
    s3.gate(3, "pending")
    s3.gate(4, "escalated")
    out = run("import_s3", s3)
    assert "4 rows read: 2 new, 0 already imported, 3 not carried over." in out
    assert "approval_requests 00000000-0000-4000-8000-000000000003: It waits there, and so does the job" in out
    assert "Messages that were sent are not carried over" in out
    rows = {row.heading: row for row in ImportedDecision.objects.all()}
    assert {name: row.outcome for name, row in rows.items()} == {
        "Deploy shop 1": Status.APPROVED,
        "Deploy shop 2": Status.EXPIRED,
    }
    assert rows["Deploy shop 1"].decided_at == datetime(2024, 5, 1, 11, tzinfo=UTC)
    assert [step["user_email"] for step in rows["Deploy shop 1"].history] == ["ada@example.org"]
    client.force_login(lena)
    assert "from the workflow gates" in client.get(reverse("imported"), {"q": WORKFLOW.upper()}).content.decode()
    assert "Nothing was changed here." in run("import_s3", s3)


def test_imported_decisions_are_found_by_their_names_and_paged(s1, client, carol):
    for number in range(51):
        s1.decision(f"d-{number:02}", "approved", **(DECIDED | {"cve_id": f"CVE-2024-{number:04}"}))
    run("import_s1", s1)
    client.force_login(carol)
    assert client.get(reverse("imported")).content.decode().count("Imported from") == 50
    found = client.get(reverse("imported"), {"q": "cve-2024-0007", "outcome": "approved"}).content.decode()
    assert found.count("Imported from") == 1
    assert client.get(reverse("imported"), {"outcome": "rejected"}).content.decode().count("Imported from") == 0
    assert client.get(reverse("imported"), {"cursor": "x"}).status_code == 302


@pytest.mark.parametrize("number", [0, 10**20])
def test_an_imported_decision_that_is_not_there_is_404(client, lena, number):
    client.force_login(lena)
    assert client.get(reverse("imported-detail", args=[number])).status_code == 404


def test_json_of_any_shape_comes_as_it_was(s1, client, lena):
    s1.decision("d-1", "approved", **DECIDED)
    s1.run("update hitl_decisions set ml_shap_values = '[[], null, \"x\", 1.5]'")
    s1.add("hitl_audit_logs", log_id="l-1", decision_id="d-1", action="approved", performed_by="ada")
    s1.run("update hitl_audit_logs set details = '\"no object\"'")
    run("import_s1", s1)
    row = ImportedDecision.objects.get()
    assert row.row["ml_shap_values"] == [[], None, "x", 1.5]
    assert row.history[0]["details"] == "no object"
    client.force_login(lena)
    assert "no object" in client.get(reverse("imported-detail", args=[row.pk])).content.decode()


def test_neither_page_is_larger_than_its_budget_whatever_stood_there(s1, client, lena):
    hostile = "\u202ea" * 5_000
    for number in range(50):
        s1.decision(
            f"d-{number}-{hostile[:200]}",
            "approved",
            decided_by=hostile[:100],
            decided_at=DECIDED["decided_at"],
            patch_id=hostile[:255],
            package_name=hostile[:255],
            comment=hostile,
            reason=hostile,
            affected_systems=[hostile] * 3,
        )
    run("import_s1", s1)
    client.force_login(lena)
    assert len(client.get(reverse("imported")).content) < heavy.MOST_HTML
    detail = reverse("imported-detail", args=[ImportedDecision.objects.all()[0].pk])
    assert len(client.get(detail).content) < heavy.MOST_HTML


def test_who_may_not_read_reasons_may_not_read_a_record(s1, client, carol):
    s1.decision("d-1", "rejected", reason="Secret words.", **DECIDED)
    run("import_s1", s1)
    client.force_login(carol)
    assert "Secret words." not in client.get(reverse("imported")).content.decode()
    refused = client.get(reverse("imported-detail", args=[ImportedDecision.objects.get().pk]))
    assert refused.status_code == 403
    assert "Secret words." not in refused.content.decode()


def test_an_erased_record_leaves_the_rest_and_is_not_imported_again(s1, client, lena):
    s1.decision("d-1", "approved", **DECIDED)
    run("import_s1", s1)
    row = ImportedDecision.objects.get()
    row.record.body = None
    row.record.save(update_fields=["body"])
    assert "0 new, 1 already imported" in run("import_s1", s1)
    client.force_login(lena)
    assert "by somebody (erased)" in client.get(reverse("imported")).content.decode()
    assert "The record was erased." in client.get(reverse("imported-detail", args=[row.pk])).content.decode()


@pytest.mark.parametrize(
    "statement",
    [
        "update approvals_importeddecision set outcome = 'approved'",
        "delete from approvals_importeddecision",
    ],
)
def test_the_database_refuses_to_change_what_was_imported(s1, statement):
    s1.decision("d-1", "rejected", reason="No.", **DECIDED)
    run("import_s1", s1)
    with pytest.raises((InternalError, ProgrammingError), match="append-only"), transaction.atomic():
        connection.cursor().execute(statement)
