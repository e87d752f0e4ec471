"""What the database refuses in raw SQL, whoever asks: transitions, changed content, lost history."""

import re
from datetime import timedelta
from itertools import product

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import DatabaseError, connection, models
from django.utils import timezone

from approvals.models import Decision, ImportedDecision, Patch, Status, Text, User, Verdict
from approvals.services import absence, lifecycle, reviews
from approvals.services.dispatch import dispatch
from tests.cast import actor_for
from tests.plain_sql import execute, refused

pytestmark = pytest.mark.django_db

ALLOWED = {
    *product(["pending"], set(Status.values) - {"pending", "revoked"}),
    ("approved", "revoked"),
    ("auto_approved", "revoked"),
}
BY_WHOM = {
    "approved": "decision_approved_by_person",
    "auto_approved": "decision_auto_approved_by_policy",
    "rejected": "decision_refused_by_person",
    "changes_requested": "decision_refused_by_person",
    "expired": "decision_expired_by_timer",
}
APPEND_ONLY = ["patchcontent", "comment", "revocation", "feedentry", "policyversion", "acknowledgement", "bypassreview"]
APPEND_ONLY += ["importeddecision", "outcomereport", "difffetch"]
TABLES = [*APPEND_ONLY, "patch", "decision", "review", "text", "delegation", "bypass"]


def end_sql(status: str) -> str:
    """Return the UPDATE that makes a decision end lawfully but for where it comes from."""
    kind = {"auto_approved": "policy", "expired": "timer", "superseded": "service"}.get(status, "human")
    channel = "intake" if status == "auto_approved" else "api"
    return (
        f"update approvals_decision set status = '{status}', decided_by_kind = '{kind}', decided_by = 'x',"
        f" decided_at = now(), channel = '{channel}', cause = 'x', approvals = required_approvals, reason_id = %s"
        " where id = %s"
    )


@pytest.fixture(autouse=True)
def enforced(enforce_everywhere):
    """Let every policy approve without a person, so that each transition is refused for its own sake."""


@pytest.fixture
def put(make_patch, lena):
    """Return a function that makes a decision in a state."""
    text = Text.objects.create(body="because")

    def make(status: str) -> Decision:
        decision: Decision = make_patch()
        if status == "pending":
            return decision
        first = "approved" if status == "revoked" else status
        if first == "approved":
            voice(decision, lena)
        execute(end_sql(first), text.pk, decision.pk)
        if status == "revoked":
            revoke(decision, text)
            execute("update approvals_decision set status = 'revoked' where id = %s", decision.pk)
        return Decision.objects.get(pk=decision.pk)

    return make


def voice(decision: Decision, user: User) -> None:
    """Let somebody have approved it: an approval without its reviews is refused."""
    execute(
        "insert into approvals_review (decision_id, reviewer_id, verdict, patch_sha256, category, displayed, channel,"
        " authn, created_at) values (%s, %s, 'approve', %s, '', 'api', 'api', 'token', now())",
        decision.pk,
        user.pk,
        decision.patch.sha256,
    )


def revoke(decision: Decision, text: Text) -> None:
    execute(
        "insert into approvals_revocation (decision_id, revoked_by, reason_id, revoked_at) values (%s, 'x', %s, now())",
        decision.pk,
        text.pk,
    )


@pytest.mark.parametrize("before", Status.values)
def test_every_transition_outside_the_state_machine_is_refused(put, before, lena):
    text = Text.objects.create(body="because")
    for after in Status.values:
        if after == before:
            continue
        decision = put(before)
        if after == "revoked" and before in {"approved", "auto_approved"}:
            revoke(decision, text)
        sql, parameters = "update approvals_decision set status = %s where id = %s", [after, decision.pk]
        if before == "pending" and after not in {"revoked", "pending"}:
            sql, parameters = end_sql(after), [text.pk, decision.pk]
        if (before, after) == ("pending", "approved"):
            voice(decision, lena)
        if (before, after) in ALLOWED:
            execute(sql, *parameters)
            assert Decision.objects.get(pk=decision.pk).status == after
        else:
            assert refused(sql, *parameters).diag.constraint_name == "decision_transition", (before, after)


def test_a_decision_begins_pending(put):
    decision = put("pending")
    columns = [field.column for field in Decision._meta.fields if field.column != "id"]
    chosen = ", ".join("'approved'" if name == "status" else name for name in columns)
    sql = f"insert into approvals_decision ({', '.join(columns)}) select {chosen} from approvals_decision where id = %s"
    assert refused(sql, decision.pk).diag.constraint_name == "decision_transition"


