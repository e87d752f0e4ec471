"""The order of refusal: 401, 403 (scope or group), 422, 404, 403 (a rule on this item), 409; nothing written."""

from typing import Any
from uuid import uuid4

import pytest

from approvals.models import Comment, Decision, Review, Text
from audit.models import Entry
from audit.queries import data_of
from tests.cast import Api

pytestmark = pytest.mark.django_db

ACTS = ["approve", "reject", "request-changes", "withdraw", "escalate", "cancel", "revoke", "comment"]
WORDS = {"reject", "request-changes", "withdraw", "escalate", "cancel", "revoke"}


def body_for(act: str, decision: Decision, **more) -> dict[str, Any]:
    body = {"decision_id": str(decision.decision_id)}
    if act != "comment":
        body["patch_sha256"] = decision.patch.sha256
    if act in WORDS:
        body["reason"] = "It misses the second call site."
    if act == "comment":
        body["comment"] = "Look at line 3."
    return body | more


def path_for(act: str, decision: Decision) -> str:
    return f"/hitl/patches/{decision.patch.patch_id}/{act}"


@pytest.fixture
def untouched(make_patch):
    """Return a decision, and assert at the end that nothing became of it."""
    decision = make_patch(patch_id="P", severity="critical")
    yield decision
    stored = Decision.objects.get(pk=decision.pk)
    assert (stored.status, stored.approvals, stored.escalation_level) == ("pending", 0, 0)
    assert not Review.objects.exists()
    assert not Comment.objects.exists()
    assert not Text.objects.exists()
    assert set(Entry.objects.filter(object_type="decision").values_list("type", flat=True)) <= {
        "patch.submitted",
        "decision.refused",
    }


@pytest.mark.parametrize("act", ACTS)
def test_401_comes_before_the_body_is_read(untouched, act):
    answer = Api().post(path_for(act, untouched), {"nonsense": 1})
    assert answer.status_code == 401


@pytest.mark.parametrize("act", sorted(WORDS | {"approve"}))
def test_403_of_a_group_comes_before_422_and_404(untouched, api_of, carol, act):
    for body in ({"nonsense": 1}, body_for(act, untouched, decision_id=str(uuid4())), body_for(act, untouched)):
        answer = api_of(carol).post(path_for(act, untouched), body)
        assert answer.status_code == 403, answer.content
        assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("act", ["revoke", "cancel"])
def test_a_reviewer_is_no_lead(untouched, api_of, alice, act):
    assert api_of(alice).post(path_for(act, untouched), {"nonsense": 1}).status_code == 403


def test_403_of_a_group_comes_first_in_bulk_too(untouched, api_of, carol):
    assert api_of(carol).post("/hitl/decisions/bulk", {"nonsense": 1}).status_code == 403


@pytest.mark.parametrize("kind", ["producer", "deployer", "auditor", "monitor"])
@pytest.mark.parametrize("act", sorted((WORDS | {"approve"}) - {"cancel"}))
def test_a_machine_token_never_decides(untouched, token_for, kind, act):
    answer = Api(token_for(kind, "machine")).post(path_for(act, untouched), body_for(act, untouched))
    assert answer.status_code == 403
    assert answer.json()["detail"] == "A machine token never decides; only people approve, reject or request changes."


def test_a_machine_token_never_decides_in_bulk(untouched, deployer_api):
    item = {"decision_id": str(untouched.decision_id), "patch_sha256": untouched.patch.sha256}
    answer = deployer_api.post("/hitl/decisions/bulk", {"items": [item], "verdict": "approve"})
    assert answer.status_code == 403
    assert "A machine token never decides" in answer.json()["detail"]


