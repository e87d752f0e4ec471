"""Where a policy asks for it, an approval needs a password at most five minutes old, and the patch's page."""

import time
from datetime import timedelta
from urllib.parse import unquote, urlencode

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import Decision, PatchView, Policy, PolicyVersion, Review, Status, TokenKind, User
from approvals.policy.rules import FRESH
from approvals.services import absence
from audit.models import Entry
from tests.cast import PASSWORD, Api, actor_for, opened, proved, republish
from tests.html import one_line

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def asking(make_patch):
    """A medium patch whose policy asks for step-up."""
    republish(Policy.objects.get(name="medium"), step_up=True)
    return make_patch(severity="medium")


def page(decision):
    return reverse("patch-detail", args=[decision.decision_id])


def decide(client, decision, verdict="approve", headers=None, **more):
    body = {"verdict": verdict, "patch_sha256": decision.patch.sha256, "displayed": "page", **more}
    return (opened(client, decision) if body["displayed"] == "page" else client).post(
        reverse("patch-decide", args=[decision.decision_id]), body, headers=headers
    )


def confirm(client, decision, password=PASSWORD):
    return client.post(reverse("confirm"), {"password": password, "next": page(decision) + "#decision"})


def status_of(decision):
    return Decision.objects.get(pk=decision.pk).status


def again(decision):
    """The page that asks who one is and leads back to the decision's panel."""
    return f"{reverse('confirm')}?{urlencode({'next': page(decision) + '#decision'})}"


@pytest.mark.parametrize("headers", [None, HTMX])
def test_the_panel_asks_for_the_password_and_keeps_the_words(sign_in, alice, asking, headers):
    client, words = sign_in(alice), "Read every line & agree."
    shown = one_line(client.get(page(asking)))
    assert "Approving asks for your password again" in shown
    assert 'id="decide-password" name="password" type="password"' in shown
    assert "aria-invalid" not in shown

    asked = decide(client, asking, text=words, headers=headers)
    assert asked.status_code == 403
    assert "more than five minutes have passed" in asked.content.decode()
    assert "Read every line &amp; agree." in asked.content.decode()
    assert 'aria-describedby="decide-password-error" aria-invalid="true" autofocus' in one_line(asked)

    wrong = decide(client, asking, text=words, password="not it", headers=headers)
    assert wrong.status_code == 422
    assert "The password is wrong." in wrong.content.decode()
    assert "Read every line &amp; agree." in wrong.content.decode()
    assert "not it" not in wrong.content.decode()
    assert status_of(asking) == Status.PENDING
    assert Entry.objects.filter(type="login.failed").count() == 1

    right = decide(client, asking, text=words, password=PASSWORD, headers=headers)
    assert right.status_code == (204 if headers else 302)
    assert status_of(asking) == Status.APPROVED
    assert Review.objects.get().text.body == words
    assert Entry.objects.filter(type="login.confirmed", object_id=f"user:{alice.pk}").count() == 1


def test_a_password_counts_for_the_next_approvals_too(sign_in, alice, asking, make_patch):
    client, second = sign_in(alice), make_patch(severity="medium")
    decide(client, asking, password=PASSWORD)
    shown = client.get(page(second)).content.decode()
    assert "Approving asks for no password until" in shown
    assert 'type="password"' not in shown
    decide(client, second)
    assert status_of(second) == Status.APPROVED
    assert Entry.objects.filter(type="login.confirmed").count() == 1


def test_what_is_decided_is_told_without_looking_at_the_password(sign_in, alice, bob, asking, approve):
    approve(asking, bob)
    late = decide(sign_in(alice), asking, text="Mine too.", password="wrong")
    assert late.status_code == 409
    assert "Already approved by Bob" in late.content.decode()
    assert "Mine too." in late.content.decode()
    assert not Entry.objects.filter(type="login.failed").exists()


