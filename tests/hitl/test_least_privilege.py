"""As the role of web and worker: what the product needs works, what plain SQL could do past its guards is refused."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from approvals.errors import Conflict
from approvals.jobs import count_ahead, escalate, expire, forget, remind, tell_endpoints
from approvals.models import Decision, KillSwitch, Policy, Proposal, Text, User
from approvals.services import killswitch, lifecycle, second_person, workbench
from approvals.services.dispatch import dispatch, heartbeat
from audit.models import Context, Entry, Leaf, Pending
from hitl.checks import database_role
from notifications.jobs import tidy_deliveries
from postgresql import rights
from tests.cast import PASSWORD, Api, actor_for, document, tighten
from tests.plain_sql import as_the_role, connect_as, refused

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def as_role(db: Any, transactional_db: None) -> Iterator[None]:
    """Connect as the role of web and worker, as a deployed product does; the flush afterwards is the owner's."""
    with as_the_role():
        yield


@pytest.fixture
def luis(db: None) -> User:
    user = User.objects.create_user("luis", "luis@example.org", PASSWORD)
    user.groups.add(Group.objects.get(name="security-leads"))
    return user


def constraint(sql: str, *parameters: Any) -> str | None:
    return refused(sql, *parameters).diag.constraint_name


def rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: list[Any] = cursor.fetchall()
    return found


# --- What the product needs ----------------------------------------------------------------------------------------


def test_the_role_owns_nothing_and_is_nobody_special() -> None:
    assert rows("select current_user") == [(settings.DATABASE_ROLE,)]
    [special] = rows(
        "select rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls or rolinherit"
        " from pg_roles where rolname = current_user"
    )
    assert special == (False,)
    assert rows("select 1 from pg_class where pg_get_userbyid(relowner) = current_user") == []
    assert database_role() == []


def test_patches_come_in_wait_and_are_decided_and_revoked(
    producer_api: Api, deployer_api: Api, sign_in: Any, alice: User, lena: User
) -> None:
    answer = producer_api.post("/hitl/patches", document(), **{"Idempotency-Key": "once"})
    assert answer.status_code == 201, answer.content
    decision = Decision.objects.get()
    client = sign_in(alice)
    assert decision.patch.heading in client.get("/").content.decode()
    assert client.get(f"/patches/{decision.decision_id}").status_code == 200
    seen = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
    act = f"/hitl/patches/{decision.patch.patch_id}"
    said = {"decision_id": str(decision.decision_id), "comment": "Look here."}
    assert Api(user=alice).post(f"{act}/comment", said).status_code == 201
    assert Api(user=alice).post(f"{act}/approve", seen).status_code == 200
    lifecycle.revoke(decision.decision_id, "It broke.", user=lena, actor=actor_for(lena), now=timezone.now())
    assert dispatch()
    assert deployer_api.get("/hitl/decisions").status_code == 200
    assert (Pending.objects.count(), Leaf.objects.count()) == (0, Entry.objects.count())
    assert sign_in(lena).get("/history.csv").status_code == 200


def test_another_revision_takes_the_place_of_the_first(producer_api: Api) -> None:
    assert producer_api.post("/hitl/patches", document()).status_code == 201
    other = document(diff="--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-one\n+two\n")
    assert producer_api.post("/hitl/patches", other).status_code == 201
    assert sorted(Decision.objects.values_list("status", flat=True)) == ["pending", "superseded"]


def test_people_sign_in_and_out_and_change_their_password(alice: User) -> None:
    client = Client()
    answer = client.post("/accounts/login", {"username": alice.username, "password": "wrong"}, follow=True)
    assert not answer.wsgi_request.user.is_authenticated
    answer = client.post("/accounts/login", {"username": alice.username, "password": PASSWORD}, follow=True)
    assert answer.wsgi_request.user.is_authenticated, answer.content
    other = "another horse, another staple"
    form = {"password": PASSWORD, "new_password1": other, "new_password2": other}
    assert client.post("/accounts/password", form).status_code == 302
    assert User.objects.get().check_password(other)


def test_time_runs_out_reminds_and_escalates(make_patch: Any) -> None:
    make_patch(now=timezone.now() - timedelta(days=400))
    for job in (remind, escalate, expire, forget, count_ahead, tell_endpoints, tidy_deliveries):
        job(timestamp=0)
    heartbeat("worker", timezone.now())
    assert Decision.objects.get().status == "expired"
    assert Client().get("/readyz").status_code == 200