@pytest.mark.parametrize("act", ACTS)
def test_422_comes_before_404(untouched, api_of, lena, act):
    for wrong in ({"surprise": 1}, {"user": "mallory"}, {"user": ""}):
        answer = api_of(lena).post(
            path_for(act, untouched), body_for(act, untouched, decision_id=str(uuid4()), **wrong)
        )
        assert answer.status_code == 422, answer.content
        assert answer.json()["errors"][0]["loc"] == ["body", next(iter(wrong))]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("missing", ["00000000-0000-7000-8000-000000000000", "no-such-alias"])
def test_404_for_what_is_not_there(untouched, api_of, lena, act, missing):
    answer = api_of(lena).post(path_for(act, untouched), body_for(act, untouched, decision_id=missing))
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("act", ACTS)
def test_a_path_of_another_patch_is_422(untouched, api_of, lena, act):
    answer = api_of(lena).post(f"/hitl/patches/other/{act}", body_for(act, untouched))
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": ["path", "patch_id"], "msg": "does not match decision_id"}]


def test_a_rule_on_the_item_comes_before_409(make_patch, approve, api_of, alice, bob):
    ended = make_patch(submitted_by="bob@example.org")
    approve(ended, alice)
    answer = api_of(bob).post(path_for("approve", ended), body_for("approve", ended))
    assert answer.status_code == 403
    assert "You submitted this patch" in answer.json()["detail"]


@pytest.mark.parametrize("act", ["approve", "reject", "request-changes", "escalate", "cancel"])
def test_409_names_what_is_so_now(make_patch, approve, api_of, alice, lena, act):
    ended = make_patch()
    approve(ended, alice)
    before = Entry.objects.count()
    answer = api_of(lena).post(path_for(act, ended), body_for(act, ended))
    assert answer.status_code == 409
    body = answer.json()
    assert (body["title"], body["status"]) == ("Conflict", 409)
    assert "Approved by alice" in body["detail"]
    assert "Nothing was changed." in body["detail"]
    current = body["current"]
    assert (current["status"], current["decided_by"], current["channel"]) == ("approved", "alice", "page")
    assert current["patch_sha256"] == ended.patch.sha256
    assert current["decided_at"]
    assert Entry.objects.latest("id").type == "decision.refused"
    assert Entry.objects.count() == before + 1


@pytest.mark.usefixtures("critical_anywhere")
def test_another_digest_is_409_with_the_present_one(untouched, api_of, lena):
    answer = api_of(lena).post(path_for("approve", untouched), body_for("approve", untouched, patch_sha256="0" * 64))
    assert answer.status_code == 409
    assert answer.json()["current"]["patch_sha256"] == untouched.patch.sha256


@pytest.mark.parametrize("act", ["withdraw", "escalate", "cancel", "revoke"])
def test_another_digest_is_409_whatever_is_asked_and_changes_nothing(make_patch, approve, api_of, alice, lena, act):
    decision = make_patch(severity="critical" if act == "withdraw" else "medium")
    if act in {"withdraw", "revoke"}:
        approve(decision, lena)
    before = Decision.objects.values().get(), list(Review.objects.values()), Text.objects.count(), Entry.objects.count()
    answer = api_of(lena).post(path_for(act, decision), body_for(act, decision, patch_sha256="0" * 64))
    assert answer.status_code == 409, answer.content
    assert "Nothing was changed" in answer.json()["detail"]
    assert answer.json()["current"]["patch_sha256"] == decision.patch.sha256
    after = Decision.objects.values().get(), list(Review.objects.values()), Text.objects.count(), Entry.objects.count()
    assert after == before
    assert api_of(lena).post(path_for(act, decision), body_for(act, decision)).status_code == 200


@pytest.mark.parametrize("ended", [False, True])
def test_a_comment_on_another_digest_is_409_and_writes_nothing(make_patch, approve, api_of, alice, lena, ended):
    decision = make_patch()
    if ended:
        approve(decision, alice)
    stale = body_for("comment", decision, patch_sha256="0" * 64)
    answer = api_of(lena).post(path_for("comment", decision), stale)
    assert (answer.status_code, answer.json()["current"]["patch_sha256"]) == (409, decision.patch.sha256)
    assert not Comment.objects.exists()
    seen = body_for("comment", decision, patch_sha256=decision.patch.sha256)
    assert api_of(lena).post(path_for("comment", decision), seen).status_code == 201


