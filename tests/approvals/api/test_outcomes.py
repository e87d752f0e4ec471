"""Deployers say what became of a patch: right is 200, anything else is an alarm that is kept."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.models import DiffFetch, OutcomeReport, Text, Verdict
from approvals.services import deployments, lifecycle
from audit.models import Entry
from tests.cast import DIFF, Api, actor_for, document

pytestmark = pytest.mark.django_db
OTHER = hashlib.sha256(b"other bytes").hexdigest()


def report(api: Api, decision, result="deployed", minutes=0, **changes):
    body = {
        "deployed_sha256": decision.patch.sha256,
        "result": result,
        "at": (timezone.now() + timedelta(minutes=minutes)).isoformat(),
    }
    return api.post(f"/hitl/patches/{decision.patch.patch_id}/outcome", body | changes)


@pytest.fixture
def approved(make_patch, alice, approve):
    return approve(make_patch(severity="low"), alice)


def entries(name: str) -> int:
    return Entry.objects.filter(type=name).count()


def test_bytes_that_were_approved_match(deployer_api, approved):
    answer = report(deployer_api, approved)
    assert answer.status_code == 200
    assert answer.json() == {
        "decision_id": str(approved.decision_id),
        "status": "approved",
        "revision": 1,
        "result": "deployed",
        "matches": True,
    }
    assert entries("decision.deployment_reported") == 1


def test_the_canonical_form_is_what_was_approved_too(deployer_api, approved):
    assert approved.patch.canonical_sha256 != approved.patch.sha256
    assert report(deployer_api, approved, deployed_sha256=approved.patch.canonical_sha256).status_code == 200


def test_the_same_report_again_changes_nothing(deployer_api, approved):
    at = timezone.now().isoformat()
    answers = [report(deployer_api, approved, at=at) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert OutcomeReport.objects.count() == 1
    assert entries("decision.deployment_reported") == 1


@pytest.mark.parametrize("verdict", [None, Verdict.REJECT, Verdict.REQUEST_CHANGES])
def test_what_nobody_approved_is_an_alarm_that_is_kept(deployer_api, make_patch, alice, approve, verdict):
    decision = make_patch(severity="low")
    if verdict:
        approve(decision, alice, verdict)
    answer = report(deployer_api, decision)
    assert answer.status_code == 409
    body = answer.json()
    assert (body["type"], body["alarm"]) == ("deployment_alarm", "not_approved")
    assert "were not approved: revision 1 is" in body["detail"]
    assert OutcomeReport.objects.get().alarm == "not_approved"
    assert entries("decision.deployment_alarmed") == 1


def test_other_bytes_are_an_alarm_on_the_approved_revision(deployer_api, producer_api, make_patch, alice, approve):
    first = approve(make_patch(patch_id="P-1", severity="low"), alice)
    make_patch(patch_id="P-1", severity="low", diff=DIFF.replace("+", "+ "))
    answer = report(deployer_api, first, deployed_sha256=OTHER)
    assert answer.status_code == 409
    assert answer.json()["alarm"] == "differs"
    assert OTHER[:12] in answer.json()["detail"]
    assert OutcomeReport.objects.get().decision == first


def test_an_older_approved_revision_is_not_the_newest_one(deployer_api, make_patch, alice, approve):
    first = approve(make_patch(patch_id="P-1", severity="low"), alice)
    make_patch(patch_id="P-1", severity="low", diff=DIFF.replace("+", "+ "))
    answer = report(deployer_api, first)
    assert answer.status_code == 200
    assert answer.json()["revision"] == 1


@pytest.mark.parametrize(
    ("minutes", "status", "result"), [(5, 409, "deployed"), (-1, 200, "deployed"), (5, 200, "rolled_back")]
)
def test_after_a_revocation_only_taking_it_back_is_right(deployer_api, approved, lena, minutes, status, result):
    lifecycle.revoke(approved.decision_id, "It breaks.", user=lena, actor=actor_for(lena), now=timezone.now())
    answer = report(deployer_api, approved, result, minutes=minutes)
    assert answer.status_code == status
    if status == 409:
        assert answer.json()["alarm"] == "revoked"
        assert answer.json()["current"]["status"] == "revoked"


def test_what_was_right_stays_right_when_it_is_reported_again_after_a_revocation(deployer_api, approved, lena):
    at = timezone.now().isoformat()
    assert report(deployer_api, approved, at=at).status_code == 200
    lifecycle.revoke(approved.decision_id, "It breaks.", user=lena, actor=actor_for(lena), now=timezone.now())
    assert report(deployer_api, approved, at=at).status_code == 200


def test_deployed_long_before_the_approval_is_not_approved(deployer_api, approved):
    assert report(deployer_api, approved, minutes=-4).status_code == 200
    assert report(deployer_api, approved, minutes=-6).json()["alarm"] == "not_approved"


def test_a_failed_deployment_runs_nowhere(deployer_api, make_patch):
    assert report(deployer_api, make_patch(), "failed", note="Out of disk.").status_code == 200
    assert OutcomeReport.objects.get().note.body == "Out of disk."
    assert "Out of disk" not in str(Entry.objects.get(type="decision.deployment_reported").body)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"deployed_sha256": "abc"}, "deployed_sha256"),
        ({"result": "shipped"}, "result"),
        ({"at": "2026-11-30T12:00:00"}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"at": (timezone.now() + timedelta(days=1)).isoformat()}, "at"),
        ({"note": "x" * 2001}, "note"),
        ({"who": "me"}, "who"),
    ],
)
def test_a_field_that_is_wrong_is_named_and_nothing_is_kept(deployer_api, approved, changes, field):
    answer = report(deployer_api, approved, **changes)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][-1] == field
    assert not OutcomeReport.objects.exists()


def test_only_deployers_report(producer_api, token_for, api_of, alice, approved):
    assert report(producer_api, approved).status_code == 403
    assert report(Api(token_for("auditor", "audits")), approved).status_code == 403
    assert report(api_of(alice), approved).status_code == 403
    assert report(Api(), approved).status_code == 401
    assert not OutcomeReport.objects.exists()


def test_an_id_of_two_producers_asks_for_one(deployer_api, producer_api, token_for, approved):
    Api(token_for("producer", "othergen")).post("/hitl/patches", document(patch_id=approved.patch.patch_id))
    assert report(deployer_api, approved).status_code == 409
    path = f"/hitl/patches/{approved.patch.patch_id}/outcome?producer=patchgen"
    body = {
        "deployed_sha256": approved.patch.sha256,
        "result": "deployed",
        "at": timezone.now().isoformat(),
    }
    assert deployer_api.post(path, body).status_code == 200


def test_a_patch_that_is_not_there_and_a_gate_cannot_be_deployed(deployer_api, approved, make_gate):
    approved.patch.patch_id = "nothing"
    assert report(deployer_api, approved).status_code == 404
    answer = report(deployer_api, make_gate())
    assert answer.status_code == 422
    assert "nothing to deploy" in answer.json()["errors"][0]["msg"]


def test_the_record_tells_what_became_of_it(deployer_api, approved):
    report(deployer_api, approved)
    report(deployer_api, approved, "rolled_back", note="It broke the build.")
    outcomes = deployer_api.get(f"/hitl/decisions/{approved.decision_id}").json()["outcomes"]
    assert [(row["deployer"], row["result"], row["note"]) for row in outcomes] == [
        ("argo", "deployed", None),
        ("argo", "rolled_back", "It broke the build."),
    ]


def test_the_first_fetch_of_each_deployer_is_kept(deployer_api, token_for, approved, make_patch, producer_api):
    path = f"/hitl/patches/{approved.patch.patch_id}/diff"
    for api in (deployer_api, deployer_api, Api(token_for("deployer", "flux")), producer_api):
        assert api.get(path, form="canonical").status_code == 200
    assert sorted(DiffFetch.objects.values_list("deployer", flat=True)) == ["argo", "flux"]
    assert deployer_api.get(f"/hitl/patches/{make_patch().patch.patch_id}/diff").status_code == 200
    assert DiffFetch.objects.count() == 2  # what is not approved was only looked at


def test_an_erased_note_leaves_the_report(deployer_api, approved):
    report(deployer_api, approved, note="Words of a person.")
    Text.objects.update(body=None)
    [outcome] = deployer_api.get(f"/hitl/decisions/{approved.decision_id}").json()["outcomes"]
    assert outcome["note"] is None


def test_a_deployer_that_reports_without_end_is_stopped_but_for_what_it_never_said(deployer_api, approved, monkeypatch):
    """A report a minute of the same patch would make its page and record as large as it likes."""
    monkeypatch.setattr(deployments, "MOST_REPORTS", 3)
    for minutes in range(-4, -1):
        assert report(deployer_api, approved, minutes=minutes).status_code == 200
    refused = report(deployer_api, approved)
    assert refused.status_code == 422
    assert "3 reports" in refused.json()["detail"]
    assert report(deployer_api, approved, minutes=-4, deployed_sha256=OTHER).status_code == 409
    assert report(deployer_api, approved, minutes=-3, deployed_sha256=OTHER).status_code == 422
    assert report(deployer_api, approved, "rolled_back").status_code == 200
    assert (
        OutcomeReport.objects.count()
        == entries("decision.deployment_reported") + entries("decision.deployment_alarmed")
        == 5
    )


def test_the_last_report_again_is_still_the_same_one_when_no_more_are_taken(deployer_api, approved, monkeypatch):
    monkeypatch.setattr(deployments, "MOST_REPORTS", 1)
    at = timezone.now().isoformat()
    assert [report(deployer_api, approved, at=at).status_code for _ in range(2)] == [200, 200]
