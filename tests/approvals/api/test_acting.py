"""What people do through the API: each act, its answer, and what is written."""

import pytest

from approvals.api.actions import on_named
from approvals.models import Comment, Decision, Displayed, Review, Revocation, Verdict
from approvals.services.dispatch import dispatch
from audit.models import Entry
from audit.queries import body_of
from tests.cast import Api

pytestmark = pytest.mark.django_db


def act(api: Api, decision: Decision, name: str, **more):
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256, **more}
    return api.post(f"/hitl/patches/{decision.patch.patch_id}/{name}", body)


def kinds(decision: Decision) -> list[str]:
    entries = Entry.objects.filter(object_id=str(decision.decision_id)).order_by("id")
    return list(entries.values_list("type", flat=True))


def test_approve_answers_what_is_so_now(api_of, make_patch, alice):
    decision = make_patch()
    answer = act(api_of(alice), decision, "approve", comment="Checked on staging.")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "approved",
        "decision_id": str(decision.decision_id),
        "approvals": 1,
        "required_approvals": 1,
    }
    [review] = Review.objects.all()
    assert (review.verdict, review.displayed, review.channel) == ("approve", Displayed.API, "api")
    assert (review.patch_sha256, str(review.text)) == (decision.patch.sha256, "Checked on staging.")
    assert kinds(decision) == ["patch.submitted", "review.recorded", "decision.approved"]


@pytest.mark.usefixtures("critical_anywhere")
def test_approve_stays_pending_until_the_quorum(api_of, make_patch, alice, lena):
    decision = make_patch(severity="critical")
    first = act(api_of(alice), decision, "approve").json()
    assert (first["status"], first["approvals"], first["required_approvals"]) == ("pending", 1, 2)
    assert act(api_of(lena), decision, "approve").json()["status"] == "approved"


def test_reject_answers_with_the_reason(api_of, make_patch, alice):
    decision = make_patch()
    answer = act(api_of(alice), decision, "reject", reason="  Breaks the login.  ", category="breaks_behaviour")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "rejected",
        "decision_id": str(decision.decision_id),
        "reason": "Breaks the login.",
        "comment": None,
    }
    stored = Decision.objects.select_related("reason").get()
    assert (stored.category, str(stored.reason), stored.decided_by) == (
        "breaks_behaviour",
        "Breaks the login.",
        "alice",
    )


def test_a_rejection_without_a_category_is_other(api_of, make_patch, alice):
    act(api_of(alice), make_patch(), "reject", reason="No.")
    assert Decision.objects.get().category == "other"


def test_a_comment_sent_with_a_rejection_is_in_the_discussion(api_of, make_patch, alice):
    decision = make_patch()
    act(api_of(alice), decision, "reject", reason="No.", comment="See the wiki.")
    assert [str(comment.text) for comment in Comment.objects.all()] == ["See the wiki."]
    act(api_of(alice), make_patch(), "reject", reason="No.", comment="   ")
    assert Comment.objects.count() == 1


def test_request_changes_ends_this_revision(api_of, make_patch, alice):
    decision = make_patch()
    answer = act(api_of(alice), decision, "request-changes", reason="Bind both parameters.")
    assert (answer.status_code, answer.json()["status"]) == (200, "changes_requested")
    assert kinds(decision)[-1] == "decision.changes_requested"


@pytest.mark.parametrize("name", ["alice", "ALICE", "alice@example.org", "Alice@Example.org"])
def test_the_user_in_the_body_may_be_the_callers_name_or_address(api_of, make_patch, alice, name):
    assert act(api_of(alice), make_patch(), "approve", user=name).status_code == 200


def test_a_body_cannot_decide_for_somebody_else(api_of, make_patch, alice, bob):
    answer = act(api_of(alice), make_patch(), "approve", user="bob")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "user"])
    assert not Review.objects.exists()


@pytest.mark.parametrize("alias", ["s1-7", "0d2c5f5e-1f5a-4d2f-9a3e-8a4f1f0b7c11"])
def test_the_alias_names_the_item_too(api_of, make_patch, alice, alias):
    decision = make_patch(decision_id=alias, severity="low")
    address = f"/hitl/patches/{decision.patch.patch_id}/approve"
    body = {"decision_id": alias, "patch_sha256": decision.patch.sha256}
    assert api_of(alice).post(address, body).json()["decision_id"] == str(decision.decision_id)
    assert (
        api_of(alice).post(address, body | {"decision_id": "0d2c5f5e-0000-4d2f-9a3e-8a4f1f0b7c11"}).status_code == 404
    )