@pytest.mark.parametrize("status", [status for status in Status.values if status not in {"pending", "revoked"}])
@pytest.mark.parametrize(
    "missing", ["decided_by_kind = ''", "decided_by = ''", "decided_at = null", "channel = ''", "cause = ''"]
)
def test_an_end_without_who_when_and_why_is_refused(make_patch, status, missing):
    text = Text.objects.create(body="because")
    name = missing.split(" ")[0]
    sql = end_sql(status)
    start = sql.index(f"{name} = ")
    end = sql.index(",", start)
    error = refused(sql[:start] + missing + sql[end:], text.pk, make_patch().pk)
    lawful = {"decision_end_has_who_when_why", "decision_auto_approval_enforced", *BY_WHOM.values()}
    assert error.diag.constraint_name in lawful


@pytest.mark.parametrize("status", ["rejected", "changes_requested", "cancelled"])
def test_a_refusal_without_a_reason_is_refused(make_patch, status):
    assert refused(end_sql(status), None, make_patch().pk).diag.constraint_name == "decision_refusal_has_reason"


@pytest.mark.parametrize("kind", ["human", "policy", "timer", "service"])
@pytest.mark.parametrize("status", BY_WHOM)
def test_only_people_approve_and_refuse_and_only_policies_and_timers_what_is_theirs(make_patch, lena, kind, status):
    lawful = end_sql(status)
    sql = re.sub("decided_by_kind = '[a-z]+'", f"decided_by_kind = '{kind}'", lawful)
    reason, decision = Text.objects.create(body="because"), make_patch()
    voice(decision, lena)
    if sql == lawful:
        execute(sql, reason.pk, decision.pk)
    else:
        assert refused(sql, reason.pk, decision.pk).diag.constraint_name == BY_WHOM[status]


def test_a_priority_is_one_of_four(make_patch):
    decision = make_patch()
    error = refused("update approvals_decision set priority = 99 where id = %s", decision.pk)
    assert error.diag.constraint_name == "decision_priority"


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_a_review_begins_while_its_decision_is_pending_and_is_a_verdict(put, make_patch, alice, role):
    columns = "decision_id, reviewer_id, verdict, patch_sha256, category, displayed, channel, authn, created_at"
    sql = f"insert into approvals_review ({columns}) values (%s, %s, %s, %s, '', 'api', 'api', 'token', now())"
    decided, pending = put("approved"), make_patch()
    with connection.cursor() as cursor:
        cursor.execute(f"set local session_replication_role = {role}")
    error = refused(sql, decided.pk, alice.pk, "approve", "0" * 64)
    assert error.diag.constraint_name == "review_of_pending"
    error = refused(sql, pending.pk, alice.pk, "junk", "0" * 64)
    assert error.diag.constraint_name == "review_verdict"


@pytest.mark.parametrize("status", [status for status in Status.values if "approved" not in status])
def test_only_an_approval_has_a_revocation(put, status):
    decision, text = put(status), Text.objects.create(body="because")
    with pytest.raises(DatabaseError) as error:
        revoke(decision, text)
    assert error.value.__cause__.diag.constraint_name in {
        "revocation_of_approval",
        "approvals_revocation_decision_id_key",
    }


@pytest.mark.parametrize("role", ["origin", "replica"])
@pytest.mark.parametrize(
    ("sql", "constraint"),
    [
        ("delete from approvals_policy where is_default", "policy_default"),
        ("update approvals_policy set is_default = false where is_default", "policy_default"),
        ("update approvals_policy set position = 0 where is_default", "policy_default_last"),
        ("update approvals_policy set position = 2000000 where name = 'low'", "policy_default_last"),
        (
            "insert into approvals_policy (name, position, enabled, is_default) values ('x', 3000000, true, false)",
            "policy_default_last",
        ),
    ],
)
def test_the_default_policy_stays_and_stays_last(sql, constraint, role):
    with connection.cursor() as cursor:
        cursor.execute(f"set local session_replication_role = {role}")
    assert refused(sql).diag.constraint_name == constraint


def test_a_pending_decision_carries_no_outcome(make_patch):
    sql = "update approvals_decision set decided_by = 'x' where id = %s"
    assert refused(sql, make_patch().pk).diag.constraint_name == "decision_end_has_who_when_why"


