"""What the database itself refuses of workflow gates, and races of those who ask and decide."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from approvals.api.gate_documents import GateRequest, submission_of
from approvals.errors import Invalid
from approvals.models import DeciderKind, Decision, Gate, Patch, PatchContent, Status
from approvals.services import timers
from approvals.services.intake import submit
from audit.models import Entry
from tests.cast import SYSTEM, Api, gate_request
from tests.races.together import at_once


def act(api: Api, decision: Decision) -> int:
    path = f"/api/approvals/{decision.decision_id}/approve"
    return int(api.post(path, {"digest": decision.patch.sha256}).status_code)


def refused(act) -> str:
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        act()
    return str(caught.value)


@pytest.mark.django_db
def test_what_was_asked_never_changes(make_gate):
    make_gate()
    rows = Gate.objects.all()
    assert "append-only" in refused(lambda: rows.update(document="{}"))
    assert "append-only" in refused(lambda: rows.update(allowed_approvers=["mallory"]))
    assert "append-only" in refused(rows.delete)


@pytest.mark.django_db
def test_a_gate_is_the_document_of_its_digest(make_patch, make_gate):
    patch = make_patch().patch
    ids = {"workflow_id": "w", "job_id": "j", "execution_id": "e"}
    assert "document of its digest" in refused(lambda: Gate.objects.create(patch=patch, document="{}", **ids))
    assert not PatchContent.objects.filter(patch__kind="gate").exists()


@pytest.mark.django_db
def test_no_policy_approves_a_gate(enforce_everywhere, make_gate):
    decision = make_gate()
    assert decision.status == Status.PENDING
    ended = {
        "status": Status.AUTO_APPROVED,
        "decided_by_kind": DeciderKind.POLICY,
        "decided_by": "default",
        "decided_at": timezone.now(),
        "channel": "intake",
        "cause": "Every condition holds",
    }
    assert "approved by people" in refused(lambda: Decision.objects.filter(pk=decision.pk).update(**ended))
    decision.refresh_from_db()
    assert (decision.status, decision.would_auto_approve) == (Status.PENDING, False)


@pytest.mark.django_db
def test_a_refused_request_leaves_no_trace(make_gate):
    with pytest.raises(Invalid):
        make_gate(allowed_approvers=["ghost"])
    assert (Patch.objects.count(), Gate.objects.count()) == (0, 0)
    assert not Entry.objects.filter(type="patch.submitted").exists()


@pytest.mark.django_db(transaction=True)
def test_approvals_at_the_same_moment_all_count_and_time_changes_none(make_gate, alice, bob, lena):
    now = timezone.now()
    decision = make_gate(require_min_approvers=3, timeout_ms=60_000, now=now)
    answers = at_once(
        *[partial(act, Api(user=user), decision) for user in (alice, bob, lena)],
        *[partial(act, Api(user=user), decision) for user in (alice, bob)],  # a second click
    )
    assert sorted(answers) == [200, 200, 200, 409, 409]
    decision.refresh_from_db()
    assert (decision.status, decision.approvals, decision.reviews.count()) == (Status.APPROVED, 3, 3)
    assert timers.expire_due(now + timedelta(hours=1)) == 0


@pytest.mark.django_db(transaction=True)
def test_two_equal_requests_at_once_are_one_gate(producer):
    sent = submission_of(GateRequest.model_validate(gate_request()))

    def ask(_: int) -> bool:
        try:
            return submit(sent, producer=producer, actor=SYSTEM, now=timezone.now()).created
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        created = list(threads.map(ask, range(4)))
    assert sorted(created) == [False, False, False, True]
    assert Gate.objects.count() == 1
