"""Who submitted it, over the API: one address or account, else 422; and a policy that wants a known one."""

import pytest

from approvals.models import Decision, Patch, Policy, Status, User, Waiting
from approvals.policy.loosening import loosens
from approvals.queries.people import accounts_named, reviewer_from_db
from approvals.queries.queue import needs_approval_of
from approvals.services import policies
from tests.cast import document, gate_request, republish

pytestmark = pytest.mark.django_db

ROLES = ("submitted_by", "triggered_by", "model_owner", "simulation_author")


@pytest.fixture
def known_only():
    for policy in Policy.objects.all():
        republish(policy, known_submitter=True)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("value", ["Alice <alice@example.org>", "a@example.org,b@example.org", "al\u200bice", "alice."])
def test_a_patch_that_names_nobody_in_particular_is_422_at_its_field(producer_api, role, value):
    answer = producer_api.post("/hitl/patches", document(**{role: value}))
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["loc"][-1] == role
    assert "one e-mail address" in error["msg"]
    assert not Patch.objects.exists()


@pytest.mark.parametrize("role", ROLES[:2])
def test_a_gate_that_does_so_is_422_too(producer_api, role):
    answer = producer_api.post("/api/approvals", gate_request(**{role: "Alice <alice@example.org>"}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][-1] == role


def test_blank_and_null_are_nobody(producer_api):
    assert producer_api.post("/hitl/patches", document(submitted_by=" ", triggered_by=None)).status_code == 201
    assert Patch.objects.get().submitted_by == ""


def test_a_tagged_address_is_not_listed_for_its_owners_approval(make_patch, alice, bob):
    make_patch(submitted_by="ALICE+ci@example.org")
    assert not Waiting.objects.filter(needs_approval_of(reviewer_from_db(alice))).exists()
    assert Waiting.objects.filter(needs_approval_of(reviewer_from_db(bob))).exists()


def test_accounts_are_found_by_every_spelling_and_former_names(alice, bob):
    User.objects.filter(pk=bob.pk).update(email="robert+x@example.org")
    found = {
        value: [one.id for one in accounts_named([value])]
        for value in ("Alice+x@example.org", "alice", "robert@example.org", "bob@example.org", "nobody@example.org")
    }
    assert list(found.values()) == [[alice.pk], [alice.pk], [bob.pk], [bob.pk], []]
    assert accounts_named([]) == accounts_named([""]) == []


@pytest.mark.parametrize("named", [{}, {"submitted_by": "ci"}, {"submitted_by": "alice", "triggered_by": "ci"}])
def test_an_unknown_submitter_needs_a_lead(known_only, make_patch, approve, alice, bob, lena, named):
    decision = make_patch(severity="medium", **named)
    assert decision.required_groups == ["security-leads"]
    approve(decision, bob)
    assert Decision.objects.get().status == Status.PENDING
    approve(decision, lena)
    assert Decision.objects.get().status == Status.APPROVED


@pytest.mark.parametrize("name", ["alice", "alice+ci@example.org", "ALICE@example.org"])
def test_a_known_submitter_needs_no_lead(known_only, make_patch, alice, name):
    assert make_patch(severity="medium", submitted_by=name).required_groups == []


def test_an_account_that_is_switched_off_is_not_known(known_only, make_patch, alice):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert make_patch(severity="medium", submitted_by="alice").required_groups == ["security-leads"]


def test_an_account_that_one_administrator_added_is_not_known(known_only, make_patch, client, django_user_model):
    client.force_login(django_user_model.objects.create_superuser("root", "root@example.org", "x"))
    added = client.post("/admin/approvals/user/add/", {"username": "patch-bot", "email": "bot@example.org"})
    assert added.status_code == 302
    assert make_patch(severity="medium", submitted_by="patch-bot").required_groups == ["security-leads"]


def test_an_unknown_submitter_is_a_failed_condition_of_automatic_approval(known_only, make_patch, alice):
    unknown, known = make_patch(submitted_by="ci"), make_patch(submitted_by="alice")
    outcomes = [
        next(row["outcome"] for row in one.trace if row["text"].startswith("Whoever submitted"))
        for one in (unknown, known)
    ]
    assert outcomes == ["fail", "pass"]


def test_a_policy_that_does_not_ask_says_nothing_of_it(make_patch):
    decision = make_patch(submitted_by="ci")
    assert decision.required_groups == []
    assert not any(row["text"].startswith("Whoever submitted") for row in decision.trace)


def test_a_gates_starter_is_its_submitter(known_only, make_gate, alice, bob, lena):
    assert make_gate(triggered_by="alice").required_groups == []
    assert make_gate(triggered_by="ci").required_groups == ["security-leads"]


def test_no_longer_asking_for_it_needs_a_second_person_and_asking_does_not():
    place = {"name": "high", "position": 1, "enabled": True}
    old = policies.terms_of(Policy.objects.get(name="high").current)
    asks = old | {"known_submitter": True}
    assert loosens(asks, old, place, place) == ["What somebody unknown here submitted no longer needs a security lead."]
    assert loosens(old, asks, place, place) == []
