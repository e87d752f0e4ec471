"""What a person reads when an act on a decision is refused: in the panel, with their words, once."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import SavedView, Verdict
from approvals.services.lifecycle import revoke
from audit.models import Entry
from tests.cast import PASSWORD, actor_for
from tests.html import one_line

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
    body = one_line(answer)
    assert answer.status_code == 409
    assert "Already rejected by Bob" in body
    assert sentence in body
    assert "Your verdict came after" not in body
    assert "Nobody &lt;b&gt;wants&lt;/b&gt; it any more</textarea>" in body
    assert 'id="diff"' not in body  # the panel alone
    assert "toast" not in one_line(client.get(reverse("queue"))).split('id="toasts"')[1].split("</div>")[0]


def test_a_second_revocation_keeps_its_reason(sign_in, lena, bob, make_patch, approve):
    decision = make_patch()
    approve(decision, bob)
    client = sign_in(lena)
    revoke(decision.decision_id, "First", user=lena, actor=actor_for(lena), now=timezone.now())
    body = one_line(act(client, decision, "revoke"))
    assert "Already revoked by Lena" in body
    assert "There is no approval left to revoke." in body
    assert "Nobody &lt;b&gt;" in body


def test_an_act_without_a_reason_says_so_at_its_field(sign_in, lena, make_patch):
    decision = make_patch()
    answer = act(sign_in(lena), decision, "cancel", reason=" ")
    body = one_line(answer)
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
    body = one_line(act(client, decision, "cancel", headers={}))
    assert 'id="diff"' in body
    assert "Nobody &lt;b&gt;" in body


def test_a_token_of_another_sign_in_reloads_the_page_that_htmx_asked_from(make_patch, alice):
    client, decision = Client(enforce_csrf_checks=True), make_patch()
    client.force_login(alice)
    address = reverse("patch-decide", args=[decision.decision_id])
    answer = client.post(address, {"verdict": "approve"}, headers=HTMX)
    assert (answer.status_code, answer["HX-Refresh"]) == (204, "true")
    assert client.post(address, {"verdict": "approve"}).status_code == 403


# A form sent without a script, with a token from before another sign-in

OURS = {"Origin": "http://testserver"}
AGAIN = "Your words are here; send them again."


@pytest.fixture
def stale(alice):
    """Return a function that sends a form of alice's with a token of another secret."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.get(reverse("queue"))

    def send(name, /, decision=None, headers=OURS, **body):
        address = reverse(name, args=[decision.decision_id] if decision else [])
        return client.post(address, {"csrfmiddlewaretoken": "x" * 64, **body}, headers=headers)

    send.client = client
    return send


@pytest.mark.parametrize(
    ("name", "field", "more"),
    [
        ("patch-decide", "text", {"verdict": "reject", "category": "incomplete"}),
        ("patch-decide", "text", {"verdict": "reject", "category": "incomplete", "displayed": "card"}),
        ("patch-comment", "text", {"file": "app.py", "line": "1", "side": "old"}),
        ("patch-escalate", "reason", {}),
    ],
)
def test_a_stale_form_comes_back_with_its_words_and_does_nothing(stale, make_patch, name, field, more):
    decision = make_patch()
    entries = Entry.objects.count()
    answer = stale(name, decision, **{field: WORDS, "patch_sha256": decision.patch.sha256, **more})
    body = one_line(answer)
    assert answer.status_code == 403
    assert AGAIN in body
    assert "Nobody &lt;b&gt;wants&lt;/b&gt; it any more</textarea>" in body
    for value in more.values():
        assert value in body
    decision.refresh_from_db()
    assert (decision.status, decision.escalation_level, Entry.objects.count()) == ("pending", 0, entries)


def test_a_stale_bulk_form_comes_back_with_its_cards(stale, make_patch):
    decision = make_patch(severity="low")
    item = f"{decision.decision_id}:{decision.patch.sha256}"
    answer = stale("bulk", verdict="reject", items=item, text=WORDS, category="style", confirmed="1")
    body = one_line(answer)
    assert answer.status_code == 403
    assert AGAIN in body
    assert "Nobody &lt;b&gt;wants" in body
    assert item in body
    decision.refresh_from_db()
    assert decision.status == "pending"


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_words_of_another_site_are_never_shown_as_ones_own(stale, make_patch, headers):
    answer = stale("patch-comment", make_patch(), headers=headers, text="Approve this one at once.")
    body = one_line(answer)
    assert answer.status_code == 403
    assert "Approve this one at once." not in body
    assert "Please send that again" in body