def test_whose_patch_it_is_comes_before_which_digest(untouched, token_for):
    other = Api(token_for("producer", "othergen"))
    answer = other.post(path_for("cancel", untouched), body_for("cancel", untouched, patch_sha256="0" * 64))
    assert answer.status_code == 403


@pytest.mark.parametrize("digest", ["", "x" * 64, "A" * 64, "a" * 63, None])
def test_a_digest_that_is_none_is_422(untouched, api_of, lena, digest):
    answer = api_of(lena).post(path_for("approve", untouched), body_for("approve", untouched, patch_sha256=digest))
    assert answer.status_code == 422


@pytest.mark.parametrize("act", sorted(WORDS))
@pytest.mark.parametrize("reason", ["", "   ", "\n\t", "x" * 2001, None, "nul \x00", "lone \ud800"])
def test_a_reason_has_1_to_2000_characters_of_text(untouched, api_of, lena, act, reason):
    answer = api_of(lena).post(path_for(act, untouched), body_for(act, untouched, reason=reason))
    assert answer.status_code == 422


@pytest.mark.parametrize("words", ["", "  ", "x" * 10_001, "nul \x00"])
def test_a_comment_has_1_to_10000_characters_of_text(untouched, api_of, lena, words):
    answer = api_of(lena).post(path_for("comment", untouched), body_for("comment", untouched, comment=words))
    assert answer.status_code == 422


def test_a_category_is_one_of_ours(untouched, api_of, lena):
    answer = api_of(lena).post(path_for("reject", untouched), body_for("reject", untouched, category="dislike"))
    assert answer.status_code == 422


@pytest.mark.usefixtures("critical_anywhere")
@pytest.mark.parametrize("act", ["approve", "reject", "request-changes"])
def test_a_personal_token_decides_nothing_critical(untouched, token_for, alice, act):
    api = Api(token_for("personal", "laptop", user=alice))
    answer = api.post(path_for(act, untouched), body_for(act, untouched))
    assert answer.status_code == 403
    assert "not with a personal token" in answer.json()["detail"]


def test_a_producer_cancels_its_own_patches_only(untouched, token_for):
    other = Api(token_for("producer", "othergen"))
    answer = other.post(path_for("cancel", untouched), body_for("cancel", untouched))
    assert answer.status_code == 403


def test_a_token_without_the_scope_cancels_nothing(untouched, token_for):
    api = Api(token_for(scopes=["patches:submit", "decisions:read"]))
    answer = api.post(path_for("cancel", untouched), {"nonsense": 1})
    assert answer.status_code == 403
    assert "patches:cancel" in answer.json()["detail"]


def test_a_refused_attempt_on_an_item_is_in_the_log(make_patch, api_of, alice):
    decision = make_patch(submitted_by="alice@example.org")
    api_of(alice).post(path_for("approve", decision), body_for("approve", decision))
    entry = Entry.objects.get(type="decision.refused")
    assert (entry.object_id, entry.actor_id) == (str(decision.decision_id), f"user:{alice.pk}")


def test_a_caller_who_never_decides_is_on_record_too(make_patch, deployer_api, api_of, carol):
    decision = make_patch()
    for api in (deployer_api, api_of(carol)):
        api.post(path_for("approve", decision), body_for("approve", decision))
    machine, viewer = Entry.objects.filter(type="decision.refused").order_by("id")
    assert (machine.actor_kind, viewer.actor_id) == ("service", f"user:{carol.pk}")
    assert data_of(machine)["attempt"] == path_for("approve", decision)
    assert data_of(viewer)["why"].startswith("Only reviewers and security leads decide")
