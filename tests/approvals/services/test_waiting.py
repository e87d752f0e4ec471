"""The narrow rows the queue is counted by: always what waits, never what has ended."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from approvals.models import Decision, Status, Verdict, Waiting
from approvals.services import lifecycle, timers
from approvals.services.kev import import_catalogue
from tests.cast import SYSTEM, actor_for

pytestmark = pytest.mark.django_db


def rows():
    return list(Waiting.objects.order_by("pk").values())


def assert_same_as_made_anew():
    kept = rows()
    with connection.cursor() as cursor:
        cursor.execute("select approvals_waiting_refill()")
    assert rows() == kept
    assert {row["decision_id"] for row in kept} == set(
        Decision.objects.filter(status=Status.PENDING).values_list("pk", flat=True)
    )


def test_a_row_comes_with_its_decision_and_says_what_it_is_filtered_by(make_patch):
    decision = make_patch(severity="high", cwe_ids=["CWE-89"], ecosystem="pypi", submitted_by="ann@example.org")
    [row] = Waiting.objects.all()
    assert (row.priority, row.severity, row.cwe_ids, row.ecosystem, row.package_name, row.submitted_by) == (
        3,
        "high",
        ["CWE-89"],
        "pypi",
        "flask",
        "ann@example.org",
    )
    assert (row.sha256, row.sla_due_at) == (decision.patch.sha256, decision.sla_due_at)
    assert row.policy.name == "high"
    assert_same_as_made_anew()


@pytest.mark.parametrize("end", ["approve", "reject", "expire", "cancel", "supersede"])
def test_it_goes_when_the_decision_ends(make_patch, approve, alice, lena, end):
    decision, other = make_patch(patch_id="P"), make_patch()
    if end in {"approve", "reject"}:
        approve(decision, alice, Verdict(end))
    elif end == "expire":
        Decision.objects.filter(pk=decision.pk).update(expire_at=timezone.now() - timedelta(seconds=1))
        timers.expire_due(timezone.now())
    elif end == "cancel":
        acting = {"user": lena, "actor": actor_for(lena), "now": timezone.now(), "channel": "page"}
        lifecycle.cancel(decision.decision_id, "Off.", **acting)
    else:
        newer = make_patch(patch_id="P", title="Another")
        assert Waiting.objects.filter(pk=newer.pk).exists()
    assert not Waiting.objects.filter(pk=decision.pk).exists()
    assert Waiting.objects.filter(pk=other.pk).exists()
    assert_same_as_made_anew()


def test_it_follows_clocks_levels_priorities_and_what_we_derive(make_patch, approve, alice):
    decision = make_patch(severity="high", cve_id="CVE-2024-0001")
    approve(make_patch(severity="critical"), alice)  # one of two
    listed = {"cveID": "CVE-2024-0001", "vulnerabilityName": "x", "dateAdded": "2026-11-19"}
    import_catalogue({"vulnerabilities": [listed]}, actor=SYSTEM, now=timezone.now())
    Decision.objects.filter(pk=decision.pk).update(escalate_at=timezone.now() - timedelta(seconds=1))
    timers.escalate_due(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("update approvals_patch set effective_severity = 'critical', search_text = 'anew'")
    row = Waiting.objects.get(pk=decision.pk)
    assert (row.priority, row.policy.name, row.escalation_level, row.severity) == (
        4,
        "critical-two-person",
        1,
        "critical",
    )
    assert_same_as_made_anew()