@pytest.mark.parametrize(
    "change",
    [
        "decided_by = 'mallory'", "decided_by_kind = 'timer'", "decided_at = now() + interval '1 s'",
        "channel = 'page'",
        "cause = 'y'", "category = 'style'", "reason_id = null", "trace = '[]'", "required_approvals = 9",
        "approvals = 9",
        "priority = 4", "required_groups = '{x}'", "policy_version_id = policy_version_id + 1",
    ],
)  # fmt: skip
def test_who_decided_what_when_and_why_never_changes(put, change):
    decision = put("rejected")
    if change == "trace = '[]'":
        assert decision.trace
    error = refused(f"update approvals_decision set {change} where id = %s", decision.pk)
    assert error.diag.constraint_name == "decision_outcome_immutable"


@pytest.mark.parametrize(
    "change", ["decision_id = gen_random_uuid()", "created_at = now() - interval '1 day'", "alias = 'other'"]
)
def test_a_decision_keeps_its_identity(make_patch, change):
    decision = make_patch(decision_id="mine")
    error = refused(f"update approvals_decision set {change} where id = %s", decision.pk)
    assert error.diag.constraint_name == "decision_identity"


def test_a_revocation_without_who_when_and_why_is_refused(put):
    error = refused("update approvals_decision set status = 'revoked' where id = %s", put("approved").pk)
    assert error.diag.constraint_name == "decision_revocation"


DERIVED = {
    "effective_severity", "known_exploited", "file_count", "additions", "deletions", "parsed", "parse_warnings",
    "search_text", "search", "change_sha256", "change_spaceless_sha256", "change_files_sha256", "mark_codes",
    "canonical_sha256", "no_canonical", "ambiguous", "marks", "worst_mark",
    "vulnerability_ids", "cvss_counted",
}  # fmt: skip


@pytest.mark.parametrize("column", [field.column for field in Patch._meta.fields if field.column not in DERIVED])
def test_no_column_a_producer_sent_ever_changes(make_patch, column):
    patch = make_patch(
        ml_prediction={"confidence": 0.5, "prediction": True, "base_value": 0.1, "execution_time_ms": 5}
    ).patch
    field = next(field for field in Patch._meta.fields if field.column == column)
    other = {
        models.BooleanField: f"not coalesce({column}, false)",
        models.JSONField: "'[\"other\"]'",
        ArrayField: "'{other}'",
        models.DateTimeField: "now() - interval '1 year'",
        models.DateField: "'2020-01-01'",
        models.FloatField: "0.123",
    }.get(
        type(field),
        f"coalesce({column}, 0) + 1"
        if "Integer" in type(field).__name__ or field.is_relation or field.primary_key
        else "'x'",
    )
    column_sql = f'"{column}"'
    error = refused(
        f"update approvals_patch set {column_sql} = {other.replace(column, column_sql)} where id = %s", patch.pk
    )
    assert error.diag.constraint_name == "patch_content_immutable"


def test_what_we_derive_may_be_computed_again(make_patch):
    patch = make_patch().patch
    execute("update approvals_patch set file_count = 7, effective_severity = 'high' where id = %s", patch.pk)


def test_the_diff_never_changes(make_patch):
    patch = make_patch().patch
    error = refused("update approvals_patchcontent set diff = 'x' where patch_id = %s", patch.pk)
    assert error.sqlstate == "42501"


@pytest.fixture
def everything(make_patch, approve, alice, lena, bob, deployer_api, approved_alone):
    """Put a row into every guarded table."""
    decision = make_patch()
    reviews.comment(decision.decision_id, "Hello.", user=alice, actor=actor_for(alice), now=timezone.now())
    approve(decision, alice, text="Fine.")
    lifecycle.revoke(decision.decision_id, "It broke.", user=lena, actor=actor_for(lena), now=timezone.now())
    dispatch()
    first = {"position": decision.feed.order_by("position")[0].position}
    assert deployer_api.post(f"/hitl/decisions/{decision.decision_id}/acknowledge", first).status_code == 200
    row = {"source": "reference_api", "source_id": "1", "outcome": "approved", "heading": "x", "names": ["1"]}
    ImportedDecision.objects.create(**row, imported_at=timezone.now(), record=Text.objects.create(body="{}"))
    deployer_api.get(f"/hitl/patches/{approved_alone.patch.patch_id}/diff")
    report = {"deployed_sha256": decision.patch.sha256, "result": "failed", "at": timezone.now().isoformat()}
    assert deployer_api.post(f"/hitl/patches/{decision.patch.patch_id}/outcome", report).status_code == 200
    now = timezone.now()
    absence.delegate(alice, bob, now, now + timedelta(days=1), "Away.", actor=actor_for(alice), now=now)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_no_row_is_ever_deleted_even_where_ordinary_triggers_sleep(everything, table, role):
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from approvals_{table}")
        assert cursor.fetchone()[0]
        cursor.execute(f"set local session_replication_role = {role}")
    error = refused(f"delete from approvals_{table}")
    assert error.sqlstate in {"42501", "23514"}


