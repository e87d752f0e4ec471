"""What finds a patch: every filter of the list against every caller. What a caller may not see finds nothing."""

from collections.abc import Callable
from uuid import UUID

import pytest

from approvals.api.patches import PendingQuery
from approvals.forms import HistoryForm
from approvals.models import Decision, Patch
from approvals.policy.visible_fields import EVERYBODY, VISIBLE, Reader, sees, unsought
from approvals.queries import queue
from tests.approvals.test_visible_fields import PEOPLE_WHO_READ, caller, full, taken

pytestmark = pytest.mark.django_db

__all__ = ["caller"]


def first_of(waiting: Decision, name: str) -> str:
    return str(getattr(waiting.patch, name)[0])


FINDS: dict[str, list[tuple[Callable[[Decision], str], str, set[str]]]] = {
    "priority": [(lambda waiting: waiting.get_priority_display().lower(), "critical", {"priority"})],
    "severity": [(lambda waiting: waiting.patch.effective_severity, "unknown", {"effective_severity"})],
    "kind": [(lambda _: "patch", "gate", {"kind"})],
    "cwe": [(lambda waiting: first_of(waiting, "cwe_ids"), "CWE-1", {"patch_metadata.cwe_ids"})],
    "cve": [(lambda waiting: first_of(waiting, "cve_ids"), "CVE-1999-1", {"patch_metadata.cve_ids"})],
    "package": [(lambda waiting: waiting.patch.package_name, "none", {"package_name"})],
    "ecosystem": [(lambda waiting: waiting.patch.ecosystem, "none", {"patch_metadata.ecosystem"})],
    "language": [(lambda waiting: waiting.patch.language, "none", {"patch_metadata.language"})],
    "confidence_min": [(lambda _: "0.01", "1", {"ml_confidence"})],
    "confidence_max": [(lambda _: "1", "0.01", {"ml_confidence"})],
    "wargaming": [(lambda waiting: waiting.patch.wargaming, "failed", {"wargaming_verdict"})],
    "sla": [(lambda _: "none", "breached", {"sla_state"})],
    "producer": [(lambda _: "patchgen", "none", {"producer"})],
    "policy": [(lambda waiting: waiting.policy_version.policy.name, "none", {"policy"})],
    "escalated": [(lambda _: "false", "true", {"escalation_level"})],
    "careful": [(lambda _: "true", "", {"marks"})],
    "lines": [(lambda waiting: waiting.patch.change_sha256 or "", "0" * 64, {"same_lines"})],
    "q": [
        (lambda _: "P-1", "none", {"patch_id"}),
        (lambda _: "kestrel", "none", {"title"}),
        (lambda _: "wigeon", "none", {"patch_metadata.repository"}),
        (lambda _: "dunlin", "none", {"people"}),
        (lambda _: "P-1 dunlin", "P-1 none", {"people"}),
        (lambda waiting: waiting.patch.sha256[:12], "0" * 12, {"patch_sha256"}),
        (lambda waiting: first_of(waiting, "cve_ids"), "none", {"patch_metadata.cve_ids"}),
        (lambda waiting: waiting.patch.package_name, "none", {"package_name"}),
    ],
}
"""Of each filter of the list: values that find the first patch, one that does not, and the fields it compares."""
ORDERS = {
    "priority": {"priority", "sla_due_at"},
    "age": {"created_at"},
    "sla": {"sla_due_at"},
    "confidence": {"ml_confidence"},
}
"""What each order of the list compares."""


@pytest.fixture
def waiting(producer_api) -> Decision:
    taken(producer_api.post("/hitl/patches", full(patch_id="P-1")))
    Patch.objects.update(marks=["workflow"], worst_mark="CI workflow")
    return Decision.objects.select_related("patch", "policy_version__policy").get()


@pytest.mark.parametrize("reader", Reader)
def test_every_filter_finds_by_what_its_caller_sees_and_by_nothing_else(waiting, caller, reader):
    client = caller(reader).client
    for name, samples in FINDS.items():
        for value, other, fields in samples:
            sought = {"limit": "100", name: value(waiting)}
            assert sought[name], name
            rows = client.get("/hitl/patches/pending", sought)
            assert rows.status_code == 200, rows.content
            found = waiting.decision_id in {UUID(row["decision_id"]) for row in rows.json()}
            own_only = reader == Reader.OTHER_PRODUCER and name == "q"  # as documented
            assert found == (all(sees(reader, field) for field in fields) and not own_only), (name, sought)
            if other:
                rows = client.get("/hitl/patches/pending", {name: other})
                assert str(waiting.decision_id) not in rows.content.decode(), (name, other)


def test_every_filter_and_order_is_walked():
    assert set(FINDS) == set(PendingQuery.model_fields) - {"sort", "limit", "cursor", "offset", "mine"}
    assert set(ORDERS) == set(queue.ORDERS)
    assert all(VISIBLE[field] == EVERYBODY for fields in ORDERS.values() for field in fields)


def test_people_see_all_that_the_filters_of_pages_and_export_compare():
    """They ask the same questions without this table: whoever is hidden something more needs it there."""
    compared = {"status", "priority", "kind", "reviews.reviewer", "decided_at", "same_lines", "marks"}
    assert set(HistoryForm.base_fields) == {"q", "status", "priority", "kind", "reviewer", "since", "until"}
    for reader in PEOPLE_WHO_READ:
        assert not unsought(reader)
        assert all(sees(reader, field) for field in compared), reader
