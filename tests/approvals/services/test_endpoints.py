"""What endpoints may be, what entries say of them, and what they cost a decision."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.errors import Invalid
from approvals.models import User
from approvals.services import endpoints
from approvals.services.endpoints import Wanted
from audit.models import Entry
from notifications.models import Endpoint
from tests.approvals.services.test_webhooks import added
from tests.cast import SYSTEM, Api

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Wanted("A", "http://10.0.0.1/", "standard", "deployer:argo"), "url"),
        (Wanted("A", "https://user@example.org/", "standard", "deployer:argo"), "url"),
        (Wanted("A", "https://example.org/", "odd", "deployer:argo"), "format"),
        (Wanted("A", "https://example.org/", "standard", "deployer:nobody"), "audience"),
        (Wanted("A", "https://example.org/", "standard", "auditor:argo"), "audience"),
        (Wanted("Argo", "https://example.org/", "standard", "deployer:argo"), "name"),
    ],
)
def test_a_wrong_endpoint_is_not_kept(deployer_api: Api, wanted: Wanted, field: str) -> None:
    added("https://example.org/")
    with pytest.raises(Invalid) as refused:
        endpoints.add(wanted, None, actor=SYSTEM, now=timezone.now())
    assert refused.value.errors == [{"loc": [field], "msg": refused.value.detail}]
    assert Endpoint.objects.count() == 1


def test_entries_hold_no_address_with_its_secrets(deployer_api: Api) -> None:
    endpoint, _ = added("https://example.org/hook?token=geheim")
    other = Wanted("Argo", "https://example.org/other?token=geheim", "s1", "deployer:argo")
    endpoints.change(endpoint.pk, other, actor=SYSTEM, now=timezone.now())
    endpoints.change(endpoint.pk, other, actor=SYSTEM, now=timezone.now())
    entries = Entry.objects.filter(type__startswith="endpoint.").order_by("pk")
    assert [entry.type for entry in entries] == ["endpoint.added", "endpoint.changed"]
    bodies = "".join(bytes(entry.body).decode() for entry in entries)
    assert "geheim" not in bodies
    assert '"changed":["format","url"]' in bodies


def test_a_decision_asks_the_database_no_more_where_programs_are_told(
    make_patch: Any, approve: Any, alice: User, deployer_api: Api
) -> None:
    def statements() -> int:
        decision = make_patch()
        with CaptureQueriesContext(connection) as asked:
            approve(decision, alice)
        return len(asked)

    statements()
    alone = statements()
    for number in range(3):
        added("https://example.org/", name=f"{number}")
    assert statements() == alone
