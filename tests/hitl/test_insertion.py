"""Rows that go in as arrays come out as sent, and what a column has no room for is refused, never cut."""

import pytest
from django.db import DataError, transaction
from django.utils import timezone

from approvals.models import KeptAnswer
from postgresql.insertion import insert

pytestmark = pytest.mark.django_db


def answer(**more: object) -> KeptAnswer:
    given = {"caller": "token:1", "path": "/", "key": "k", "body_sha256": "a" * 64, "at": timezone.now(), "status": 200}
    return KeptAnswer(**given | more)


def test_bytes_come_out_as_sent_and_rows_get_their_keys():
    rows = [answer(key=str(n), body=bytes(range(256)) * n) for n in range(3)]
    insert(rows)
    assert [bytes(KeptAnswer.objects.get(pk=row.pk).body) for row in rows] == [bytes(range(256)) * n for n in range(3)]


def test_what_is_too_long_is_refused():
    with pytest.raises(DataError), transaction.atomic():
        insert([answer(caller="c" * 1000)])
    assert not KeptAnswer.objects.exists()
