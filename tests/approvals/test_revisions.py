"""What the page of a new revision tells somebody who knows an earlier one."""

import pytest
from django.urls import reverse

from tests.html import one_line

pytestmark = pytest.mark.django_db
CHANGED = "--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-a\n+b\n"


def shown(client, decision, **query):
    return one_line(client.get(reverse("patch-detail", args=[decision.decision_id]), query))


@pytest.fixture
def replaced(sign_in, alice, bob, make_patch, approve):
    """Return the second revision of a patch that alice had open and bob approved."""
    first = make_patch(patch_id="PATCH-X", severity="critical")
    shown(sign_in(alice), first)
    approve(first, bob)
    return make_patch(patch_id="PATCH-X", severity="critical", diff=CHANGED)


def test_who_looked_at_an_earlier_revision_is_led_to_what_changed(sign_in, alice, replaced):
    page = shown(sign_in(alice), replaced)
    assert "after you looked at revision 1" in page
    assert "The approval of revision 1 does not count for it." in page
    assert f'href="{reverse("patch-compare", args=[replaced.decision_id, 1])}">Show what changed' in page


def test_nobody_else_is(sign_in, alice, lena, replaced, approve):
    assert "after you looked" not in shown(sign_in(lena), replaced)
    approve(replaced, alice)  # who has judged it knows it
    assert "after you looked" not in shown(sign_in(alice), replaced)


def test_a_gate_that_asks_again_says_so_too(sign_in, alice, make_gate):
    old = make_gate(execution_id="run", context={"image": "shop:7"})
    client = sign_in(alice)
    shown(client, old)
    page = shown(client, make_gate(execution_id="run", context={"image": "shop:8"}))
    assert "after you looked at revision 1" in page
    assert "does not count" not in page


@pytest.mark.parametrize(("step", "checked"), [("reject", "reject"), ("approve", "approve"), ("nonsense", "approve")])
def test_an_address_can_open_the_panel_at_a_verdict(sign_in, alice, make_patch, step, checked):
    page = shown(sign_in(alice), make_patch(), step=step)
    assert f'id="mode-{checked}" checked' in page
    assert page.count(" checked>") == 1
