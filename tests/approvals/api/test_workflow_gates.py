"""Workflow gates as workflow engines ask for them: create, read, list, act; who sees and who decides."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
import rfc8785
from django.utils import timezone

from approvals.models import NO_DEADLINE, Decision, ExpireAction, Gate, Patch, PatchKind, Policy, Status
from approvals.services import policies, producers, timers
from approvals.services.dispatch import dispatch
from audit.models import Entry
from audit.queries import body_of
from tests.cast import SYSTEM, Api, gate_request, one_person_enough

pytestmark = pytest.mark.django_db
PATH = "/api/approvals"


@pytest.fixture
def other_api(token_for) -> Api:
    producers.ensure_producer("nightly", actor=SYSTEM, now=timezone.now())
    return Api(token_for("producer", "nightly"))


def asked(api: Api, status: int = 201, **changes):
    answer = api.post(PATH, gate_request(**changes))
    assert answer.status_code == status, answer.content
    return answer.json()


def wrong(api: Api, **changes) -> Any:
    answer = api.post(PATH, gate_request(**changes))
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json"), answer.content
    assert not Patch.objects.exists()
    return answer.json()["errors"]


def act(api: Api, gate: Any, verb: str, **body):
    return api.post(f"{PATH}/{gate['id']}/{verb}", {"digest": gate["digest"], **body})


def test_a_workflow_asks_and_its_gate_waits(producer_api):
    answer = producer_api.post(PATH, gate_request(description="Release 7", context={"image": "shop:7"}))
    assert answer.status_code == 201
    gate = answer.json()
    assert answer["Location"] == f"{PATH}/{gate['id']}"
    assert (gate["status"], gate["decision"], gate["approvals"], gate["required_approvals"]) == ("pending", None, 0, 1)
    assert (gate["title"], gate["workflow_id"], gate["requested_by"]) == ("Deploy to production", "deploy", "patchgen")
    assert gate["request"]["context"] == {"image": "shop:7"}
    assert gate["notes"] == []
    patch = Patch.objects.get()
    assert (patch.kind, patch.file_count, patch.sha256) == (PatchKind.GATE, 0, gate["digest"])
    assert producer_api.get(answer["Location"]).json() == {
        name: value for name, value in gate.items() if name not in {"notes", "newest_revision"}
    }


def test_the_digest_is_that_of_the_canonical_request(producer_api):
    gate = asked(producer_api, context={"b": 1.0, "a": "ü"})
    assert gate["digest"] == hashlib.sha256(rfc8785.dumps(gate["request"])).hexdigest()
    assert Gate.objects.get().document.encode() == rfc8785.dumps(gate["request"])


def test_the_same_request_again_is_a_replay_and_another_one_the_next_revision(producer_api):
    first = asked(producer_api, context={"image": "shop:7"})
    assert asked(producer_api, 200, context={"image": "shop:7"})["id"] == first["id"]
    second = asked(producer_api, context={"image": "shop:8"})
    assert (second["revision"], second["newest_revision"], second["patch_id"]) == (2, 2, first["patch_id"])
    assert producer_api.get(f"{PATH}/{first['id']}").json()["status"] == "superseded"
    replay = asked(producer_api, 200, context={"image": "shop:7"})
    assert (replay["id"], replay["status"], replay["newest_revision"]) == (first["id"], "superseded", 2)


def test_what_expired_or_was_cancelled_may_be_asked_again(producer_api):
    first = asked(producer_api)
    act(producer_api, first, "cancel", reason="Wrong branch.")
    again = asked(producer_api)
    assert (again["revision"], again["status"]) == (2, "pending")


def test_a_gate_may_have_any_ids_and_two_runs_share_none(producer_api):
    names = ["exec_1700000000000", "0f8fad5b-d9cb-469f-a165-70867728950e", "a b", "a/b", "a-b", "ünïcode", "."]
    gates = [asked(producer_api, workflow_id=name, execution_id=other) for name in names for other in ("x", "y")]
    assert len({gate["patch_id"] for gate in gates}) == len(gates)
    assert all(producer_api.get(f"/hitl/patches/{gate['patch_id']}").status_code == 200 for gate in gates)


def test_a_patch_cannot_take_a_gates_place(producer_api):
    gate = asked(producer_api)
    metadata = {"apv_id": "A", "severity": "low", "package_name": "shop"}
    answer = producer_api.post("/hitl/patches", {"patch_id": gate["patch_id"], "patch_metadata": metadata})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": ["body", "patch_id"], "msg": "is a workflow gate's"}]
    assert Decision.objects.get().status == Status.PENDING


def test_the_entry_of_a_gate_says_which_run_asked(producer_api):
    gate = asked(producer_api)
    entry = Entry.objects.get(type="patch.submitted")
    data = body_of(entry)["data"]
    assert (data["kind"], data["workflow_id"], data["job_id"], data["execution_id"]) == (
        "gate",
        "deploy",
        "approve",
        "run-1",
    )
    assert entry.object_id == gate["id"]
    assert body_of(entry)["patch"]["sha256"] == gate["digest"]


@pytest.mark.parametrize(
    ("changes", "loc", "words"),
    [
        ({"title": " "}, ["body", "title"], "at least 1"),
        ({"title": "x" * 501}, ["body", "title"], "at most 500"),
        ({"workflow_id": None}, ["body", "workflow_id"], "string"),
        ({"surprise": 1}, ["body", "surprise"], "not permitted"),
        ({"timeout_ms": 0}, ["body", "timeout_ms"], "greater than 0"),
        ({"timeout_ms": 10**15}, ["body", "timeout_ms"], "less than"),
        ({"timeout_ms": 1.5}, ["body", "timeout_ms"], "integer"),
        ({"timeout_action": "approve"}, ["body", "timeout_action"], "time approves nothing"),
        ({"timeout_action": "shrug"}, ["body", "timeout_action"], "reject"),
        ({"require_min_approvers": 0}, ["body", "require_min_approvers"], "greater than"),
        ({"require_all_approvers": True}, ["body"], "needs allowed_approvers"),
        ({"allowed_approvers": ["alice"], "require_min_approvers": 2}, ["body"], "names 1"),
        ({"allowed_approvers": ["alice", "ALICE"], "require_min_approvers": 2}, ["body"], "names 1"),
        ({"allowed_approvers": [" "]}, ["body", "allowed_approvers", 0], "at least 1"),
        ({"context": "text"}, ["body", "context"], "dictionary"),
        ({"context": {"log": "x" * 70_000}}, ["body"], "64 KiB"),
        ({"context": {"n": 2**60}}, ["body"], "send it as text"),
        ({"context": {"n": "\x00"}}, ["body"], "NUL"),
        ({"auto_approve_conditions": [{"field": "x"}]}, ["body", "auto_approve_conditions", 0, "operator"], "required"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_by_its_name(producer_api, changes, loc, words):
    errors = wrong(producer_api, **changes)
    assert loc in [error["loc"] for error in errors]
    assert any(words in error["msg"] for error in errors), errors


def test_a_context_may_not_be_a_well(producer_api):
    deep = json.loads("[" * 30 + "]" * 30)
    assert "levels deep" in wrong(producer_api, context={"deep": deep})[0]["msg"]


def test_null_stands_for_nothing_as_s3_sends_it(producer_api):
    nothing = ("context", "metadata", "allowed_approvers", "notify_users", "auto_approve_conditions", "timeout_ms")
    gate = asked(producer_api, **dict.fromkeys(nothing), timeout_action=None)
    assert asked(producer_api, 200)["id"] == gate["id"]


def test_time_may_be_shorter_than_the_policys_never_longer(producer_api):
    decision = asked(producer_api, timeout_ms=600_000)
    row = Decision.objects.get(decision_id=decision["id"])
    assert row.expire_at - row.created_at == timedelta(minutes=10)
    assert row.sla_due_at == row.expire_at
    assert row.sla_warn_at < row.sla_due_at
    long = asked(producer_api, execution_id="long", timeout_ms=60 * 24 * 3600 * 1000)
    row = Decision.objects.get(decision_id=long["id"])
    assert row.expire_at - row.created_at == timedelta(days=7)
    assert "before timeout_ms would" in long["notes"][0]


def test_escalation_at_the_timeout_leaves_the_policys_expiry(producer_api):
    gate = asked(producer_api, timeout_ms=600_000, timeout_action="escalate")
    row = Decision.objects.get(decision_id=gate["id"])
    assert row.escalate_at - row.created_at == timedelta(minutes=10)
    assert row.expire_at - row.created_at == timedelta(days=7)
    assert gate["notes"] == []


def test_s3s_timeout_is_expired(producer_api, alice, api_of):
    gate = asked(producer_api, timeout_ms=60_000)
    timers.expire_due(timezone.now() + timedelta(minutes=2))
    assert producer_api.get(f"{PATH}/{gate['id']}").json()["status"] == "expired"
    late = act(api_of(alice), gate, "approve")
    assert (late.status_code, late.json()["current"]["status"]) == (409, "expired")


def test_a_new_revision_does_not_restart_the_clock(producer_api):
    asked(producer_api, timeout_ms=60_000)
    gate = asked(producer_api, timeout_ms=600_000)
    first, second = Decision.objects.order_by("id")
    assert second.expire_at == first.expire_at
    assert gate["status"] == "pending"


def test_no_policy_lets_time_approve_a_gate(producer_api, monkeypatch):
    asked(producer_api)
    version = Decision.objects.get().policy_version
    monkeypatch.setattr("approvals.queries.intake_facts.versions_of", lambda found: [version])
    version.expire_action = ExpireAction.APPROVE
    gate = asked(producer_api, execution_id="run-2")
    assert gate["on_expiry"] == "expire"


def test_a_policy_of_its_own_covers_gates_alone_and_only_the_stricter_counts(producer_api, make_patch):
    now = timezone.now()
    policy = Policy(name="gates", position=1)
    policies.arrange(policy, actor=SYSTEM, now=now)
    default = Policy.objects.get(is_default=True).current
    assert default is not None
    terms = {
        **policies.terms_of(default),
        "match": "kind == 'gate'",
        "required_approvals": 3,
        "expire_after_seconds": 600,
    }
    with one_person_enough():
        policies.publish(policy, terms, actor=SYSTEM, now=now)
    gate = asked(producer_api, require_min_approvers=2, timeout_ms=3_600_000)
    assert (gate["policy"]["name"], gate["required_approvals"]) == ("gates", 3)
    row = Decision.objects.get(decision_id=gate["id"])
    assert row.expire_at - row.created_at == timedelta(minutes=10)
    assert make_patch().policy_version.policy.name != "gates"
    refused = producer_api.post(PATH, gate_request(execution_id="run-2", allowed_approvers=["patchgen"]))
    assert "3 approvals are required (policy gates), and 0 of these names" in refused.json()["detail"]


def test_more_people_may_be_asked_for_never_fewer(producer_api, api_of, alice, bob):
    gate = asked(producer_api, require_min_approvers=2)
    assert gate["required_approvals"] == 2
    first = act(api_of(alice), gate, "approve").json()
    assert (first["status"], first["approvals"], first["approvers"]) == ("pending", 1, ["alice"])
    again = act(api_of(alice), gate, "approve")
    assert (again.status_code, "each person counts once" in again.json()["detail"]) == (409, True)
    second = act(api_of(bob), gate, "approve", comment="Fine.").json()
    assert (second["status"], second["decision"], second["decided_by"], second["comment"]) == (
        "approved",
        "approved",
        "bob",
        "Fine.",
    )


def test_all_of_those_named_must_approve(producer_api, api_of, alice, bob, lena):
    gate = asked(producer_api, allowed_approvers=["alice", "Bob@Example.org"], require_all_approvers=True)
    assert gate["required_approvals"] == 2
    assert act(api_of(lena), gate, "approve").status_code == 403
    act(api_of(alice), gate, "approve")
    assert act(api_of(bob), gate, "approve").json()["status"] == "approved"


def test_one_person_by_two_names_is_one(producer_api, alice):
    gate = asked(producer_api, allowed_approvers=["alice", "alice@example.org"], require_all_approvers=True)
    assert gate["required_approvals"] == 1


def test_a_gate_nobody_could_approve_is_refused(producer_api, alice):
    [error] = wrong(producer_api, allowed_approvers=["alice", "ghost"], require_min_approvers=2)
    assert error["loc"] == ["body", "allowed_approvers"]
    [error] = wrong(producer_api, allowed_approvers=["alice", "ghost"], require_all_approvers=True)
    assert "nobody here is called ghost" in error["msg"]


def test_only_those_named_approve_and_anybody_who_decides_may_say_no(producer_api, api_of, alice, bob):
    gate = asked(producer_api, allowed_approvers=["alice"])
    refused = act(api_of(bob), gate, "approve")
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Only the people this gate names may approve it: alice.",
    )
    said = act(api_of(bob), gate, "reject", reason="Not on a Friday.", comment="Ask on Monday.").json()
    assert (said["status"], said["reason"], said["comment"]) == ("rejected", "Not on a Friday.", "Ask on Monday.")


@pytest.mark.usefixtures("alice")
def test_being_named_makes_nobody_a_reviewer(producer_api, api_of, carol):
    gate = asked(producer_api, allowed_approvers=["alice", "carol"])
    assert act(api_of(carol), gate, "approve").status_code == 403
    assert Decision.objects.get().status == Status.PENDING


def test_what_has_no_effect_is_said(producer_api, alice):
    condition = {"field": "config.env", "operator": "eq", "value": "dev"}
    gate = asked(
        producer_api,
        allowed_approvers=["alice", "ghost"],
        notify_channels=["slack"],
        escalate_to_users=["lena"],
        auto_approve_conditions=[condition],
    )
    said = " ".join(gate["notes"])
    assert len(gate["notes"]) == 5
    for words in (
        "which channels of the team",
        "escalate_to_users",
        "lets no gate be approved by its own conditions",
        "Nothing stands at config.env",
        "called ghost",
    ):
        assert words in said
    assert gate["request"]["auto_approve_conditions"] == [condition]
    assert gate["status"] == "pending"
    rows = {row["text"]: (row["value"], row["outcome"]) for row in gate["trace"]}
    assert rows["The policy lets a gate's own conditions approve it"] == ("no", "fail")
    assert rows["Condition 1 it was sent with"] == ("not sent", "absent")


def test_a_machine_never_decides(producer_api, deployer_api):
    gate = asked(producer_api)
    for api in (producer_api, deployer_api):
        for verb, body in (("approve", {}), ("reject", {"reason": "No."})):
            answer = act(api, gate, verb, **body)
            assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
            assert "machine token never decides" in answer.json()["detail"]
    assert Decision.objects.get().status == Status.PENDING


def test_people_push_no_gates_and_nobody_is_nobody(api_of, alice, deployer_api):
    assert api_of(alice).post(PATH, gate_request()).status_code == 403
    assert deployer_api.post(PATH, gate_request()).status_code == 403
    assert Api().post(PATH, gate_request()).status_code == 401
    assert Api().get(f"{PATH}/pending").status_code == 401


def test_a_person_decides_by_personal_token(producer_api, token_for, alice):
    gate = asked(producer_api)
    answer = act(Api(token_for("personal", "mine", user=alice)), gate, "approve")
    assert (answer.status_code, answer.json()["status"]) == (200, "approved")


def test_an_act_names_the_digest_it_saw(producer_api, api_of, alice):
    gate = asked(producer_api)
    person = api_of(alice)
    assert person.post(f"{PATH}/{gate['id']}/approve", {}).status_code == 422
    stale = person.post(f"{PATH}/{gate['id']}/approve", {"digest": "0" * 64})
    assert (stale.status_code, stale.json()["current"]["patch_sha256"]) == (409, gate["digest"])
    assert person.post(f"{PATH}/{gate['id']}/reject", {"digest": gate["digest"], "reason": " "}).status_code == 422
    assert Decision.objects.get().status == Status.PENDING


def test_a_producer_cancels_its_own_and_sees_no_other(producer_api, other_api, deployer_api, api_of, alice, lena):
    gate = asked(producer_api)
    assert act(other_api, gate, "cancel", reason="Mine now.").status_code == 404
    assert other_api.get(f"{PATH}/{gate['id']}").status_code == 404
    assert other_api.get(f"{PATH}/pending").json()["total"] == 0
    assert act(api_of(alice), gate, "cancel", reason="No.").status_code == 403
    assert act(deployer_api, gate, "cancel", reason="No.").status_code == 403
    assert act(producer_api, gate, "cancel").status_code == 422
    stale = producer_api.post(f"{PATH}/{gate['id']}/cancel", {"digest": "0" * 64, "reason": "Old."})
    assert stale.status_code == 409
    done = act(producer_api, gate, "cancel", reason="Wrong branch.").json()
    assert (done["status"], done["decided_by"], done["reason"]) == ("cancelled", "patchgen", "Wrong branch.")
    assert act(producer_api, gate, "cancel", reason="Again.").status_code == 409
    second = asked(producer_api, execution_id="run-2")
    assert act(api_of(lena), second, "cancel", reason="Freeze.").json()["status"] == "cancelled"


def test_what_was_asked_goes_to_whom_reasons_go(producer_api, token_for, api_of, carol, alice):
    gate = asked(producer_api, context={"secret": "plan"})
    blind = Api(token_for("auditor", "narrow", scopes=["decisions:read"]))
    assert blind.get(f"{PATH}/{gate['id']}").json()["request"] is None
    assert api_of(alice).get(f"{PATH}/{gate['id']}").json()["request"]["context"] == {"secret": "plan"}


def test_a_patch_is_no_gate_and_unknown_is_unknown(producer_api, make_patch, api_of, alice):
    decision = make_patch()
    for gate_id in (decision.decision_id, "nothing", "0f8fad5b-d9cb-469f-a165-70867728950e"):
        assert producer_api.get(f"{PATH}/{gate_id}").status_code == 404
        assert act(api_of(alice), {"id": gate_id, "digest": "0" * 64}, "approve").status_code == 404
    assert producer_api.get(PATH + "/x/approve").json()["title"] == "Method Not Allowed"


def test_a_gate_has_no_diff_to_fetch(producer_api):
    gate = asked(producer_api)
    answer = producer_api.get(f"/hitl/patches/{gate['patch_id']}/diff")
    assert (answer.status_code, answer.json()["detail"]) == (404, "A workflow gate has no diff.")


def test_the_feed_carries_gates_and_says_so(producer_api, deployer_api, api_of, alice, make_patch, approve):
    approve(make_patch(), alice)
    act(api_of(alice), asked(producer_api), "approve")
    dispatch()
    feed = deployer_api.get("/hitl/decisions").json()
    assert [(item["kind"], item["status"]) for item in feed] == [("patch", "approved"), ("gate", "approved")]


def test_a_key_makes_the_post_itself_idempotent(producer_api):
    first = producer_api.post(PATH, gate_request(), **{"Idempotency-Key": "k"})
    second = producer_api.post(PATH, gate_request(), **{"Idempotency-Key": "k"})
    assert (first.status_code, second.status_code, second["Idempotent-Replayed"]) == (201, 201, "true")
    assert Patch.objects.count() == 1


def test_gates_have_no_deadline_where_neither_says_one(producer_api, monkeypatch):
    asked(producer_api)
    version = Decision.objects.get().policy_version
    monkeypatch.setattr("approvals.queries.intake_facts.versions_of", lambda found: [version])
    version.expire_after_seconds = None
    gate = asked(producer_api, execution_id="run-2")
    assert gate["expires_at"] is None
    assert Decision.objects.get(decision_id=gate["id"]).expire_at == NO_DEADLINE