def test_a_defect_in_an_act_is_no_reason_to_act_again():
    tried = []

    def broken(decision_id):
        tried.append(decision_id)
        raise ValueError("an entry that is too long, for one")

    with pytest.raises(ValueError, match="too long"):
        on_named("0d2c5f5e-1f5a-4d2f-9a3e-8a4f1f0b7c11", broken)
    assert len(tried) == 1


def test_a_path_that_names_another_patch_is_told_so(api_of, make_patch, alice):
    decision, other = make_patch(severity="low"), make_patch(severity="low")
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
    answer = api_of(alice).post(f"/hitl/patches/{other.patch.patch_id}/approve", body)
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [{"loc": ["path", "patch_id"], "msg": "does not match decision_id"}],
    )
    assert not Review.objects.exists()


def test_a_comment_is_201_in_any_state_with_file_and_line(api_of, make_patch, approve, alice, bob):
    decision = make_patch()
    approve(decision, bob)
    body = {"decision_id": str(decision.decision_id), "comment": "Look here.", "file": "app.py", "line": 2}
    answer = api_of(alice).post(f"/hitl/patches/{decision.patch.patch_id}/comment", body)
    assert (answer.status_code, answer.json()["status"]) == (201, "commented")
    [comment] = Comment.objects.all()
    assert (comment.file, comment.line, str(comment.text), comment.author) == ("app.py", 2, "Look here.", alice)


def test_a_comment_may_stand_on_a_deleted_line(api_of, make_patch, alice):
    decision = make_patch()
    path = f"/hitl/patches/{decision.patch.patch_id}/comment"
    body = {"decision_id": str(decision.decision_id), "comment": "Why was it there?", "file": "app.py", "line": 1}
    answers = [api_of(alice).post(path, body | more).json() for more in ({"side": "old"}, {}, {"line": None})]
    assert [answer["side"] for answer in answers] == ["old", "new", None]
    record = api_of(alice).get(f"/hitl/decisions/{decision.decision_id}").json()
    assert [comment["side"] for comment in record["comments"]] == ["old", "new", None]
    assert api_of(alice).post(path, body | {"side": "left"}).status_code == 422


def test_the_comment_beside_a_rejection_is_in_its_answer(api_of, make_patch, alice):
    answer = act(api_of(alice), make_patch(), "reject", reason="Breaks the login.", comment="Seen in staging.")
    assert answer.json()["comment"] == "Seen in staging."
    assert str(Comment.objects.get().text) == "Seen in staging."


GROWN = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,3 @@\n one\n+two\n three\n"
SHRUNK = "--- a/app.py\n+++ b/app.py\n@@ -1,3 +1,2 @@\n one\n-two\n three\n"
BINARY = "diff --git a/logo b/logo\nindex 1..2 100644\nBinary files a/logo and b/logo differ\n"


@pytest.mark.parametrize(
    ("diff", "place", "field", "sentence"),
    [
        (None, {"file": "other.py", "line": 1}, "file", "This diff has no file other.py."),
        (None, {"file": "other.py"}, "file", "This diff has no file other.py."),
        (None, {"line": 1}, "file", "Say which file the line is of."),
        (None, {"file": "app.py", "line": 3}, "line", "This diff shows no line 3 of the new file app.py."),
        (None, {"file": "app.py", "line": 0, "side": "old"}, "line", "no line 0 of the old file app.py."),
        (GROWN, {"file": "app.py", "line": 3, "side": "old"}, "line", 'The new file has it: send "side": "new".'),
        (SHRUNK, {"file": "app.py", "line": 3}, "line", 'The old file has it: send "side": "old".'),
        (BINARY, {"file": "logo", "line": 1}, "line", "shows no lines of logo: comment on the file without a line."),
        ("", {"file": "app.py", "line": 1}, "file", "This diff has no file app.py."),
    ],
)
def test_a_comment_where_the_diff_has_nothing_is_422_and_says_what(
    api_of, make_patch, alice, diff, place, field, sentence
):
    decision = make_patch(**({} if diff is None else {"diff": diff}))
    body = {"decision_id": str(decision.decision_id), "comment": "Look here."} | place
    answer = api_of(alice).post(f"/hitl/patches/{decision.patch.patch_id}/comment", body)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["loc"] == ["body", field]
    assert sentence in error["msg"]
    assert sentence in answer.json()["detail"]
    assert not Comment.objects.exists()