@pytest.mark.parametrize("table", TABLES)
def test_every_guarded_table_has_a_trigger_against_truncate_that_always_fires(table):
    """The test database switches these off for its own flush, so they are looked up instead of fired."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select tgtype & 32 > 0 from pg_trigger where tgrelid = %s::regclass and tgname = %s",
            [f"approvals_{table}", f"approvals_{table}_no_truncate"],
        )
        assert cursor.fetchone() == (True,)


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_what_is_append_only_is_never_updated(everything, table):
    with connection.cursor() as cursor:
        cursor.execute(
            "select column_name from information_schema.columns where table_name = %s", [f"approvals_{table}"]
        )
        columns = [name for (name,) in cursor.fetchall()]
    for column in columns:
        assert refused(f'update approvals_{table} set "{column}" = "{column}"').sqlstate == "42501", column


def test_a_second_live_review_by_the_same_person_is_refused(make_patch, approve, alice):
    approve(make_patch(severity="critical"), alice)
    columns = "decision_id, reviewer_id, verdict, patch_sha256, category, displayed, channel, authn, created_at"
    error = refused(f"insert into approvals_review ({columns}) select {columns} from approvals_review")
    assert error.diag.constraint_name == "review_once_live"


def test_a_review_can_only_be_withdrawn_once_while_pending(make_patch, approve, alice):
    approve(make_patch(severity="critical"), alice)
    assert refused("update approvals_review set verdict = 'reject'").sqlstate == "42501"
    execute("update approvals_review set withdrawn_at = now()")
    assert refused("update approvals_review set withdrawn_at = now()").sqlstate == "42501"
    assert refused("update approvals_review set withdrawn_at = null").sqlstate == "42501"


def test_a_review_of_a_decided_patch_stands(make_patch, approve, alice):
    approve(make_patch(), alice, Verdict.REJECT)
    assert refused("update approvals_review set withdrawn_at = now()").sqlstate == "42501"


def test_text_can_be_erased_and_nothing_else():
    text = Text.objects.create(body="mine")
    for change in ("body = 'other'", "body = ''", "salt = 'x'", "id = id + 1", "body = null, salt = 'x'"):
        assert refused(f"update approvals_text set {change} where id = %s", text.pk).sqlstate == "42501", change
    execute("update approvals_text set body = null where id = %s", text.pk)
    assert str(Text.objects.get()) == "[erased]"
    assert refused("update approvals_text set body = 'back' where id = %s", text.pk).sqlstate == "42501"


def test_the_guards_hold_for_a_decision_in_a_session_that_plays_replica(put):
    decision = put("rejected")
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
    error = refused("update approvals_decision set status = 'approved' where id = %s", decision.pk)
    assert error.diag.constraint_name == "decision_transition"


@pytest.mark.parametrize(
    "change", ["delegate_id = person_id", "ends_at = now() + interval '9 days'", "ended_at = null"]
)
def test_a_delegation_is_ended_once_and_never_changed(everything, change):
    if change == "ended_at = null":
        execute("update approvals_delegation set ended_at = now()")
    assert refused(f"update approvals_delegation set {change}").sqlstate == "42501"


def test_nobody_reviews_in_the_name_of_somebody_who_did_not_ask(make_patch, approve, alice, lena):
    approve(make_patch(severity="critical"), alice)
    columns = "decision_id, verdict, patch_sha256, category, displayed, channel, authn, created_at"
    error = refused(
        f"insert into approvals_review (reviewer_id, delegated_from_id, {columns}) "
        f"select %s, reviewer_id, {columns} from approvals_review",
        lena.pk,
    )
    assert error.diag.constraint_name == "review_delegated"