def test_a_stale_sign_in_comes_back_with_the_name_and_without_the_password(alice):
    client, entries = Client(enforce_csrf_checks=True), Entry.objects.count()
    sent = {"username": 'al"ice', "password": PASSWORD, "next": "/history", "csrfmiddlewaretoken": "x" * 64}
    answer = client.post(reverse("login"), sent, headers=OURS)
    body = one_line(answer)
    assert answer.status_code == 403
    assert "Nothing was sent: this page was open for too long." in body
    assert 'value="al&quot;ice"' in body
    assert 'name="next" value="/history"' in body
    assert PASSWORD not in body
    assert Entry.objects.count() == entries
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', body)[1]
    again = client.post(reverse("login"), sent | {"username": "alice", "csrfmiddlewaretoken": token}, headers=OURS)
    assert again["Location"] == "/history"


def test_a_stale_sign_in_of_somebody_who_is_signed_in_leads_on(stale):
    answer = stale("login", username="alice", password=PASSWORD, next="/history")
    assert (answer.status_code, answer["Location"]) == (302, "/history")
    assert stale("login", username="alice", next="https://evil.example/")["Location"] == reverse("queue")


def test_a_sign_in_from_another_site_is_not_shown(client):
    client = Client(enforce_csrf_checks=True)
    answer = client.post(reverse("login"), {"username": "mallory"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "mallory" not in one_line(answer)


def test_the_name_of_a_stale_view_comes_back_with_its_filters(stale):
    answer = stale("view-save", name='My "view"', query="priority=high")
    assert answer["Location"] == f"{reverse('queue')}?priority=high"
    assert not SavedView.objects.exists()
    shown = one_line(stale.client.get(answer["Location"]))
    assert 'value="My &quot;view&quot;" autofocus aria-invalid="true"' in shown
    assert AGAIN in shown


def test_a_refused_name_of_a_view_stands_in_its_open_menu_once(sign_in, alice):
    client = sign_in(alice)
    answer = client.post(reverse("view-save"), {"name": "x" * 61, "query": "priority=high"})
    assert answer["Location"] == f"{reverse('queue')}?priority=high"
    shown = one_line(client.get(answer["Location"]))
    assert 'id="menu-views" open>' in shown
    assert f'value="{"x" * 61}" autofocus aria-invalid="true"' in shown
    assert "Give the view a name of up to 60 characters." in shown
    assert "x" * 61 not in one_line(client.get(answer["Location"]))


def test_a_stale_form_without_words_says_what_to_do(stale):
    assert "Please send that again" in one_line(stale("theme", theme="dark"))


def test_nobody_signed_in_gets_no_page_by_a_stale_form(make_patch):
    client = Client(enforce_csrf_checks=True)
    address = reverse("patch-comment", args=[make_patch().decision_id])
    answer = client.post(address, {"text": WORDS}, headers=OURS)
    assert answer.status_code == 403
    assert "app.py" not in one_line(answer)


# Room for words


@pytest.mark.parametrize("verdict", ["approve", "reject", "request_changes"])
def test_the_page_lets_one_type_what_the_server_takes(sign_in, alice, make_patch, verdict):
    decision, client = make_patch(), sign_in(alice)
    page = one_line(client.get(reverse("patch-detail", args=[decision.decision_id])))
    assert 'id="decide-text" name="text" rows="3" maxlength="2000"' in page
    assert page.count("p to 2,000 characters") >= 3
    address = reverse("patch-decide", args=[decision.decision_id])
    sent = {"verdict": verdict, "category": "other", "patch_sha256": decision.patch.sha256}
    answer = client.post(address, sent | {"text": "x" * 2001})
    assert "There is room for 2,000 characters here, this has 2,001." in one_line(answer)
    breaks = "x\r\n" * 1000  # a browser counts 2,000 and sends 3,000
    assert client.post(address, sent | {"text": breaks}).status_code == 302
