"""What stands beside a decision: the model's own track record, who can unblock it."""

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import Verdict
from approvals.queries import evidence
from approvals.queries.queue import who_can
from tests.html import one_line

pytestmark = pytest.mark.django_db


def scored(confidence, version="rank-3"):
    return {"confidence": confidence, "prediction": True, "model_version": version}


@pytest.fixture
def past(make_patch, approve, alice):
    """Return a function that lets a person decide so many patches with that score."""

    def decide(number, confidence, verdict=Verdict.APPROVE, version="rank-3"):
        for _ in range(number):
            approve(make_patch(ml_prediction=scored(confidence, version)), alice, verdict)

    return decide


def test_a_model_has_its_track_record_in_the_same_band(make_patch, past):
    past(7, 0.91)
    past(3, 0.949, Verdict.REJECT)
    past(2, 0.95)
    past(2, 0.92, version="rank-2")
    patch = make_patch(ml_prediction=scored(0.9)).patch
    record = evidence.track_record(patch)
    assert (record.low, record.high, record.decided, record.approved, record.approved_share) == (0.9, 0.95, 10, 7, 0.7)
    assert record.enough


@pytest.mark.parametrize(
    ("confidence", "band"),
    [(0, (0, 0.5)), (0.5, (0.5, 0.6)), (0.9499, (0.9, 0.95)), (0.95, (0.95, 1)), (1, (0.95, 1))],
)
def test_bands_meet_without_a_gap(make_patch, past, confidence, band):
    past(1, confidence)
    record = evidence.track_record(make_patch(ml_prediction=scored(confidence)).patch)
    assert ((record.low, record.high), record.decided, record.enough) == (band, 1, False)


def test_the_page_says_the_record_or_that_there_is_none_yet(sign_in, alice, make_patch, past):
    decision, client = make_patch(ml_prediction=scored(0.92)), sign_in(alice)
    address = reverse("patch-detail", args=[decision.decision_id])
    assert "Not enough cases yet to say how often people agreed with this model at 90 to 95&thinsp;%" in one_line(
        client.get(address)
    )
    past(9, 0.93)
    past(1, 0.93, Verdict.REJECT)
    text = one_line(client.get(address))
    assert "10 earlier patches" in text
    assert "people approved <strong>90&thinsp;%" in text


def test_who_can_names_only_those_whose_approval_helps(make_patch, approve, alice, bob, lena):
    decision = make_patch(severity="critical")
    assert set(who_can(decision, timezone.now())) == {alice, bob, lena}
    approve(decision, alice)
    assert who_can(decision, timezone.now()) == [lena]


def test_a_lead_who_approved_leaves_the_rest_to_anybody(make_patch, approve, alice, bob, lena):
    decision = make_patch(severity="critical", submitted_by="bob+ci@example.org")
    approve(decision, lena)
    assert who_can(decision, timezone.now()) == [alice]


def test_one_approval_that_does_both_is_asked_for_once(sign_in, make_patch, approve, alice):
    decision = make_patch(severity="critical")
    approve(decision, alice)
    text = one_line(sign_in(alice).get(reverse("patch-detail", args=[decision.decision_id])))
    assert "Still needed: 1 more approval, from security-leads." in text


def test_huge_contributions_break_no_page(sign_in, alice, make_patch):
    huge = {"confidence": 0.9, "prediction": True, "base_value": 1e308, "shap_values": {"a": 1e308, "b": -1.5e300}}
    decision = make_patch(ml_prediction=huge)
    page = one_line(sign_in(alice).get(reverse("patch-detail", args=[decision.decision_id])))
    assert "+1 × 10^308" in page
    assert "0" * 30 not in page