def test_words_of_who_proves_it_elsewhere_come_back_without_a_script(sign_in, alice, asking):
    client = sign_in(alice)
    left = client.post(reverse("patch-confirm", args=[asking.decision_id]), {"text": "Read every line & agree."})
    assert (left.status_code, left["Location"]) == (302, again(asking))
    form = client.get(left["Location"]).content.decode()
    assert 'type="password"' in form
    assert f'value="{page(asking)}#decision"' in form
    back = confirm(client, asking)
    assert back["Location"] == page(asking) + "#decision"

    returned = client.get(page(asking)).content.decode()
    assert "Read every line &amp; agree." in returned
    assert 'type="password"' not in returned
    decide(client, asking, text="Read every line & agree.")
    assert status_of(asking) == Status.APPROVED


def test_words_are_given_back_once_and_only_on_their_own_patch(sign_in, alice, asking, make_patch):
    client = sign_in(alice)
    client.post(reverse("patch-confirm", args=[asking.decision_id]), {"text": "Only here."})
    assert "Only here." not in client.get(page(make_patch())).content.decode()
    assert "Only here." in client.get(page(asking)).content.decode()
    assert "Only here." not in client.get(page(asking)).content.decode()


def test_somebody_with_an_app_gives_a_code_and_comes_back_to_the_words(sign_in, alice, asking):
    client, secret = sign_in(alice), generate_totp_secret()
    TOTP.activate(alice, secret)
    shown = one_line(client.get(page(asking)))
    assert 'name="by" value="code"' in shown
    assert "Use an app or recovery code" in shown
    assert 'value="key"' not in shown

    left = client.post(reverse("patch-confirm", args=[asking.decision_id]), {"text": "By code.", "by": "code"})
    assert left["Location"] == f"{reverse('mfa_reauthenticate')}?{urlencode({'next': page(asking) + '#decision'})}"
    form = client.get(left["Location"]).content.decode()
    assert f'value="{page(asking)}#decision"' in form
    assert "Confirm it is you" in form
    assert 'autocomplete="one-time-code" autofocus' in one_line(form)
    wrong = client.post(left["Location"], {"code": "000000", "next": page(asking) + "#decision"}).content.decode()
    assert "Incorrect code" in wrong
    assert f'value="{page(asking)}#decision"' in wrong
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    back = client.post(left["Location"], {"code": code, "next": page(asking) + "#decision"})
    assert back["Location"] == page(asking) + "#decision"
    assert "By code." in client.get(page(asking)).content.decode()
    decide(client, asking, text="By code.")
    assert status_of(asking) == Status.APPROVED


def test_who_has_no_password_is_led_away_and_back(sign_in, alice, asking):
    alice.set_unusable_password()
    alice.save(update_fields=["password"])
    client = sign_in(alice)
    assert "Approving asks again who you are" in client.get(page(asking)).content.decode()
    assert decide(client, asking, text="Kept.")["Location"] == again(asking)
    assert decide(client, asking, text="Kept.", headers=HTMX)["HX-Redirect"] == again(asking)
    assert "Kept." in client.get(page(asking)).content.decode()


def test_the_list_one_came_from_is_not_lost_on_the_way(sign_in, alice, asking):
    body = {"text": "", "list": "severity=medium"}
    left = sign_in(alice).post(reverse("patch-confirm", args=[asking.decision_id]), body)
    assert "list=severity%3Dmedium" in unquote(left["Location"])


def test_leaving_for_a_proof_is_for_people_who_see_the_patch_by_a_form(client, sign_in, alice, asking):
    address = reverse("patch-confirm", args=[asking.decision_id])
    assert client.post(address)["Location"].startswith(reverse("login"))
    assert sign_in(alice).get(address).status_code == 405
    nobody = User.objects.create_user("nobody", "nobody@example.org", PASSWORD)
    assert sign_in(nobody).post(address).status_code == 403


def test_in_whose_name_one_decides_is_kept_too(sign_in, alice, bob, asking):
    now = timezone.now()
    absence.delegate(bob, alice, now, now + timedelta(days=1), "Leave.", actor=actor_for(bob), now=now)
    client, chosen = sign_in(alice), f'<option value="{bob.pk}" selected>Bob, who is away</option>'
    assert chosen in one_line(decide(client, asking, in_name_of=bob.pk))
    client.post(reverse("patch-confirm", args=[asking.decision_id]), {"text": "", "in_name_of": bob.pk})
    assert chosen in one_line(client.get(page(asking)))
    decide(client, asking, in_name_of=bob.pk, password=PASSWORD)
    assert Decision.objects.get(pk=asking.pk).decided_by == "alice for bob"