def test_policies_change_with_two_people_and_so_does_the_switch(lena: User, luis: User) -> None:
    def acting(user: User) -> dict[str, Any]:
        return {"user": user, "actor": actor_for(user), "now": timezone.now()}

    assert tighten(Policy.objects.get(name="low"), auto_approval="off").version == 2
    assert second_person.stop(reason="Something is wrong.", **acting(lena))
    asked = second_person.start_again(reason="It is right again.", **acting(lena))
    assert asked
    second_person.agree(asked.pk, **acting(luis))
    assert killswitch.stopped_by() == ""


def test_what_people_keep_for_themselves(make_patch: Any, alice: User) -> None:
    decision = make_patch()
    view = workbench.save_view(alice, "Mine", "severity=high")
    workbench.save_view(alice, "Mine", "severity=low")
    workbench.delete_view(alice, view.pk)
    for viewed in (True, False):
        workbench.tick(decision, alice, "0" * 64, viewed)
    for _ in range(2):
        workbench.be_present(decision.patch, alice, timezone.now())


def test_administrators_make_people_and_tokens(sign_in: Any, alice: User, token_for: Any) -> None:
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    client = sign_in(root)
    for page in ("", "approvals/user/", "approvals/apitoken/", "approvals/policy/", "auth/group/", "audit/entry/"):
        assert client.get(f"/admin/{page}").status_code == 200, page
    assert Api(token_for("personal", user=alice)).get("/hitl/patches/pending").status_code == 200


def test_jobs_are_deferred_and_migrations_are_seen(make_patch: Any) -> None:
    forget.configure(lock="once").defer(**{"timestamp": 0})
    assert rows("select count(*) from procrastinate_jobs") == [(1,)]
    call_command("migrate", check_unapplied=True, verbosity=0)
    assert rows("select current_user") == [(settings.DATABASE_ROLE,)], "back to the role after the owner's work"


def test_migrate_as_the_role_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASE_OWNER, "USER", settings.DATABASE_ROLE)
    with pytest.raises(CommandError, match="name their owner in DATABASE_MIGRATE_URL"):
        call_command("migrate", verbosity=0)


def test_the_setting_of_a_second_person_reaches_the_database_with_migrate(lena: User, monkeypatch: Any) -> None:
    second_person.stop(reason="Something is wrong.", user=lena, actor=actor_for(lena), now=timezone.now())
    monkeypatch.setattr(settings, "SECOND_PERSON_REQUIRED", False)
    start: dict[str, Any] = {"reason": "Right again.", "user": lena, "actor": actor_for(lena), "now": timezone.now()}
    with pytest.raises(Conflict, match=r"manage\.py migrate"):
        second_person.start_again(**start)
    connect_as(settings.DATABASE_OWNER["USER"])
    killswitch.keep_setting()
    connect_as(settings.DATABASE_ROLE)
    assert second_person.start_again(**start) is None
    assert not KillSwitch.objects.get().stopped


# --- What plain SQL could do ---------------------------------------------------------------------------------------


def test_every_table_has_its_line_of_rights() -> None:
    assert {table for (table,) in rows(rights.TABLES)} == {*rights.RIGHTS, *rights.VIEWS}


