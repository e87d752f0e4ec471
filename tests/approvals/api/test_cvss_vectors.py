"""A CVSS vector counts with or without a score; what a producer and a reviewer notice of it."""

import pytest

from tests.cast import document

pytestmark = pytest.mark.django_db

VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"  # 9.8


def told(answer):
    return [note["code"] for note in answer.json()["parse_warnings"]]


def test_a_vector_without_a_score_counts(producer_api):
    answer = producer_api.post("/hitl/patches", document(severity="low", cvss_vector=VECTOR))
    assert (answer.json()["priority"], told(answer)) == ("critical", [])
    record = producer_api.get("/hitl/patches/PATCH-0001").json()
    assert (record["effective_severity"], record["effective_cvss"]) == ("critical", 9.8)
    assert (record["patch_metadata"]["cvss_score"], record["patch_metadata"]["cvss_vector"]) == (None, VECTOR)


@pytest.mark.parametrize(("score", "counts"), [(3.1, 9.8), (9.7, 9.8), (10.0, 10.0)])
def test_a_vector_and_a_score_that_contradict_each_other_are_marked_and_the_higher_counts(
    producer_api, sign_in, alice, score, counts
):
    answer = producer_api.post("/hitl/patches", document(severity="low", cvss_vector=VECTOR, cvss_score=score))
    assert told(answer) == ["metadata-cvss-contradiction"]
    assert producer_api.get("/hitl/patches/PATCH-0001").json()["effective_cvss"] == counts
    page = sign_in(alice).get(f"/patches/{answer.json()['decision_id']}").content.decode()
    assert answer.json()["parse_warnings"][0]["message"] in page
    assert f"CVSS {counts}" in page


def test_a_vector_and_a_score_that_agree_are_not_marked(producer_api):
    assert told(producer_api.post("/hitl/patches", document(cvss_vector=f"{VECTOR}/E:U/RC:U", cvss_score=9.8))) == []


@pytest.mark.parametrize("vector", ["CVSS:3.1/AV:N", "AV:N/AC:L", "9.8", "CVSS:3.1/" + "A:" * 100, "\u200b/\u202e"])
def test_a_broken_vector_is_said_and_refuses_nothing(producer_api, vector):
    answer = producer_api.post("/hitl/patches", document(cvss_vector=vector))
    assert (answer.status_code, told(answer)) == (201, ["metadata-cvss-vector"])


@pytest.mark.parametrize("blank", ["", " ", None])
def test_no_vector_is_nothing_to_say(producer_api, blank):
    assert told(producer_api.post("/hitl/patches", document(cvss_vector=blank))) == []


def test_the_queue_shows_the_score_of_a_vector(make_patch, sign_in, alice):
    make_patch(cvss_vector=VECTOR)
    assert "CVSS 9.8" in sign_in(alice).get("/").content.decode()
