"""Rows read by plain SQL are those the ORM would have read."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.forms.models import model_to_dict
from django.utils import timezone

from approvals.accounts.sessions import SessionStore
from approvals.models import ApiToken, Decision, Patch, Producer
from approvals.queries.people import memberships, signed_in
from approvals.queries.tokens import token_of
from approvals.queries.verdict_context import verdict_context
from approvals.services import absence
from approvals.services.decision_lock import FOR_VERDICT_SQL, lock_decision
from audit.models import Entry
from postgresql.row_reader import Joined, RowReader
from tests.cast import actor_for


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Decision, Patch, Producer])
def test_a_row_is_the_one_the_orm_reads(make_patch, model):
    make_patch(severity="critical")
    [expected] = model.objects.all()
    [(row,)] = Joined(f"select {{columns}} from {model._meta.db_table} here", here=RowReader(model)).read([])
    assert model_to_dict(row) == model_to_dict(expected)
    assert row == expected
    assert not row._state.adding


@pytest.mark.django_db
def test_fields_that_were_not_named_load_when_somebody_looks(make_patch, django_assert_num_queries):
    decision = make_patch(description="What it does")
    named = Joined("select {columns} from approvals_patch here where id = %s", here=RowReader(Patch, "sha256", "id"))
    [(patch,)] = named.read([decision.patch_id])
    with django_assert_num_queries(0):
        assert (patch.pk, patch.sha256) == (decision.patch_id, decision.patch.sha256)
    with django_assert_num_queries(1):
        assert patch.description == "What it does"


@pytest.mark.django_db
def test_a_joined_row_has_its_instances_and_then_the_further_columns(make_patch):
    decision = make_patch()
    joined = Joined(
        """
select {columns}, patch.revision + 1
from approvals_patch patch
left join approvals_patch older on older.id = patch.supersedes_id
join approvals_producer producer on producer.id = patch.producer_id
where patch.id = any(%s)
""",
        patch=RowReader(Patch),
        older=RowReader(Patch, "id"),
        producer=RowReader(Producer),
    )
    for read in (joined.read, joined.read_planned):
        assert read([[decision.patch_id]]) == [(decision.patch, None, decision.patch.producer, 2)]
        assert read([[0]]) == []


@pytest.mark.django_db
def test_a_token_comes_with_its_producer_in_one_query(token_for, django_assert_num_queries):
    token_for("producer")
    token_for("auditor", "auditors")
    for expected in ApiToken.objects.select_related("producer"):
        with django_assert_num_queries(1):
            found = token_of(expected.prefix)
            assert found.producer == expected.producer
        assert model_to_dict(found) == model_to_dict(expected)
    assert token_of("nobody's") is None


@pytest.mark.django_db
def test_a_session_that_is_over_gives_nothing_back():
    store = SessionStore()
    store["words"] = "kept"
    store.create()
    assert dict(SessionStore(store.session_key).items()) == {"words": "kept"}
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    ended = SessionStore(store.session_key)
    assert dict(ended.items()) == {}
    assert ended.session_key is None


@pytest.mark.django_db
def test_each_of_these_is_one_statement(make_patch, alice, lena, django_assert_num_queries):
    decision, now = make_patch(severity="critical"), timezone.now()
    absence.delegate(lena, alice, now, now + timedelta(days=1), "On holiday.", actor=actor_for(lena), now=now)
    for _ in range(2):  # the policy's version is read once a process
        with transaction.atomic():
            locked = lock_decision(decision.decision_id, FOR_VERDICT_SQL)
    with transaction.atomic():
        with django_assert_num_queries(1):
            assert lock_decision(decision.decision_id, FOR_VERDICT_SQL) == decision
        with django_assert_num_queries(1):
            context = verdict_context(locked, alice, "session", now)
        with django_assert_num_queries(1):
            own_memberships = signed_in(alice.pk).memberships_read
    assert set(own_memberships) == set(memberships([alice.pk]))
    assert context.reviewer.groups == {"reviewer"}
    assert [absent.username for absent in context.reviewer.absent] == ["lena"]
    assert "security-leads" in context.reviewer.absent[0].groups
    assert context.last_entry == (2, Entry.objects.get(object_id=decision.decision_id).leaf_hash.hex())
