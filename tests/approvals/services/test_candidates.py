"""Intake beside what is already there: other candidates of a CVE, and a decision taken at the same moment."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.models import Decision, Producer, Status, Verdict
from approvals.queries.decisions import count_for_same_cves
from approvals.services.intake import submit
from tests.cast import SYSTEM, document, trust


def waiting_others(decision: Decision) -> str:
    [value] = [row["value"] for row in decision.trace if row["text"] == "No other candidate for the CVE waits"]
    return str(value)


@pytest.mark.django_db
def test_the_revision_that_is_replaced_is_no_other_candidate(make_patch):
    make_patch(patch_id="P", cve_id="CVE-1")
    assert waiting_others(make_patch(patch_id="P", cve_id="CVE-1", title="other")) == "0 waiting"


@pytest.mark.django_db
def test_another_patch_for_the_same_cve_is_one(make_patch):
    make_patch(cve_id="CVE-1")
    assert waiting_others(make_patch(cve_id="CVE-1")) == "1 waiting"


@pytest.mark.django_db
def test_a_decided_patch_for_the_same_cve_is_none(make_patch, approve, alice):
    approve(make_patch(cve_id="CVE-1"), alice)
    assert waiting_others(make_patch(cve_id="CVE-1")) == "0 waiting"


@pytest.mark.django_db
def test_a_candidate_for_one_of_two_cves_is_seen_although_a_revision_is_replaced(make_patch):
    make_patch(patch_id="P", cve_id="CVE-1")
    make_patch(cve_id="CVE-2")
    new = make_patch(patch_id="P", cve_id="CVE-1", cve_ids=["CVE-2"])
    assert waiting_others(new) == "1 waiting"


@pytest.mark.django_db(transaction=True)
def test_a_revision_that_was_decided_a_moment_ago_hands_its_clocks_to_nobody(make_patch, approve, alice):
    """Intake read it as pending, then waited for the reviewer's lock: their decision stands and the new one is new."""
    long_ago = timezone.now() - timedelta(days=6)
    old = make_patch(patch_id="P", cve_id="CVE-1", now=long_ago)
    producer = Producer.objects.get()
    taken = []

    def push() -> None:
        try:
            submission = submission_of(IntakeDocument.model_validate(document(patch_id="P", cve_id="CVE-1", title="b")))
            taken.append(submit(submission, producer=producer, actor=SYSTEM, now=timezone.now()).decision)
        finally:
            connections.close_all()

    pushing = threading.Thread(target=push)
    with transaction.atomic():
        approve(old, alice)
        pushing.start()
        wait_for_lock_waiters()
    pushing.join(10)
    assert Decision.objects.get(pk=old.pk).status == Status.APPROVED
    [new] = taken
    assert new.sla_due_at > timezone.now()
    assert new.status == Status.PENDING


def wait_for_lock_waiters() -> None:
    """Return once another session of this database waits for a lock."""
    deadline = timezone.now() + timedelta(seconds=10)
    with connection.cursor() as cursor:
        while timezone.now() < deadline:
            cursor.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
            cursor.execute("select pg_sleep(0.02), pg_stat_clear_snapshot()")
    raise AssertionError("nobody waited for the lock")


@pytest.mark.django_db
def test_trusting_a_producer_shows_in_the_trace_of_what_it_sends_next(make_patch, producer):
    assert not make_patch().would_auto_approve
    trust(producer)
    evidence = {
        "ml_prediction": {"confidence": 0.97, "prediction": True},
        "wargaming_result": {"phase1_success": True, "phase2_success": True, "validation_passed": True},
        "risk_level": "low",
        "severity": "low",
        "vulnerable_locations": [{"file": "app.py"}],
    }
    decision = make_patch(by=Producer.objects.get(), **evidence)
    assert decision.would_auto_approve, [row for row in decision.trace if row["outcome"] != "pass"]
    assert decision.status == Status.PENDING  # the shipped policies only watch


@pytest.mark.django_db
def test_a_rejected_candidate_still_counts_for_the_severity_of_its_cve(make_patch, approve, alice):
    approve(make_patch(cve_id="CVE-1", severity="high"), alice, Verdict.REJECT)
    assert make_patch(cve_id="CVE-1", severity="low").patch.effective_severity == "high"


def test_other_candidates_are_counted_up_to_a_limit(make_patch):
    same = {"cve_id": "CVE-2024-4444"}
    decision = make_patch(patch_id="PATCH-A", **same)
    make_patch(patch_id="PATCH-A", title="A second revision of it", **same)
    make_patch(patch_id="PATCH-B", **same)
    make_patch(patch_id="PATCH-B", title="Only this revision of it counts", **same)
    make_patch(patch_id="PATCH-C", **same)
    make_patch(patch_id="PATCH-D")
    assert count_for_same_cves(decision, 10) == 2
    assert count_for_same_cves(decision, 1) == 1
