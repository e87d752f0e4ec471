"""One patch_id over time: replays, revisions, supersession, clocks that cannot be restarted, 20 a day."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from approvals.errors import TooMany
from approvals.models import Decision, Patch, Status, Verdict
from approvals.services import timers
from tests.cast import DIFF, Api, document

pytestmark = pytest.mark.django_db


def titled(number: int) -> dict[str, Any]:
    return document(title=f"Attempt {number}")


def test_equal_content_is_a_replay(producer_api):
    first = producer_api.post("/hitl/patches", document())
    again = producer_api.post("/hitl/patches", document())
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert Patch.objects.count() == 1


def test_absent_and_null_and_the_default_are_one_content(producer_api):
    producer_api.post("/hitl/patches", document())
    spelled = document(title=None, references=[], kev=False, requires_manual_review=False, diff_base64=None)
    assert producer_api.post("/hitl/patches", spelled).status_code == 200


def test_the_same_bytes_as_text_or_base64_are_one_content(producer_api):
    producer_api.post("/hitl/patches", document())
    encoded = document(diff=None, diff_base64=base64.b64encode(DIFF.encode()).decode())
    assert producer_api.post("/hitl/patches", encoded).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"title": "other"},
        {"diff": DIFF + "\n"},
        {"priority": "critical"},
        {"ml_prediction": {"confidence": 0.5, "prediction": True}},
        {"submitted_by": "sam@example.org"},
        {"requires_manual_review": True},
    ],
)
def test_any_other_content_is_the_next_revision(producer_api, change):
    first = producer_api.post("/hitl/patches", document()).json()
    answer = producer_api.post("/hitl/patches", document(**change))
    assert answer.status_code == 201
    assert (answer.json()["revision"], answer.json()["newest_revision"]) == (2, 2)
    old = Decision.objects.get(decision_id=first["decision_id"])
    assert (old.status, old.decided_by_kind, old.channel) == ("superseded", "service", "intake")
    assert Patch.objects.get(revision=2).supersedes_id == old.patch_id


def test_content_of_an_older_revision_is_a_replay_of_that_one(producer_api):
    first = producer_api.post("/hitl/patches", titled(1)).json()
    producer_api.post("/hitl/patches", titled(2))
    again = producer_api.post("/hitl/patches", titled(1))
    assert again.status_code == 200
    body = again.json()
    assert (body["decision_id"], body["revision"], body["newest_revision"]) == (first["decision_id"], 1, 2)
    assert body["status"] == "superseded"


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_the_newest_may_be_sent_again_once_it_expired_or_was_cancelled(producer_api, producer, make_patch, end):
    now = timezone.now()
    old = make_patch(patch_id="P", now=now - timedelta(days=30))
    if end == "expired":
        assert timers.expire_due(now) == 1
    else:
        body = {"decision_id": str(old.decision_id), "patch_sha256": old.patch.sha256, "reason": "Not needed."}
        assert producer_api.post("/hitl/patches/P/cancel", body).status_code == 200
    answer = producer_api.post("/hitl/patches", document(patch_id="P", cve_id=old.patch.cve_id))
    assert (answer.status_code, answer.json()["revision"], answer.json()["status"]) == (201, 2, "pending")
    fresh = Decision.objects.get(patch__revision=2)
    assert fresh.sla_due_at > now  # nobody waited, so nothing is inherited
    assert producer_api.post("/hitl/patches", document(patch_id="P", cve_id=old.patch.cve_id)).status_code == 200


def test_an_older_revision_that_was_cancelled_is_not_reopened(producer_api, producer):
    first = producer_api.post("/hitl/patches", titled(1)).json()
    body = {"decision_id": first["decision_id"], "patch_sha256": first["patch_sha256"], "reason": "Not needed."}
    producer_api.post("/hitl/patches/PATCH-0001/cancel", body)
    producer_api.post("/hitl/patches", titled(2))
    again = producer_api.post("/hitl/patches", titled(1))
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize("verdict", ["approve", "reject", "request_changes"])
def test_a_decided_patch_is_not_opened_again_by_sending_it_again(producer_api, make_patch, approve, alice, verdict):
    decided = approve(make_patch(patch_id="P"), alice, Verdict(verdict))
    answer = producer_api.post("/hitl/patches", document(patch_id="P", cve_id="CVE-2024-0001"))
    assert (answer.status_code, answer.json()["status"]) == (200, decided.status)


def test_an_approved_revision_stays_approved_beside_a_newer_one(producer_api, make_patch, approve, alice):
    approve(make_patch(patch_id="P"), alice)
    assert producer_api.post("/hitl/patches", document(patch_id="P", title="other")).status_code == 201
    assert list(Decision.objects.order_by("id").values_list("status", flat=True)) == ["approved", "pending"]


def test_the_approvals_of_a_superseded_revision_fall(producer_api, make_patch, approve, alice):
    old = make_patch(patch_id="P", severity="critical")
    approve(old, alice)
    answer = producer_api.post("/hitl/patches", document(patch_id="P", severity="critical", title="other"))
    new = Decision.objects.get(decision_id=answer.json()["decision_id"])
    assert (new.approvals, new.reviews.count()) == (0, 0)
    assert Decision.objects.get(pk=old.pk).status == Status.SUPERSEDED


def test_a_producer_cannot_restart_a_clock(make_patch):
    arrival = timezone.now() - timedelta(hours=2)
    old = make_patch(patch_id="P", severity="high", now=arrival)
    new = make_patch(patch_id="P", severity="high", title="other")
    for clock in ("sla_warn_at", "sla_due_at", "escalate_at", "expire_at"):
        assert getattr(new, clock) == getattr(old, clock), clock


def test_a_more_urgent_revision_has_the_earlier_clock(make_patch):
    old = make_patch(patch_id="P", severity="medium")
    new = make_patch(patch_id="P", severity="critical", title="other")
    assert new.sla_due_at < old.sla_due_at


def test_an_escalation_goes_on_with_the_next_revision(make_patch):
    arrival = timezone.now() - timedelta(days=2)
    old = make_patch(patch_id="P", now=arrival)
    assert timers.escalate_due(timezone.now()) == 1
    new = make_patch(patch_id="P", title="other")
    assert Decision.objects.get(pk=old.pk).escalation_level == 1
    assert new.escalation_level == 1
    assert timers.escalate_due(timezone.now()) == 0


def test_two_producers_may_use_one_patch_id(producer_api, token_for):
    other = Api(token_for("producer", "othergen"))
    assert producer_api.post("/hitl/patches", document()).status_code == 201
    answer = other.post("/hitl/patches", document())
    assert (answer.status_code, answer.json()["revision"]) == (201, 1)


def test_a_patch_id_has_20_revisions_a_day(make_patch):
    start = timezone.now() - timedelta(hours=1)
    for number in range(20):
        make_patch(patch_id="P", title=str(number), now=start)
    with pytest.raises(TooMany) as refused:
        make_patch(patch_id="P", title="20", now=start + timedelta(minutes=30, microseconds=1))
    assert refused.value.retry_after == 23 * 3600 + 30 * 60  # rounded up: coming back then is allowed
    assert make_patch(patch_id="P", title="20", now=start + timedelta(days=1)).patch.revision == 21


def test_the_21st_revision_is_429_with_the_time_to_wait_and_a_replay_is_not(producer_api, make_patch):
    for number in range(20):
        make_patch(patch_id="P", title=str(number), cve_id="CVE-2024-7777")
    answer = producer_api.post("/hitl/patches", document(patch_id="P", title="20"))
    assert answer.status_code == 429
    assert 86_000 < int(answer["Retry-After"]) <= 86_400
    assert producer_api.post("/hitl/patches", document(patch_id="P", title="7")).status_code == 200


def test_a_new_revision_is_never_less_urgent(producer_api):
    producer_api.post("/hitl/patches", document(severity="critical", cve_id="CVE-2024-1"))
    body = producer_api.post("/hitl/patches", document(severity="low", cve_id=None, title="Only a typo")).json()
    assert (body["revision"], body["priority"], body["policy"]["name"]) == (2, "critical", "critical-two-person")


def test_a_new_revision_does_not_shed_the_catalogue(producer_api):
    producer_api.post("/hitl/patches", document(severity="high", cve_id="CVE-2024-1", kev=True))
    body = producer_api.post("/hitl/patches", document(severity="low", cve_id=None)).json()
    assert body["priority"] == "critical"
    assert {"text": "Not known to be exploited", "value": "listed", "outcome": "fail"} in body["trace"]
