"""Patches lead to each other in the list one came from."""

import pytest
from django.urls import reverse

from approvals.models import Status

pytestmark = pytest.mark.django_db


def page_of(decision):
    return reverse("patch-detail", args=[decision.decision_id])


@pytest.fixture
def four(make_patch):
    """Return django low, flask high, django high, django medium, in the order they came."""
    return [
        make_patch(title=f"{name} {severity}", package_name=name, severity=severity)
        for name, severity in [("django", "low"), ("flask", "high"), ("django", "high"), ("django", "medium")]
    ]


def test_next_and_previous_stay_in_the_list_and_its_order(sign_in, alice, four):
    low, flask, high, medium = four
    client = sign_in(alice)
    client.get(reverse("queue"), {"package": "django", "sort": "age", "cursor": ""})
    context = client.get(page_of(high)).context
    assert context["previous_decision_id"] == low.decision_id
    assert context["next_decision_id"] == medium.decision_id
    assert context["queue_url"] == f"{reverse('queue')}?package=django&sort=age"
    client.get(reverse("queue"))
    context = client.get(page_of(flask)).context
    assert (context["previous_decision_id"], context["next_decision_id"]) == (None, high.decision_id)
    assert context["queue_url"] == reverse("queue")


def test_a_verdict_goes_on_in_the_list_and_ends_at_it(sign_in, alice, four):
    low, _, high, medium = four
    client = sign_in(alice)
    client.get(reverse("queue"), {"package": "django", "sort": "age"})
    onward = []
    for decision in (high, medium):
        client.get(page_of(decision))
        words = {"verdict": "reject", "category": "incomplete", "text": "No."}
        answer = client.post(
            reverse("patch-decide", args=[decision.decision_id]), {"patch_sha256": decision.patch.sha256, **words}
        )
        onward.append(answer["Location"])
    assert onward == [page_of(medium), f"{reverse('queue')}?package=django&sort=age"]
    low.refresh_from_db()
    assert low.status == Status.PENDING


def test_a_wrong_filter_in_the_list_narrows_nothing(sign_in, alice, four):
    _, flask, high, _ = four
    client = sign_in(alice)
    client.get(reverse("queue"), {"sort": "nonsense", "priority": "none", "confidence_min": "NaN", "evil": "1"})
    assert client.get(page_of(flask)).context["next_decision_id"] == high.decision_id
    assert "evil" not in client.session["list"]


@pytest.mark.parametrize("sort", ["priority", "sla", "age", "confidence"])
def test_every_order_has_a_next_one(sign_in, alice, four, sort):
    client = sign_in(alice)
    shown = client.get(reverse("queue"), {"sort": sort}).context["decisions"]
    for here, after in zip(shown, [*shown[1:], None], strict=True):
        found = client.get(page_of(here)).context["next_decision_id"]
        assert found == (after.decision_id if after else None)
