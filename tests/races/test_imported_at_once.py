"""Two imports of the same rows at the same moment bring each of them once."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from approvals.models import ImportedDecision, Source, Status
from approvals.services.imported import ForeignDecision, import_decisions
from audit.models import Entry
from tests.cast import SYSTEM

from .together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = [
    ForeignDecision(
        Source.REFERENCE_API, f"d-{number}", Status.APPROVED, datetime(2024, 5, 1, tzinfo=UTC), "ada", "x", ["x"], "{}"
    )
    for number in range(20)
]


def test_two_imports_at_once_bring_each_row_once():
    compared = at_once(*[lambda: import_decisions(ROWS, actor=SYSTEM, now=timezone.now())] * 4)
    assert sorted(len(one.new) for one in compared) == [0, 0, 0, 20]
    assert ImportedDecision.objects.count() == Entry.objects.filter(type="history.imported").count() == 20