@pytest.mark.parametrize(
    ("diff", "place"),
    [
        (GROWN, {"file": "app.py", "line": 1}),  # unchanged, shown around the change
        (GROWN, {"file": "app.py", "line": 1, "side": "old"}),
        (SHRUNK, {"file": "app.py", "line": 3, "side": "old"}),
        (BINARY, {"file": "logo"}),
    ],
)
def test_a_comment_stands_at_any_line_that_the_diff_shows(api_of, make_patch, alice, diff, place):
    decision = make_patch(diff=diff)
    body = {"decision_id": str(decision.decision_id), "comment": "Look here."} | place
    assert api_of(alice).post(f"/hitl/patches/{decision.patch.patch_id}/comment", body).status_code == 201


def test_a_comment_is_held_against_the_revision_that_it_is_about(api_of, make_patch, alice):
    first, second = make_patch(patch_id="P", diff=GROWN), make_patch(patch_id="P", diff=SHRUNK)
    statuses = {}
    for decision in (first, second):
        body = {"decision_id": str(decision.decision_id), "comment": "Here.", "file": "app.py", "line": 3}
        statuses[decision] = api_of(alice).post("/hitl/patches/P/comment", body).status_code
    assert statuses == {first: 201, second: 422}


def test_a_machine_with_the_scope_comments_under_its_own_name(token_for, make_patch):
    decision = make_patch()
    body = {"decision_id": str(decision.decision_id), "comment": "Scan found nothing."}
    path = f"/hitl/patches/{decision.patch.patch_id}/comment"
    assert Api(token_for("deployer", "argo")).post(path, body).status_code == 403
    api = Api(token_for("deployer", "scanner", scopes=["decisions:read", "comments:write"]))
    assert api.post(path, body).status_code == 201
    [comment] = Comment.objects.all()
    assert (comment.author, comment.author_label) == (None, "scanner")


def test_a_viewer_comments_nothing(api_of, make_patch, carol):
    decision = make_patch()
    body = {"decision_id": str(decision.decision_id), "comment": "Hello."}
    assert api_of(carol).post(f"/hitl/patches/{decision.patch.patch_id}/comment", body).status_code == 403


def test_escalate_raises_the_level_and_stays_pending(api_of, make_patch, alice):
    decision = make_patch()
    answer = act(api_of(alice), decision, "escalate", reason="I do not know this code.")
    assert answer.json() == {"status": "pending", "decision_id": str(decision.decision_id), "escalation_level": 1}
    assert kinds(decision)[-1] == "decision.escalated"


def test_a_producer_cancels_what_it_sent(producer_api, make_patch):
    decision = make_patch()
    answer = act(producer_api, decision, "cancel", reason="Superseded upstream.")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    stored = Decision.objects.get()
    assert (stored.decided_by_kind, stored.decided_by) == ("service", "patchgen")


def test_a_lead_cancels_what_anybody_sent(api_of, make_patch, lena):
    decision = make_patch()
    assert act(api_of(lena), decision, "cancel", reason="Not our package.").json()["status"] == "cancelled"
    assert Decision.objects.get().decided_by == "lena"


def test_revoke_takes_an_approval_back(api_of, make_patch, approve, alice, lena):
    decision = make_patch()
    approve(decision, alice)
    answer = act(api_of(lena), decision, "revoke", reason="It broke the login.")
    assert (answer.status_code, answer.json()["status"]) == (200, "revoked")
    [revocation] = Revocation.objects.all()
    assert (revocation.revoked_by, str(revocation.reason)) == ("lena", "It broke the login.")
    record = api_of(lena).get(f"/hitl/decisions/{decision.decision_id}").json()
    assert (record["status"], record["decided_by"]) == ("revoked", "alice")
    assert record["revocation"]["reason"] == "It broke the login."


@pytest.mark.parametrize("state", ["pending", "rejected"])
def test_only_an_approval_can_be_revoked(api_of, make_patch, approve, alice, lena, state):
    decision = make_patch()
    if state == "rejected":
        approve(decision, alice, Verdict.REJECT)
    answer = act(api_of(lena), decision, "revoke", reason="It broke the login.")
    assert (answer.status_code, answer.json()["current"]["status"]) == (409, state)


def test_every_entry_of_an_act_names_the_request_that_made_it(api_of, make_patch, alice):
    decision = make_patch()
    answer = act(api_of(alice), decision, "approve")
    for entry in Entry.objects.filter(type__in=["review.recorded", "decision.approved"]):
        assert body_of(entry)["request"]["id"] == answer["X-Request-ID"]
        assert entry.context.actor_label == "alice"


