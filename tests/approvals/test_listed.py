"""Patches lead to each other in the list one came from."""

import re
from html import unescape

import pytest
from django.urls import reverse

from approvals.models import Status
from tests.html import one_line

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


def led_to(client, decision, **filters):
    """Return the address by which the queue under these filters leads to a patch."""
    shown = one_line(client.get(reverse("queue"), filters))
    [address] = re.findall(rf'card__title" id="[^"]+"><a href="({page_of(decision)}[^"]*)"', shown)
    return unescape(address)


def test_next_and_previous_stay_in_the_list_and_its_order(sign_in, alice, four):
    low, flask, high, medium = four
    client = sign_in(alice)
    address = led_to(client, high, package="django", sort="age", cursor="")
    context = client.get(address).context
    assert context["previous_decision_id"] == low.decision_id
    assert context["next_decision_id"] == medium.decision_id
    assert context["queue_url"] == f"{reverse('queue')}?package=django&sort=age"
    assert led_to(client, flask) == page_of(flask)  # the whole queue has clean addresses
    context = client.get(page_of(flask)).context
    assert (context["previous_decision_id"], context["next_decision_id"]) == (None, high.decision_id)
    assert context["queue_url"] == reverse("queue")


def test_a_page_says_its_place_in_the_list(sign_in, alice, four):
    _, flask, high, _ = four
    client = sign_in(alice)
    assert '<small class="muted">2 of 3</small>' in one_line(
        client.get(led_to(client, high, package="django", sort="age"))
    )
    assert '<small class="muted">1 of 4</small>' in one_line(client.get(page_of(flask)))
    outside = client.get(f"{page_of(flask)}?list=package%3Ddjango")
    assert outside.context["place"].place is None
    assert " of 3</small>" not in one_line(outside)


def test_the_page_of_a_gate_stays_in_its_list_too(sign_in, alice, make_gate, four):
    first, second = make_gate(title="Deploy A"), make_gate(title="Deploy B")
    client = sign_in(alice)
    page = unescape(one_line(client.get(f"{page_of(first)}?list=kind%3Dgate")))
    assert f'href="{page_of(second)}?list=kind%3Dgate"' in page
    assert "1 of 2</small>" in page


def test_two_tabs_have_a_list_each(sign_in, alice, four):
    low, flask, high, medium = four
    client = sign_in(alice)
    one, other = led_to(client, high, package="django", sort="age"), led_to(client, high, severity="high", sort="age")
    for _ in range(2):
        assert client.get(one).context["next_decision_id"] == medium.decision_id
        assert client.get(other).context["next_decision_id"] is None
        assert client.get(other).context["previous_decision_id"] == flask.decision_id
        assert client.get(page_of(high)).context["next_decision_id"] == medium.decision_id


def test_every_way_on_from_a_patch_stays_in_its_list(sign_in, alice, four):
    _, _, high, medium = four
    client = sign_in(alice)
    address = led_to(client, high, package="django", sort="age")
    page = unescape(one_line(client.get(address)))
    named = address.partition("?")[2]
    for link in (f"?view=split&{named}#diff", f"{page_of(medium)}?{named}", f"{page_of(high)}/panel?{named}"):
        assert f'"{link}"' in page
    assert f'href="?{named}&at=' in page
    headers = {"Referer": f"http://testserver{address}"}
    said = client.post(reverse("patch-comment", args=[high.decision_id]), {"text": "Hm."}, headers=headers)
    assert said["Location"] == f"{address}#discussion"
    card = unescape(one_line(client.get(f"{reverse('queue-cards')}?{named}&id={high.decision_id}")))
    assert f'href="{address}"' in card


def test_a_verdict_goes_on_in_the_list_and_ends_at_it(sign_in, alice, four):
    low, _, high, medium = four
    client = sign_in(alice)
    address, onward = led_to(client, high, package="django", sort="age"), []
    for decision in (high, medium):
        page = one_line(client.get(address))
        [kept] = re.findall('name="list" value="([^"]+)"', page)
        words = {"verdict": "reject", "category": "incomplete", "text": "No.", "list": unescape(kept)}
        answer = client.post(
            reverse("patch-decide", args=[decision.decision_id]), {"patch_sha256": decision.patch.sha256, **words}
        )
        address = answer["Location"]
        onward.append(address)
    assert onward[0].partition("?")[0] == page_of(medium)
    assert onward[1] == f"{reverse('queue')}?package=django&sort=age"
    low.refresh_from_db()
    assert low.status == Status.PENDING


def test_a_wrong_filter_in_the_list_narrows_nothing(sign_in, alice, four):
    _, flask, high, _ = four
    client = sign_in(alice)
    address = led_to(client, flask, sort="nonsense", priority="none", confidence_min="NaN", evil="1")
    assert client.get(address).context["next_decision_id"] == high.decision_id
    assert "evil" not in address
    for odd in ("%FF", "list", "a" * 9000, "list=package%3Ddjango%26evil%3D1"):
        assert client.get(f"{page_of(flask)}?list={odd}").context["next_decision_id"] == high.decision_id


@pytest.mark.parametrize("sort", ["priority", "sla", "age", "confidence"])
def test_every_order_has_a_next_one(sign_in, alice, four, sort):
    client = sign_in(alice)
    shown = [card.decision for card in client.get(reverse("queue"), {"sort": sort}).context["cards"]]
    for here, after in zip(shown, [*shown[1:], None], strict=True):
        found = client.get(led_to(client, here, sort=sort)).context["next_decision_id"]
        assert found == (after.decision_id if after else None)
