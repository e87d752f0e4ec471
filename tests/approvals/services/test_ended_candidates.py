"""An approval ends the other candidates for the same vulnerability where the policies of both say so."""

import pytest

from approvals.errors import Conflict
from approvals.models import Decision, Policy, Status, Verdict
from approvals.services.dispatch import dispatch
from audit.models import Entry
from tests.approvals.test_deployments_page import words_of
from tests.cast import republish, tighten

pytestmark = pytest.mark.django_db
SAME = {"cve_id": "CVE-2024-1", "package_name": "flask", "severity": "medium"}


@pytest.fixture
def one_is_enough(db):
    republish(Policy.objects.get(name="medium"), supersede_candidates=True)


def status(decision: Decision) -> str:
    return Decision.objects.get(pk=decision.pk).status


def test_the_others_end_with_a_reason_and_a_place_in_the_feed(
    one_is_enough, make_patch, approve, alice, bob, deployer_api
):
    older, chosen, newer = (make_patch(**SAME) for _ in range(3))
    approve(chosen, alice)
    assert [status(one) for one in (older, chosen, newer)] == ["superseded", "approved", "superseded"]
    ended = Decision.objects.get(pk=older.pk)
    assert ended.cause == f"Another candidate was approved: {chosen.patch.patch_id}"
    assert ended.decided_by.startswith("medium")
    [entry, _] = Entry.objects.filter(type="decision.superseded").order_by("pk")
    assert entry.object_id == str(older.decision_id)
    while dispatch():
        pass
    items = deployer_api.get("/hitl/decisions").json()
    assert [(item["position"], item["status"]) for item in items] == [
        (1, "approved"),
        (2, "superseded"),
        (3, "superseded"),
    ]
    with pytest.raises(Conflict, match=f"Another candidate was approved: {chosen.patch.patch_id}. Nothing was changed"):
        approve(newer, bob)


def test_only_where_the_policy_says_so(make_patch, approve, alice):
    other, chosen = make_patch(**SAME), make_patch(**SAME)
    approve(chosen, alice)
    assert status(other) == Status.PENDING


def test_only_where_that_of_the_other_says_so_too(one_is_enough, make_patch, approve, alice):
    chosen, other = make_patch(**SAME), make_patch(**SAME | {"severity": "high"})
    assert (chosen.policy_version.policy.name, other.policy_version.policy.name) == ("medium", "high")
    approve(chosen, alice)
    assert status(other) == Status.PENDING


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({}, True),
        ({"cve_id": "CVE-2024-2"}, False),
        ({"cve_id": "CVE-2024-2", "cve_ids": ["CVE-2024-2", "CVE-2024-1"]}, True),
        ({"package_name": "django"}, False),
        ({"current_version": "1.0"}, False),
        ({"repository": "https://example.org/fork"}, False),
        ({"package_name": ""}, True),
        ({"package_name": "", "repository": "https://example.org/fork"}, False),
    ],
)
def test_others_are_for_the_same_vulnerability_of_the_same_thing(
    one_is_enough, make_patch, approve, alice, changes, ends
):
    whole = SAME | {"repository": "https://example.org/flask", "current_version": "2.0"}
    other, chosen = make_patch(**whole | changes), make_patch(**whole)
    approve(chosen, alice)
    assert status(other) == ("superseded" if ends else "pending")


def test_nothing_ends_before_the_approvals_are_enough_nor_by_a_rejection(
    one_is_enough, make_patch, approve, alice, bob, sign_in
):
    tighten(Policy.objects.get(name="medium"), required_approvals=2)
    other, chosen = make_patch(**SAME), make_patch(**SAME)
    approve(chosen, alice)
    assert status(other) == Status.PENDING
    page = words_of(sign_in(bob).get(f"/patches/{chosen.decision_id}"))
    assert "When it is approved, 1 other candidate for the same vulnerability ends with it." in page
    approve(chosen, bob)
    assert status(other) == Status.SUPERSEDED
    rejected, left = make_patch(**SAME | {"cve_id": "CVE-2024-3"}), make_patch(**SAME | {"cve_id": "CVE-2024-3"})
    approve(rejected, alice, Verdict.REJECT)
    assert status(left) == Status.PENDING


def test_the_page_of_one_that_ended_says_why(one_is_enough, make_patch, approve, alice, carol, sign_in):
    other, chosen = make_patch(**SAME), make_patch(**SAME)
    approve(chosen, alice)
    page = words_of(sign_in(carol).get(f"/patches/{other.decision_id}"))
    assert f"ended it: Another candidate was approved: {chosen.patch.patch_id}" in page
