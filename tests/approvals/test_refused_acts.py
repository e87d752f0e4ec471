"""What a person reads when an act on a decision is refused: in the panel, with their words, once."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import Verdict
from approvals.services.lifecycle import revoke
from tests.cast import actor_for

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
WORDS = "Nobody <b>wants</b> it any more"


def act(client, decision, name, reason=WORDS, headers=HTMX):
    address = reverse(f"patch-{name}", args=[decision.decision_id])
    return client.post(address, {"reason": reason}, headers=headers)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cancel", "Your cancellation came after that."),
        ("escalate", "There is nothing left to escalate."),
        ("withdraw", "Reviews of a decided patch stand"),
    ],
)
def test_a_late_act_keeps_its_reason_in_the_panel(sign_in, lena, bob, make_patch, approve, name, sentence):
    decision = make_patch()
    client = sign_in(lena)
    approve(decision, bob, Verdict.REJECT)
    answer = act(client, decision, name)
    body = answer.content.decode()
    assert answer.status_code == 409
    assert "Already rejected by Bob" in body
    assert sentence in body
    assert "Your verdict came after" not in body
    assert "Nobody &lt;b&gt;wants&lt;/b&gt; it any more</textarea>" in body
    assert 'id="diff"' not in body  # the panel alone
    assert "toast" not in client.get(reverse("queue")).content.decode().split('id="toasts"')[1].split("</div>")[0]


def test_a_second_revocation_keeps_its_reason(sign_in, lena, bob, make_patch, approve):
    decision = make_patch()
    approve(decision, bob)
    client = sign_in(lena)
    revoke(decision.decision_id, "First", user=lena, actor=actor_for(lena), now=timezone.now())
    body = act(client, decision, "revoke").content.decode()
    assert "Already revoked by Lena" in body
    assert "There is no approval left to revoke." in body
    assert "Nobody &lt;b&gt;" in body


def test_an_act_without_a_reason_says_so_at_its_field(sign_in, lena, make_patch):
    decision = make_patch()
    answer = act(sign_in(lena), decision, "cancel", reason=" ")
    body = answer.content.decode()
    assert answer.status_code == 422
    assert "Say why." in body
    assert body.count('aria-invalid="true"') == 1


def test_an_act_by_htmx_leads_to_the_page_again(sign_in, lena, make_patch):
    decision = make_patch()
    answer = act(sign_in(lena), decision, "escalate")
    assert answer["HX-Redirect"] == reverse("patch-detail", args=[decision.decision_id])


def test_without_script_a_late_act_answers_with_the_whole_page(sign_in, lena, bob, make_patch, approve):
    decision = make_patch()
    client = sign_in(lena)
    approve(decision, bob, Verdict.REJECT)
    body = act(client, decision, "cancel", headers={}).content.decode()
    assert 'id="diff"' in body
    assert "Nobody &lt;b&gt;" in body


def test_a_token_of_another_sign_in_reloads_the_page_that_htmx_asked_from(make_patch, alice):
    client, decision = Client(enforce_csrf_checks=True), make_patch()
    client.force_login(alice)
    address = reverse("patch-decide", args=[decision.decision_id])
    answer = client.post(address, {"verdict": "approve"}, headers=HTMX)
    assert (answer.status_code, answer["HX-Refresh"]) == (204, "true")
    assert client.post(address, {"verdict": "approve"}).status_code == 403
