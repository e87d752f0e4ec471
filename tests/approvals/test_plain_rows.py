"""Rows read by plain SQL are those the ORM would have read."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.forms.models import model_to_dict
from django.utils import timezone

from approvals.accounts.sessions import SessionStore
from approvals.models import ApiToken, Decision, Patch, Producer
from approvals.queries.row_reader import RowReader
from approvals.queries.tokens import token_of


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Decision, Patch, Producer])
def test_a_row_is_the_one_the_orm_reads(make_patch, model):
    make_patch(severity="critical")
    [expected] = model.objects.all()
    [row] = RowReader(model).where("true", [])
    assert model_to_dict(row) == model_to_dict(expected)
    assert row == expected
    assert not row._state.adding


@pytest.mark.django_db
def test_fields_that_were_not_named_load_when_somebody_looks(make_patch, django_assert_num_queries):
    decision = make_patch(description="What it does")
    patch = RowReader(Patch, "sha256", "id").one("id = %s", [decision.patch_id])
    with django_assert_num_queries(0):
        assert (patch.pk, patch.sha256) == (decision.patch_id, decision.patch.sha256)
    with django_assert_num_queries(1):
        assert patch.description == "What it does"
    assert RowReader(Patch, "id").one("id = %s", [0]) is None


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