def bulk(api: Api, verdict: str, *items, **more):
    listed = [
        item if isinstance(item, dict) else {"decision_id": str(item.decision_id), "patch_sha256": item.patch.sha256}
        for item in items
    ]
    return api.post("/hitl/decisions/bulk", {"items": listed, "verdict": verdict, **more})


@pytest.mark.usefixtures("critical_anywhere")
def test_bulk_gives_a_result_per_item_in_order(api_of, make_patch, approve, alice, bob):
    low, critical, ended = make_patch(severity="low"), make_patch(severity="critical"), make_patch(severity="low")
    unopened = make_patch(severity="high")
    approve(ended, bob)
    stale = {"decision_id": str(low.decision_id), "patch_sha256": "0" * 64}
    missing = {"decision_id": "no-such", "patch_sha256": "0" * 64}
    results = bulk(api_of(alice), "approve", stale, low, low, critical, ended, unopened, missing)
    assert results.status_code == 200
    found = results.json()
    assert [result["status"] for result in found] == [409, 200, 409, 403, 409, 403, 404]
    assert found[1]["decision"] == "approved"
    assert found[4]["current"]["decided_by"] == "bob"
    assert "never in bulk" in found[3]["detail"]
    assert "Open the patch first" in found[5]["detail"]
    assert Review.objects.filter(reviewer=alice).count() == 1


def test_bulk_rejects_with_one_reason(api_of, make_patch, alice):
    items = [make_patch() for _ in range(3)]
    found = bulk(api_of(alice), "reject", *items, reason="Wrong package.", category="out_of_scope").json()
    assert {result["decision"] for result in found} == {"rejected"}
    assert set(Decision.objects.values_list("category", "reason__body")) == {("out_of_scope", "Wrong package.")}


def test_bulk_without_a_reason_rejects_nothing(api_of, make_patch, alice):
    found = bulk(api_of(alice), "reject", make_patch()).json()
    assert [result["status"] for result in found] == [422]
    assert not Review.objects.exists()


def test_bulk_takes_aliases_that_look_like_our_own_ids(api_of, make_patch, alice):
    alias = "0d2c5f5e-1f5a-4d2f-9a3e-8a4f1f0b7c11"
    decision = make_patch(decision_id=alias, severity="low")
    item = {"decision_id": alias, "patch_sha256": decision.patch.sha256}
    assert [result["status"] for result in bulk(api_of(alice), "approve", item).json()] == [200]


@pytest.mark.parametrize("count", [0, 201])
def test_bulk_has_1_to_200_items(api_of, alice, count):
    item = {"decision_id": "x", "patch_sha256": "0" * 64}
    assert bulk(api_of(alice), "approve", *[item] * count).status_code == 422


def test_bulk_verdicts_are_three(api_of, make_patch, alice):
    assert bulk(api_of(alice), "escalate", make_patch()).status_code == 422


def test_the_feed_has_an_item_per_change_and_is_the_same_for_every_reader(
    api_of, deployer_api, producer_api, make_patch, approve, alice, lena
):
    one, two = make_patch(severity="low"), make_patch()
    approve(one, alice)
    act(api_of(alice), two, "reject", reason="No.")
    dispatch()
    before = deployer_api.get("/hitl/decisions").json()
    act(api_of(lena), one, "revoke", reason="It broke the login.")
    dispatch()
    items = deployer_api.get("/hitl/decisions").json()
    assert items[:2] == before
    assert [(item["position"], item["status"]) for item in items] == [(1, "approved"), (2, "rejected"), (3, "revoked")]
    assert [item["decided_by"] for item in items] == ["alice", "alice", "lena"]
    to_its_producer = producer_api.get("/hitl/decisions").json()
    assert [[each["text"] for each in item["objections"]] for item in to_its_producer] == [[], ["No."], []]
    assert [{**item, "objections": None} for item in to_its_producer] == items, "words are for whose patch it is"
    assert [item["position"] for item in deployer_api.get("/hitl/decisions", after=1, limit=1).json()] == [2]
    assert deployer_api.get("/hitl/decisions", after=3).json() == []
    assert items[0]["patch_sha256"] == one.patch.sha256
    dispatch()
    assert deployer_api.get("/hitl/decisions").json() == items


@pytest.mark.parametrize(
    ("name", "value"),
    [("after", "-1"), ("after", "x"), ("limit", "0"), ("limit", "1001"), ("wait", "61"), ("wait", "-1"), ("afer", "1")],
)
def test_a_wrong_parameter_of_the_feed_is_422(deployer_api, name, value):
    answer = deployer_api.get("/hitl/decisions", **{name: value})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", name])
