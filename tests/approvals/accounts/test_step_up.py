"""Where a policy asks for it, an approval needs a password at most five minutes old, and the patch's page."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import Decision, PatchView, Policy, PolicyVersion, Status, TokenKind
from approvals.policy.rules import FRESH
from approvals.services import absence, policies
from audit.models import Entry
from tests.cast import PASSWORD, SYSTEM, Api, actor_for

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def asking(make_patch):
    """A medium patch whose policy asks for step-up."""
    policy = Policy.objects.get(name="medium")
    terms = {name: getattr(policy.current, name) for name in policies.TERMS} | {"step_up": True}
    policies.publish(policy, terms, actor=SYSTEM, now=timezone.now())
    return make_patch(severity="medium")


def page(decision):
    return reverse("patch-detail", args=[decision.decision_id])


def decide(client, decision, verdict="approve", headers=None, **more):
    body = {"verdict": verdict, "patch_sha256": decision.patch.sha256, "displayed": "page", **more}
    return client.post(reverse("patch-decide", args=[decision.decision_id]), body, headers=headers)


def confirm(client, decision, password=PASSWORD):
    return client.post(reverse("confirm"), {"password": password, "next": page(decision) + "#decision"})


def status_of(decision):
    return Decision.objects.get(pk=decision.pk).status


def age(client, minutes):
    """Let the session say that its person gave a password so long ago."""
    session = client.session
    record = {"method": "password", "at": (timezone.now() - timedelta(minutes=minutes)).timestamp()}
    session["account_authentication_methods"] = [record]
    session["account_authentication_methods_user"] = session["_auth_user_id"]
    session.save()


def test_without_script_an_approval_asks_for_the_password_and_keeps_the_words(sign_in, alice, asking):
    client = sign_in(alice)
    assert "Approving asks for your password again" in client.get(page(asking)).content.decode()
    asked = decide(client, asking, text="Read every line & agree.")
    assert asked.status_code == 302
    assert asked["Location"].startswith(reverse("confirm"))
    assert status_of(asking) == Status.PENDING

    form = client.get(asked["Location"]).content.decode()
    assert 'type="password"' in form
    assert f'value="{page(asking)}#decision"' in form
    back = confirm(client, asking)
    assert back["Location"] == page(asking) + "#decision"

    returned = client.get(page(asking)).content.decode()
    assert "Read every line &amp; agree." in returned
    assert "Approving asks for your password again" not in returned
    decide(client, asking, text="Read every line & agree.")
    assert status_of(asking) == Status.APPROVED


def test_words_are_given_back_once_and_only_on_their_own_patch(sign_in, alice, asking, make_patch):
    client = sign_in(alice)
    decide(client, asking, text="Only here.")
    assert "Only here." not in client.get(page(make_patch())).content.decode()
    assert "Only here." in client.get(page(asking)).content.decode()
    assert "Only here." not in client.get(page(asking)).content.decode()


def test_in_whose_name_one_decides_is_kept_too(sign_in, alice, bob, asking):
    now = timezone.now()
    absence.delegate(bob, alice, now, now + timedelta(days=1), "Leave.", actor=actor_for(bob), now=now)
    client = sign_in(alice)
    assert decide(client, asking, in_name_of=bob.pk).status_code == 302
    confirm(client, asking)
    returned = client.get(page(asking)).content.decode()
    assert f'<option value="{bob.pk}" selected>Bob, who is away</option>' in returned
    decide(client, asking, in_name_of=bob.pk)
    assert Decision.objects.get(pk=asking.pk).decided_by == "alice for bob"


def test_htmx_is_led_to_the_password_by_a_redirect_of_the_whole_page(sign_in, alice, asking):
    answer = decide(sign_in(alice), asking, headers=HTMX)
    assert answer.status_code == 204
    assert answer["HX-Redirect"].startswith(reverse("confirm"))


def test_a_fresh_sign_in_is_enough_and_five_minutes_later_it_is_not(alice, asking):
    client = Client()
    client.post(reverse("login"), {"username": "alice", "password": PASSWORD})
    assert "Approving asks for your password again" not in client.get(page(asking)).content.decode()
    age(client, 6)
    assert decide(client, asking)["Location"].startswith(reverse("confirm"))
    age(client, 4)
    decide(client, asking)
    assert status_of(asking) == Status.APPROVED


def test_rejecting_asks_for_nothing(sign_in, alice, asking):
    decide(sign_in(alice), asking, "reject", text="It misses a call.", category="incomplete")
    assert status_of(asking) == Status.REJECTED


def test_a_wrong_password_confirms_nothing_and_is_an_entry(sign_in, alice, asking):
    client = sign_in(alice)
    answer = confirm(client, asking, "wrong")
    assert answer.status_code == 422
    assert "The password is wrong." in answer.content.decode()
    assert Entry.objects.filter(type="login.failed").count() == 1
    assert decide(client, asking)["Location"].startswith(reverse("confirm"))
    confirm(client, asking)
    assert Entry.objects.filter(type="login.confirmed", object_id=f"user:{alice.pk}").count() == 1


def test_confirming_needs_a_session_and_leads_nowhere_else(client, sign_in, alice):
    assert client.get(reverse("confirm"))["Location"].startswith(reverse("login"))
    away = sign_in(alice).post(reverse("confirm"), {"password": PASSWORD, "next": "https://evil.example/"})
    assert away["Location"] == reverse("queue")


@pytest.mark.parametrize("through", ["session", "token"])
def test_over_the_api_it_is_refused_with_a_word_programs_understand(through, alice, asking, token_for):
    api = Api(user=alice) if through == "session" else Api(token_for(TokenKind.PERSONAL, "mine", alice))
    if through == "session":
        age(api.client, 0)
    body = {"decision_id": str(asking.decision_id), "patch_sha256": asking.patch.sha256}
    answer = api.post(f"/hitl/patches/{asking.patch.patch_id}/approve", body)
    assert (answer.status_code, answer.json()["type"]) == (403, "step_up_required")
    item = {"decision_id": str(asking.decision_id), "patch_sha256": asking.patch.sha256}
    many = api.post("/hitl/decisions/bulk", {"verdict": "approve", "items": [item]}).json()
    assert [(one["status"], one["type"]) for one in many] == [(403, "step_up_required")]
    assert status_of(asking) == Status.PENDING
    assert Entry.objects.filter(type="decision.refused").count() == 2


def test_a_card_and_a_bulk_tick_lead_to_the_page(sign_in, alice, asking):
    client = sign_in(alice)
    age(client, 0)
    PatchView.objects.create(patch=asking.patch, user=alice, opened_at=timezone.now())
    refused = decide(client, asking, displayed="card")
    assert refused.status_code == 403
    assert "approve this patch on its page" in refused.content.decode()
    item = f"{asking.decision_id}:{asking.patch.sha256}"
    shown = client.post(reverse("bulk"), {"verdict": "approve", "items": [item]}).content.decode()
    assert "approve this patch on its page" in shown
    queue = client.get(reverse("queue")).content.decode()
    assert f'{page(asking)}#decision" title="Its policy asks for your password' in queue
    assert reverse("card-action", args=[asking.decision_id, "approve"]) not in queue


def test_guessing_the_password_of_an_open_session_ends_after_ten_tries(sign_in, alice, asking):
    client = sign_in(alice)
    for _ in range(10):
        assert confirm(client, asking, "wrong").status_code == 422
    locked = confirm(client, asking)
    assert (locked.status_code, int(locked["Retry-After"]) > 600) == (429, True)
    assert "Too many attempts" in locked.content.decode()


def test_the_shipped_rule_looks_back_five_minutes():
    assert timedelta(minutes=5) == FRESH


def test_a_policy_without_step_up_asks_nothing(sign_in, alice, make_patch):
    decision = make_patch(severity="medium")
    assert not PolicyVersion.objects.get(pk=decision.policy_version_id).step_up
    client = sign_in(alice)
    assert "password again" not in client.get(page(decision)).content.decode()
    decide(client, decision)
    assert status_of(decision) == Status.APPROVED