def test_a_fresh_sign_in_is_enough_and_five_minutes_later_it_is_not(alice, asking):
    client = Client()
    client.post(reverse("login"), {"username": "alice", "password": PASSWORD})
    assert "Approving asks for your password again" not in client.get(page(asking)).content.decode()
    proved(client, 6)
    assert decide(client, asking).status_code == 403
    proved(client, 4)
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
    assert decide(client, asking).status_code == 403
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
        proved(api.client, 0)
    body = {"decision_id": str(asking.decision_id), "patch_sha256": asking.patch.sha256}
    answer = api.post(f"/hitl/patches/{asking.patch.patch_id}/approve", body)
    where = f"{settings.BASE_URL}{page(asking)}"
    assert (answer.status_code, answer.json()["type"], answer.json()["page"]) == (403, "step_up_required", where)
    item = {"decision_id": str(asking.decision_id), "patch_sha256": asking.patch.sha256}
    many = api.post("/hitl/decisions/bulk", {"verdict": "approve", "items": [item]}).json()
    assert [(one["status"], one["type"], one["page"]) for one in many] == [(403, "step_up_required", where)]
    assert status_of(asking) == Status.PENDING
    assert Entry.objects.filter(type="decision.refused").count() == 2


def test_a_card_and_a_bulk_tick_lead_to_the_page(sign_in, alice, asking):
    client = sign_in(alice)
    proved(client, 0)
    PatchView.objects.create(patch=asking.patch, user=alice, opened_at=timezone.now())
    refused = decide(client, asking, displayed="card")
    assert refused.status_code == 403
    assert "approve this patch on its page" in refused.content.decode()
    assert f'href="{page(asking)}">Open the patch' in one_line(refused)
    item = f"{asking.decision_id}:{asking.patch.sha256}"
    shown = client.post(reverse("bulk"), {"verdict": "approve", "items": [item]}).content.decode()
    assert "approve this patch on its page" in shown
    assert f'href="{page(asking)}"' in shown
    queue = client.get(reverse("queue")).content.decode()
    assert f'{page(asking)}#decision" title="Its policy asks for your password' in one_line(queue)
    assert reverse("card-action", args=[asking.decision_id, "approve"]) not in queue


@pytest.mark.parametrize("where", ["page", "panel"])
def test_guessing_the_password_of_an_open_session_ends_after_ten_tries(sign_in, alice, asking, where):
    client = sign_in(alice)
    for _ in range(10):
        tried = confirm(client, asking, "wrong") if where == "page" else decide(client, asking, password="wrong")
        assert tried.status_code == 422
    for locked in (confirm(client, asking), decide(client, asking, password=PASSWORD)):
        assert (locked.status_code, int(locked["Retry-After"]) > 600) == (429, True)
        assert "Too many attempts" in locked.content.decode()
    assert status_of(asking) == Status.PENDING


def test_the_shipped_rule_looks_back_five_minutes():
    assert timedelta(minutes=5) == FRESH


def test_as_shipped_critical_asks_and_nothing_else_does():
    asking = PolicyVersion.objects.filter(current_of__isnull=False, step_up=True)
    assert [version.policy.name for version in asking] == ["critical-two-person"]


def test_as_shipped_two_people_give_their_passwords_for_what_is_critical(sign_in, alice, lena, make_patch):
    decision = make_patch(severity="critical")
    for person, status in ((alice, Status.PENDING), (lena, Status.APPROVED)):
        client = sign_in(person)
        assert decide(client, decision).status_code == 403
        decide(client, decision, password=PASSWORD)
        assert status_of(decision) == status


def test_a_policy_without_step_up_asks_nothing(sign_in, alice, make_patch):
    decision = make_patch(severity="medium")
    assert not PolicyVersion.objects.get(pk=decision.policy_version_id).step_up
    client = sign_in(alice)
    assert "password again" not in client.get(page(decision)).content.decode()
    decide(client, decision)
    assert status_of(decision) == Status.APPROVED