@pytest.mark.parametrize("table", ["audit_entry", "audit_context", "audit_leaf"])
@pytest.mark.parametrize("sql", ["update {} set {} = {}", "delete from {}", "truncate {} cascade", "drop table {}"])
def test_the_log_is_insert_only(make_patch: Any, table: str, sql: str) -> None:
    make_patch()
    dispatch()
    key = "id" if table == "audit_entry" else "entry_id"
    error = refused(sql.format(table, key, key))
    assert isinstance(error, psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize(
    "sql",
    [
        "alter table audit_entry disable trigger all",
        "set session_replication_role = replica",
        "drop function audit_refuse_change() cascade",
        "create or replace function audit_refuse_change() returns trigger language plpgsql as 'begin return new; end'",
        "create table mine (id int)",
        "create temporary table audit_entry (id int)",
        "copy audit_entry to program 'cat'",
        "copy approvals_text from program 'echo 1'",
        "copy approvals_text to '/tmp/hitl-test-copy'",
        "select pg_read_file('postgresql.conf')",
        "alter role current_user superuser",
        "set role postgres",
        "select approvals_waiting_refill()",
    ],
)
def test_no_way_to_become_more(sql: str) -> None:
    assert isinstance(refused(sql), psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize("table", sorted(table for table, given in rights.RIGHTS.items() if "delete" not in given))
def test_what_stays_is_never_deleted_and_nothing_is_truncated(table: str) -> None:
    assert isinstance(refused(f"delete from {table}"), psycopg.errors.InsufficientPrivilege)
    assert isinstance(refused(f"truncate {table} cascade"), psycopg.errors.InsufficientPrivilege)


def test_a_view_gives_its_reader_no_more_than_their_own_rights() -> None:
    views = rows(
        "select relname, 'security_invoker=true' = any(reloptions) from pg_class where relkind = 'v'"
        " and relnamespace = 'public'::regnamespace"
    )
    assert dict(views) == dict.fromkeys(rights.VIEWS, True)
    for view in rights.VIEWS:
        assert rows(f"select * from {view} where false") == []
        for right in ("insert", "update", "delete", "truncate"):
            assert rows(f"select has_table_privilege('{view}', '{right}')") == [(False,)], right


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("required_approvals = 1", "decision_asks_no_less"),
        ("required_groups = '{}'", "decision_asks_no_less"),
        ("priority = 1", "decision_asks_no_less"),
        ("expire_action = 'approve'", "decision_asks_no_less"),
        ("confidence = 1", "decision_asks_no_less"),
        (
            "policy_version_id = (select current_id from approvals_policy where name = 'low')",
            "decision_asks_no_less",
        ),
    ],
)
def test_a_pending_decision_never_asks_for_less(make_patch: Any, change: str, wanted: str) -> None:
    decision = make_patch(severity="critical")
    assert decision.required_approvals == 2
    tighten(decision.policy_version.policy, required_groups=["security-leads"])
    decision = make_patch(severity="critical")
    assert decision.required_groups
    assert constraint(f"update approvals_decision set {change} where id = %s", decision.pk) == wanted


def test_a_decision_asks_for_all_that_its_policy_asks_for_from_the_start(make_patch: Any) -> None:
    decision = make_patch(severity="critical")
    columns = [str(field.column) for field in Decision._meta.fields if field.column != "id"]
    chosen = ", ".join({"required_approvals": "1"}.get(name, name) for name in columns)
    sql = f"insert into approvals_decision ({', '.join(columns)}) select {chosen} from approvals_decision where id = %s"
    assert constraint(sql, decision.pk) == "decision_asks_as_its_policy"


def test_nothing_is_approved_without_the_reviews_it_counts(make_patch: Any, approve: Any, alice: User) -> None:
    decision = make_patch(severity="critical")
    approve(decision, alice)
    sql = (
        "update approvals_decision set status = 'approved', decided_by_kind = 'human', decided_by = 'x',"
        " decided_at = now(), channel = 'api', cause = 'x', approvals = 2 where id = %s"
    )
    assert constraint(sql, decision.pk) == "decision_approved_by_reviews"
    assert Decision.objects.get().status == "pending"


def test_one_person_cannot_start_automatic_approval(lena: User, luis: User) -> None:
    now = timezone.now()
    second_person.stop(reason="Something is wrong.", user=lena, actor=actor_for(lena), now=now)
    start = "update approvals_killswitch set stopped = false, changed_at = {}"
    assert constraint(start.format("changed_at")) == "kill_switch_needs_a_second_person"
    assert constraint(start.format("now()")) == "kill_switch_needs_a_second_person"
    asked = second_person.start_again(reason="Right again.", user=lena, actor=actor_for(lena), now=now)
    assert asked
    assert constraint(start.format("now()")) == "kill_switch_needs_a_second_person", "nobody has agreed yet"
    second_person.agree(asked.pk, user=luis, actor=actor_for(luis), now=timezone.now())
    second_person.stop(reason="Wrong again.", user=lena, actor=actor_for(lena), now=timezone.now())
    used = start.format("(select decided_at from approvals_proposal)")
    assert constraint(used) == "kill_switch_needs_a_second_person", "each agreement starts it once"
    assert KillSwitch.objects.get().stopped
    for sql in (
        "update approvals_killswitch set second_person_required = false",
        "delete from approvals_killswitch",
        "insert into approvals_killswitch (id, stopped, changed_by) values (2, false, '')",
    ):
        assert isinstance(refused(sql), psycopg.errors.InsufficientPrivilege), sql


