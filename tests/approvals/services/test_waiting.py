"""The narrow rows the queue is counted and sorted by: always what waits, never what has ended."""

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from approvals.models import Decision, Policy, Status, Verdict, Voice, Waiting
from approvals.services import lifecycle, reviews, timers
from approvals.services.kev import import_catalogue
from tests.cast import SYSTEM, actor_for, republish

pytestmark = pytest.mark.django_db


def rows():
    return list(Waiting.objects.order_by("pk").values())


def voices(decision=None):
    found = Voice.objects.filter(decision=decision) if decision else Voice.objects.all()
    return sorted(found.values_list("decision", "user"))


def assert_same_as_made_anew():
    kept, heard = rows(), voices()
    with connection.cursor() as cursor:
        cursor.execute("select approvals_waiting_refill()")
    assert (rows(), voices()) == (kept, heard)
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
    assert row.created_at == decision.created_at
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


def test_the_longest_words_a_document_may_hold_fit_the_indexes(make_patch):
    longest = {
        name: "".join(chr(random.randint(0x1F300, 0x1FAFF)) for _ in range(255))
        for name in ("ecosystem", "language", "package_name")
    }
    longest["submitted_by"] = "x" * 255  # one address or user name
    decision = make_patch(**longest)
    assert Waiting.objects.values(*longest).get(pk=decision.pk) == longest


class TestVoices:
    def test_a_review_that_does_not_end_it_is_heard_until_the_end(self, make_patch, approve, alice, lena):
        decision, other = make_patch(severity="critical"), make_patch(severity="critical")
        approve(decision, alice)
        approve(other, alice)
        assert voices() == [(decision.pk, alice.pk), (other.pk, alice.pk)]
        assert_same_as_made_anew()
        approve(decision, lena)
        assert Decision.objects.get(pk=decision.pk).status == Status.APPROVED
        assert voices() == [(other.pk, alice.pk)]
        assert_same_as_made_anew()

    def test_what_is_taken_back_is_heard_no_more(self, make_patch, approve, alice, lena):
        republish(make_patch(severity="critical").policy_version.policy, required_approvals=3)
        decision = make_patch(severity="critical")
        approve(decision, alice)
        approve(decision, lena)
        given = {"user": alice, "actor": actor_for(alice), "now": timezone.now()}
        reviews.withdraw(decision.decision_id, "Too early.", **given)
        assert voices(decision) == [(decision.pk, lena.pk)]
        assert_same_as_made_anew()

    def test_a_rejection_short_of_its_number_is_heard(self, make_patch, approve, alice):
        republish(Policy.objects.get(name="low"), deny_threshold=2, required_approvals=2)
        decision = make_patch(severity="low")
        approve(decision, alice, Verdict.REJECT)
        assert voices(decision) == [(decision.pk, alice.pk)]
        assert_same_as_made_anew()
