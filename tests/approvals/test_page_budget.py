"""The first page of a patch stays under 2 MB of HTML whatever was sent; the rest is behind links."""

import pytest
from django.urls import reverse

from tests import heavy

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", [*heavy.DIFFS, *heavy.METADATA])
def test_a_page_has_a_budget_whatever_is_sent(sign_in, alice, make_patch, kind):
    decision, client = make_patch(**heavy.fields(kind)), sign_in(alice)
    for view in ("unified", "split"):
        answer = client.get(reverse("patch-detail", args=[decision.decision_id]), {"view": view})
        assert answer.status_code == 200
        assert len(answer.content) < heavy.MOST_HTML, (view, len(answer.content))
    assert "The whole patch as it was sent" in answer.content.decode()


@pytest.mark.parametrize("kind", heavy.METADATA)
def test_so_have_the_queue_and_a_comparison(sign_in, alice, make_patch, kind):
    client, fields = sign_in(alice), heavy.fields(kind)
    for number in range(50):
        make_patch(**fields, patch_id=f"heavy-{number}")
    assert len(client.get("/").content) < heavy.MOST_HTML
    old = make_patch(patch_id="heavy-0", title="Another")
    new = make_patch(**fields, patch_id="heavy-0", repository="r")
    page = client.get(reverse("patch-compare", args=[new.decision_id, old.patch.revision]))
    assert page.status_code == 200
    assert len(page.content) < heavy.MOST_HTML


@pytest.mark.parametrize("kind", heavy.GATES)
def test_so_has_the_page_of_a_gate(sign_in, alice, make_gate, kind):
    gate = make_gate(**heavy.GATES[kind])
    page = sign_in(alice).get(reverse("patch-detail", args=[gate.decision_id]))
    assert page.status_code == 200
    assert len(page.content) < heavy.MOST_HTML


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ("log", {"wargaming_result": heavy.WARGAMING | {"log": heavy.MIXED * 20}}),
        ("steps", {"wargaming_result": heavy.WARGAMING | {"phases": [{"name": "x", "detail": "b" * 2000}] * 100}}),
    ],
)
def test_what_a_page_only_begins_is_read_to_its_end_behind_a_link(sign_in, alice, make_patch, part, sent):
    decision, client = make_patch(**sent), sign_in(alice)
    address = reverse("patch-text", args=[decision.decision_id, part])
    assert address in client.get(reverse("patch-detail", args=[decision.decision_id])).content.decode()
    read, following = b"", 0
    while following is not None:
        excerpt = client.get(address, {"from": following}).context["excerpt"]
        read, following = read + excerpt.raw, excerpt.next
    result = sent["wargaming_result"]
    assert read.decode() == result["log"] if part == "log" else read.decode().count("b" * 2000) == 100


def test_a_part_that_was_not_sent_is_not_there(sign_in, alice, make_patch, make_gate):
    patch, gate, client = make_patch(), make_gate(), sign_in(alice)
    for decision, part, status in (
        (patch, "log", 404),
        (patch, "request", 404),
        (gate, "whole", 404),
        (gate, "request", 200),
    ):
        assert client.get(reverse("patch-text", args=[decision.decision_id, part])).status_code == status
