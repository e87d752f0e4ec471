"""A deployment protection rule of GitHub: whose webhook counts, what people are asked, and what GitHub is told."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from approvals import jobs
from approvals.adapters.github import answer_due
from approvals.models import Decision, DeploymentRequest, Patch, Status, Verdict
from approvals.services import timers
from audit.models import Entry

from .fake_github import SECRET, SHA, GitHub, payload, pem, running, sent, signed

pytestmark = pytest.mark.django_db
BODY = json.dumps(payload()).encode()


@pytest.fixture
def app(settings) -> None:
    """Set the App up, as if at github.com; nothing is sent there."""
    settings.GITHUB_WEBHOOK_SECRET, settings.GITHUB_APP_ID, settings.GITHUB_APP_KEY = SECRET, "12345", pem()


@pytest.fixture
def github(app, settings):
    """Return the address of a GitHub on loopback that is told of decisions."""
    with running() as address:
        settings.GITHUB_API_URL, settings.OUTBOUND_ALLOW = address, ["127.0.0.1"]
        yield address


def asked(client: Client, github: str, run: int = 17, **changes: Any) -> Decision:
    answer = sent(client, payload(github, run, **changes))
    assert answer.status_code == 200, answer.content
    return Decision.objects.select_related("patch").get(decision_id=answer.json()["decision_id"])


def test_people_are_asked_about_exactly_this_commit_and_environment(app, client, alice, api_of):
    decision = asked(client, "https://api.github.com")
    assert (decision.status, decision.patch.is_gate, decision.patch.producer.name) == ("pending", True, "github")
    gate = api_of(alice).get(f"/api/approvals/{decision.decision_id}").json()
    assert gate["title"] == "Deploy acme/shop at aaaaaaaaaaaa to production"
    assert gate["request"]["context"]["commit"] == SHA
    again = asked(client, "https://api.github.com", run=18)
    other = asked(client, "https://api.github.com", run=19, environment="staging")
    assert again == decision != other
    assert DeploymentRequest.objects.filter(decision=decision).count() == 2
    entry = Entry.objects.filter(type="decision.deployment_asked").order_by("pk")[0]
    assert (entry.actor_id, entry.object_id) == ("webhook:github", str(decision.decision_id))


WRONG = {
    "of another secret": {"X_Hub_Signature_256": signed(BODY, "another secret of the tests")},
    "of another body": {"X_Hub_Signature_256": signed(BODY + b" ")},
    "missing": {"X_Hub_Signature_256": ""},
    "without its scheme": {"X_Hub_Signature_256": signed(BODY).removeprefix("sha256=")},
    "of SHA-1": {"X_Hub_Signature_256": "sha1=" + "0" * 40},
    "not ASCII": {"X_Hub_Signature_256": "sha256=\u00e9"},
    "of the older header": {"X_Hub_Signature_256": "", "X_Hub_Signature": signed(BODY)},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
def test_only_a_body_with_its_signature_counts(headers, app, client, token_for):
    assert sent(client, BODY, **headers).status_code == 401
    assert sent(client, BODY, Authorization=f"Bearer {token_for('producer')}", **headers).status_code == 401
    assert Patch.objects.count() == 0
    assert sent(client, BODY).status_code == 200


def test_a_delivery_counts_once_under_whatever_id(app, client):
    first = sent(client, BODY, X_GitHub_Delivery="11111111-1111-1111-1111-111111111111")
    assert first.status_code == 200
    entries = Entry.objects.count()
    for delivery in ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"):
        again = sent(client, BODY, X_GitHub_Delivery=delivery)
        assert again.status_code == 409
        assert again.json()["detail"] == "This delivery came before. Nothing was done."
    other = sent(client, payload(run=99), X_GitHub_Delivery="11111111-1111-1111-1111-111111111111")
    assert other.status_code == 409
    assert (DeploymentRequest.objects.count(), Entry.objects.count()) == (1, entries)


def test_without_a_secret_nobody_is_let_in(client, settings):
    assert settings.GITHUB_WEBHOOK_SECRET == ""
    answer = sent(client, BODY, X_Hub_Signature_256=signed(BODY, ""))
    assert answer.status_code == 401
    assert "GITHUB_WEBHOOK_SECRET is not set" in answer.json()["detail"]


def test_other_events_do_nothing(app, client):
    answer = sent(client, {"zen": "Keep it logically awesome.", "hook_id": 1}, event="ping")
    assert (answer.status_code, answer.json()["state"]) == (202, "ignored")
    assert Entry.objects.count() == DeploymentRequest.objects.count() == 0


def made(hours_ago: int) -> dict[str, Any]:
    """Return a deployment of that age."""
    return {"id": 1, "sha": SHA, "created_at": (timezone.now() - timedelta(hours=hours_ago)).isoformat()}


def test_a_delivery_that_github_sends_again_by_hand_counts(app, client):
    assert sent(client, payload(deployment=made(71))).status_code == 200


BAD = {
    "another action": ({"action": "created"}, ["body", "action"]),
    "no commit": ({"deployment": made(0) | {"sha": "main"}}, ["body", "deployment", "sha"]),
    "an old one": ({"deployment": made(73)}, ["body", "deployment", "created_at"]),
    "one of no time": ({"deployment": {"id": 1, "sha": SHA}}, ["body", "deployment", "created_at"]),
    "no deployment": ({"deployment": None}, ["body", "deployment"]),
    "no environment": ({"environment": ""}, ["body", "environment"]),
    "a line break": ({"environment": "a\nb"}, ["body", "environment"]),
    "another host": (
        {"deployment_callback_url": "https://api.github.com.example/repos/acme/shop/actions/runs/1/x"},
        ["body", "deployment_callback_url"],
    ),
    "another user's host": (
        {"deployment_callback_url": "https://api.github.com@127.0.0.1/repos/acme/shop/actions/runs/1/x"},
        ["body", "deployment_callback_url"],
    ),
    "another repository": (
        {
            "deployment_callback_url": "https://api.github.com/repos/evil/shop/actions/runs/1/deployment_protection_rule"
        },
        ["body", "deployment_callback_url"],
    ),
    "a way up": (
        {
            "deployment_callback_url": "https://api.github.com/repos/acme/shop/actions/runs/1/deployment_protection_rule"
            "/../../../../../../user"
        },
        ["body", "deployment_callback_url"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "loc"), BAD.values(), ids=BAD)
def test_a_signed_body_that_is_wrong_names_the_field(changes, loc, app, client):
    answer = sent(client, payload(**changes))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == loc
    assert DeploymentRequest.objects.count() == 0


def test_a_delivery_without_an_id_is_refused(app, client):
    answer = sent(client, BODY, X_GitHub_Delivery="")
    assert answer.json()["errors"][0]["loc"] == ["header", "X-GitHub-Delivery"]
    assert sent(client, BODY, X_GitHub_Delivery="a b").status_code == 422


def test_github_is_told_once_people_have_approved(github, client, approve, alice):
    decision = asked(client, github)
    jobs.answer_deployments(0)
    assert GitHub.told == [], "nothing is said while it is pending"
    approve(decision, alice)
    jobs.answer_deployments(0)
    [(path, said, token)] = GitHub.told
    assert path == "/repos/acme/shop/actions/runs/17/deployment_protection_rule"
    assert (said["environment_name"], said["state"], token) == ("production", "approved", "ghs_of_the_tests")
    assert said["comment"].endswith(f"/patches/{decision.decision_id}")
    assert "alice" not in said["comment"]
    jobs.answer_deployments(0)
    assert len(GitHub.told) == 1
    request = DeploymentRequest.objects.get()
    assert (request.state, request.answer) == ("answered", "approved")
    assert Entry.objects.filter(type="decision.deployment_answered").count() == 1


def test_every_run_that_waits_is_told_and_a_later_one_at_once(github, client, approve, alice):
    decision = asked(client, github, run=1)
    asked(client, github, run=2)
    approve(decision, alice)
    assert answer_due(timezone.now()) == 2
    asked(client, github, run=3)
    assert answer_due(timezone.now()) == 1
    assert sorted(path.split("/")[6] for path, _, _ in GitHub.told) == ["1", "2", "3"]
    assert {said["state"] for _, said, _ in GitHub.told} == {"approved"}


def test_what_is_not_approved_is_rejected(github, client, approve, alice, lena, api_of):
    approve(asked(client, github, run=1), alice, Verdict.REJECT)
    timers.expire_due(timezone.now() + timedelta(days=90))
    later = asked(client, github, run=2, environment="staging")
    timers.expire_due(timezone.now() + timedelta(days=90))
    revoked = approve(asked(client, github, run=3, environment="canary"), alice)
    seen = {"decision_id": str(revoked.decision_id), "patch_sha256": revoked.patch.sha256, "reason": "It fails."}
    assert api_of(lena).post(f"/hitl/patches/{revoked.patch.patch_id}/revoke", seen).status_code == 200
    assert answer_due(timezone.now()) == 3
    said = {said["environment_name"]: said for _, said, _ in GitHub.told}
    assert {one["state"] for one in said.values()} == {"rejected"}
    assert said["production"]["comment"].startswith("This is rejected.")
    assert said["staging"]["comment"].startswith("This is expired.")
    assert said["canary"]["comment"].startswith("This is revoked.")
    assert Decision.objects.get(pk=later.pk).status == Status.EXPIRED


def test_a_gate_of_another_producer_approves_no_deployment(github, client, make_gate, approve, alice):
    approve(make_gate(workflow_id="github:acme/shop", job_id="production", execution_id=SHA, title="Fix a typo"), alice)
    assert asked(client, github).status == Status.PENDING
    assert answer_due(timezone.now()) == 0


def test_what_github_does_not_take_is_tried_again(github, client, approve, alice):
    approve(asked(client, github), alice)
    now = timezone.now()
    GitHub.answers += [500, 302]
    GitHub.tokens += [401]
    faults = []
    for hours in range(4):
        assert answer_due(now + timedelta(hours=hours)) == 1
        assert answer_due(now + timedelta(hours=hours)) == 0, "not before its time"
        faults.append(DeploymentRequest.objects.get().fault)
    assert faults[0] == "GitHub gave no token of the App for this repository: it answered 401."
    assert faults[1:] == ["GitHub answered 500.", "GitHub answered 302.", ""]
    assert DeploymentRequest.objects.get().state == "answered"
    assert [said["state"] for _, said, _ in GitHub.told] == ["approved"] * 3


def test_after_a_day_or_where_github_waits_no_more_nobody_tries_again(github, client, approve, alice, settings):
    approve(asked(client, github), alice)
    settings.OUTBOUND_ALLOW = []  # as if GITHUB_API_URL had been set to the inside by mistake
    now = timezone.now()
    for hours in range(0, 60, 5):
        answer_due(now + timedelta(hours=hours))
    request = DeploymentRequest.objects.get()
    assert (request.state, GitHub.told) == ("given_up", [])
    assert "OUTBOUND_ALLOW does not name it" in request.fault
    assert Entry.objects.filter(type="decision.deployment_unanswered").count() == 1
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    GitHub.answers += [422]
    asked(client, github, run=18)
    assert answer_due(timezone.now()) == 1
    assert DeploymentRequest.objects.latest("pk").state == "given_up"


def test_a_worker_that_died_is_followed_by_another(github, client, approve, alice, monkeypatch):
    approve(asked(client, github), alice)
    now = timezone.now()
    with monkeypatch.context() as patched:

        def dies(*args: Any) -> None:
            raise SystemExit

        patched.setattr("approvals.adapters.github.call", dies)
        with pytest.raises(SystemExit):
            answer_due(now)
    assert answer_due(now + timedelta(seconds=30)) == 0
    assert answer_due(now + timedelta(minutes=3)) == 1
    assert len(GitHub.told) == 1


def test_a_key_that_is_none_is_told(github, client, approve, alice, settings):
    settings.GITHUB_APP_KEY = "-----BEGIN PRIVATE KEY-----"
    approve(asked(client, github), alice)
    answer_due(timezone.now())
    assert DeploymentRequest.objects.get().fault == "GITHUB_APP_KEY is no private key of RSA."


def test_the_timeline_tells_what_github_asked_and_heard(github, client, approve, alice, sign_in):
    decision = approve(asked(client, github), alice)
    answer_due(timezone.now())
    page = sign_in(alice).get(f"/patches/{decision.decision_id}").content.decode()
    assert "asked for a deployment to production" in page
    assert "told GitHub about production: approved" in page
