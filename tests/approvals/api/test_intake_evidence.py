"""Evidence at intake: present, absent or failed, and never shown as better than it is."""

from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.models import Patch
from approvals.services.intake import submit
from tests.cast import SYSTEM, document

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
        (run(F, T, T), "passed"),
        (run(N, N, N), "passed"),
        (run(T, T, T, error_message="docker died"), "passed"),
    ],
)
def test_a_verdict_better_than_its_phases_is_refused(producer_api, result, claimed):
    answer = producer_api.post("/hitl/patches", document(wargaming_result={**result, "verdict": claimed}))
    assert answer.status_code == 422
    assert "better than its phases" in answer.json()["errors"][0]["msg"]


@pytest.mark.parametrize("claimed", ["passed", "failed", "inconclusive", "error"])
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


@pytest.mark.parametrize("result", [run(T, T, T), run(T, F, T), run(N, N, N), run(F, F, F, error_message="died")])
def test_a_run_that_was_sent_cannot_say_that_it_was_not_run(producer_api, result):
    """A failed run would hide behind it."""
    answer = producer_api.post("/hitl/patches", document(wargaming_result={**result, "verdict": "not_run"}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "wargaming_result", "verdict"]
    assert not Patch.objects.exists()


def test_the_evidence_of_an_old_run_that_says_not_run_is_read_back(producer_api, producer):
    """Such rows were taken once; what came with them is shown all the same."""
    submission = submission_of(IntakeDocument.model_validate(document(wargaming_result=run(T, F, T, log="it broke"))))
    old = replace(submission, columns=submission.columns | {"wargaming": "not_run"})
    decision = submit(old, producer=producer, actor=SYSTEM, now=timezone.now()).decision
    result = producer_api.get(f"/hitl/decisions/{decision.decision_id}").json()["wargaming_result"]
    assert (result["verdict"], result["phase2_success"], result["log"]) == ("not_run", False, "it broke")


@pytest.mark.parametrize(("sent", "kept"), [(90, 90), (90.0, 90), (0.0, 0)])
def test_whole_milliseconds_are_taken_in_either_spelling(producer_api, sent, kept):
    ml, result = ML | {"execution_time_ms": sent}, run(T, T, T, execution_time_ms=sent)
    assert producer_api.post("/hitl/patches", document(ml_prediction=ml, wargaming_result=result)).status_code == 201
    patch = Patch.objects.get()
    assert (patch.ml_execution_ms, patch.wargaming_execution_ms) == (kept, kept)
    again = document(ml_prediction=ML | {"execution_time_ms": kept}, wargaming_result=result)
    assert producer_api.post("/hitl/patches", again).status_code == 200


@pytest.mark.parametrize("sent", [90.5, -1.0, 1e300, "90", True])
def test_other_milliseconds_are_refused(producer_api, sent):
    answer = producer_api.post("/hitl/patches", document(ml_prediction=ML | {"execution_time_ms": sent}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "ml_prediction", "execution_time_ms"]


def test_inconclusive_wargaming_agrees_with_nothing(producer_api):
    sent = document(ml_prediction={**ML, "prediction": False}, wargaming_result=run(F, F, F))
    answer = producer_api.post("/hitl/patches", sent).json()
    assert [row["outcome"] for row in answer["trace"] if row["text"] == "ML and wargaming agree"] == ["absent"]
    assert producer_api.get("/hitl/patches/pending").json()[0]["agreement"] is None
