"""Evidence at intake: present, absent or failed, and never shown as better than it is."""

from typing import Any

import pytest

from approvals.models import Patch
from tests.cast import document

pytestmark = pytest.mark.django_db

ML = {"confidence": 0.5, "prediction": True}
T, F, N = True, False, None


def run(phase1: bool | None, phase2: bool | None, validation: bool | None, **more: Any) -> dict[str, Any]:
    return {"phase1_success": phase1, "phase2_success": phase2, "validation_passed": validation, **more}


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (None, "not_run"),
        (run(T, T, T), "passed"),
        (run(F, T, T), "inconclusive"),  # the exploit never worked, so nothing was shown
        (run(F, F, F), "inconclusive"),
        (run(T, F, T), "failed"),
        (run(T, T, F), "failed"),
        (run(T, F, F), "failed"),
        (run(N, T, T), "inconclusive"),
        (run(T, N, T), "inconclusive"),
        (run(T, T, N), "inconclusive"),
        (run(N, N, N), "inconclusive"),
        (run(T, T, T, error_message="docker died"), "error"),
        (run(F, F, F, error_message="docker died"), "error"),
        (run(T, T, T, error_message=""), "passed"),
    ],
)
def test_the_verdict_follows_from_the_phases(producer_api, result, verdict):
    answer = producer_api.post("/hitl/patches", document(wargaming_result=result))
    assert answer.status_code == 201
    assert Patch.objects.get().wargaming == verdict


@pytest.mark.parametrize(
    ("result", "claimed"),
    [
        (run(T, F, T), "passed"),
        (run(T, F, T), "inconclusive"),
        (run(T, F, T), "error"),
        (run(T, F, T), "not_run"),
        (run(F, T, T), "passed"),
        (run(N, N, N), "passed"),
        (run(T, T, T, error_message="docker died"), "passed"),
    ],
)
def test_a_verdict_better_than_its_phases_is_refused(producer_api, result, claimed):
    answer = producer_api.post("/hitl/patches", document(wargaming_result={**result, "verdict": claimed}))
    assert answer.status_code == 422
    assert "better than its phases" in answer.json()["errors"][0]["msg"]


@pytest.mark.parametrize("claimed", ["passed", "failed", "inconclusive", "error", "not_run"])
def test_a_verdict_as_good_or_worse_is_taken(producer_api, claimed):
    sent = {**run(T, T, T), "verdict": claimed}
    assert producer_api.post("/hitl/patches", document(wargaming_result=sent)).status_code == 201
    assert Patch.objects.get().wargaming == claimed


@pytest.mark.parametrize("confidence", [-0.01, 1.01, "0.9", True, None])
def test_confidence_is_a_probability(producer_api, confidence):
    answer = producer_api.post("/hitl/patches", document(ml_prediction={**ML, "confidence": confidence}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "ml_prediction", "confidence"]


@pytest.mark.parametrize("confidence", [0, 1, 0.0, 1.0])
def test_confidence_may_be_certain(producer_api, confidence):
    assert (
        producer_api.post("/hitl/patches", document(ml_prediction={**ML, "confidence": confidence})).status_code == 201
    )


@pytest.mark.parametrize("prediction", ["yes", "true", 1, 0, None])
def test_a_prediction_is_true_or_false_and_nothing_that_looks_like_it(producer_api, prediction):
    answer = producer_api.post("/hitl/patches", document(ml_prediction={**ML, "prediction": prediction}))
    assert answer.status_code == 422


@pytest.mark.parametrize("phase", ["phase1_success", "phase2_success", "validation_passed"])
@pytest.mark.parametrize("value", ["true", "yes", 1])
def test_a_phase_is_true_false_or_null(producer_api, phase, value):
    answer = producer_api.post("/hitl/patches", document(wargaming_result={**run(T, T, T), phase: value}))
    assert answer.status_code == 422


def test_absent_evidence_stays_absent(producer_api):
    decision_id = producer_api.post("/hitl/patches", document()).json()["decision_id"]
    record = producer_api.get(f"/hitl/decisions/{decision_id}").json()
    assert record["ml_prediction"] is None
    assert record["wargaming_result"] is None
    row = producer_api.get("/hitl/patches/pending").json()[0]
    assert (row["ml_confidence"], row["ml_prediction"], row["wargaming_passed"]) == (None, None, None)
    assert (row["wargaming_verdict"], row["agreement"]) == ("not_run", None)


def test_a_run_that_says_not_run_is_still_read_back(producer_api):
    sent = {**run(T, T, T), "verdict": "not_run"}
    answer = producer_api.post("/hitl/patches", document(wargaming_result=sent)).json()
    assert {row["outcome"] for row in answer["trace"] if "argaming passed" in row["text"]} == {"absent"}


def test_inconclusive_wargaming_agrees_with_nothing(producer_api):
    sent = document(ml_prediction={**ML, "prediction": False}, wargaming_result=run(F, F, F))
    answer = producer_api.post("/hitl/patches", sent).json()
    assert [row["outcome"] for row in answer["trace"] if row["text"] == "ML and wargaming agree"] == ["absent"]
    assert producer_api.get("/hitl/patches/pending").json()[0]["agreement"] is None