def test_a_proposal_is_open_first_and_keeps_what_was_asked(lena: User, luis: User) -> None:
    text = Text.objects.create(body="because")
    columns = "kind, payload, base, loosens, reason_id, proposed_by_id, proposed_at, state, decided_by_id, decided_at"
    applied = (
        f"insert into approvals_proposal ({columns}) values ('switch', '{{}}', '', '[]', %s, %s, now(), %s, %s, now())"
    )
    assert constraint(applied, text.pk, lena.pk, "applied", luis.pk) == "proposal_begins_open"
    Proposal.objects.create(kind="switch", reason=text, proposed_by=lena, proposed_at=timezone.now())
    for column in ("payload = '{}'", "loosens = '[]'", "kind = 'switch'", "proposed_by_id = proposed_by_id"):
        assert isinstance(refused(f"update approvals_proposal set {column}"), psycopg.errors.InsufficientPrivilege)
    own = "update approvals_proposal set state = 'applied', decided_by_id = proposed_by_id, decided_at = now()"
    assert constraint(own) == "proposal_needs_a_second_person"


def test_a_policy_goes_to_a_newer_version_of_its_own_only() -> None:
    low = Policy.objects.get(name="low")
    old = low.current_id
    tighten(low, auto_approval="off")
    back = "update approvals_policy set current_id = %s where name = 'low'"
    assert constraint(back, old) == "policy_current_newer"
    other = Policy.objects.exclude(name="low").first()
    assert other
    assert constraint(back, other.current_id) == "policy_current_newer"
    assert isinstance(
        refused("update approvals_policyversion set auto_approval = 'enforce'"), psycopg.errors.InsufficientPrivilege
    )


def test_deployers_are_told_only_what_was_decided(make_patch: Any) -> None:
    sql = "insert into approvals_feedentry (position, decision_id, status, at) values (999, %s, 'approved', now())"
    assert constraint(sql, make_patch().pk) == "feed_tells_the_truth"


def test_no_entry_leaves_the_outbox_but_for_the_log(make_patch: Any) -> None:
    make_patch()
    assert refused("delete from audit_pending").sqlstate == "42501"
    assert refused("update audit_pending set entry_id = 0").sqlstate == "42501"
    assert refused("insert into audit_pending values (0)").sqlstate == "42501"
    place = "insert into audit_leaf (seq, entry_id) select {}, min(entry_id) from audit_pending"
    assert refused(place.format("1000")).sqlstate == "42501", "a gap"
    waiting = place.format("coalesce((select max(seq) + 1 from audit_leaf), 0)")
    assert refused(waiting).sqlstate == "42501", "it would wait and be placed at once"
    dispatch()
    assert (Pending.objects.count(), Leaf.objects.count()) == (0, Entry.objects.count())


@pytest.mark.parametrize("column", ["actor_label", "object_label", "ip_address", "user_agent"])
def test_nobody_erases_who_it_was(make_patch: Any, column: str) -> None:
    make_patch()
    assert Context.objects.exists()
    empty = "null" if column == "ip_address" else "''"
    error = refused(f"update audit_context set {column} = {empty}")
    assert isinstance(error, psycopg.errors.InsufficientPrivilege)


def test_the_queue_hides_nothing(make_patch: Any) -> None:
    make_patch()
    for sql in ("delete from approvals_waiting", "update approvals_waiting set priority = 1"):
        assert isinstance(refused(sql), psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("approvals_proposal", "applied_in = 1"),
        ("approvals_apitoken", "kind = kind"),
        ("approvals_apitoken", "scopes = scopes"),
        ("approvals_apitoken", "user_id = user_id"),
        ("approvals_bypass", "seconds = seconds"),
        ("approvals_delegation", "delegate_id = person_id"),
        ("approvals_review", "verdict = 'approve'"),
        ("approvals_text", "body = null"),
        ("django_migrations", "name = name"),
    ],
)
def test_what_changes_in_one_way_only(table: str, change: str) -> None:
    assert isinstance(refused(f"update {table} set {change}"), psycopg.errors.InsufficientPrivilege)
