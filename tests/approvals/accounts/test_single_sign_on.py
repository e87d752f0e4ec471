"""Single sign-on against a provider on this machine: who gets in, with which groups, and how fresh it was."""

import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.accounts.services import identity, recovery
from approvals.models import Policy, Proposal, Status, User
from approvals.policy.term_table import TERMS
from approvals.queries.people import approvers
from approvals.services import policies, second_person
from audit.models import Entry
from audit.queries import data_of
from tests.cast import PASSWORD, SYSTEM, actor_for, opened

pytestmark = pytest.mark.django_db

VERIFIED = {"email": "dana@example.org", "email_verified": True, "preferred_username": "dana", "given_name": "Dana"}


def groups(user):
    return set(user.groups.values_list("name", flat=True))


def entries(type):
    return Entry.objects.filter(type=type).count()


def test_somebody_new_with_a_group_that_is_let_in_gets_an_account(says, through_provider):
    says("subject-1", **VERIFIED, groups=["sec-reviewers", "cooks"])
    answer = through_provider("subject-1", next="/history")
    assert answer["Location"] == "/history"
    dana = User.objects.get(username="dana")
    assert (dana.email, dana.first_name, groups(dana)) == ("dana@example.org", "Dana", {"reviewer"})
    assert not dana.has_usable_password()
    assert answer.browser.get(reverse("queue")).status_code == 200
    assert entries("user.changed") == 2  # the account, and its groups
    assert entries("login.succeeded") == 1
    asked = parse_qs(urlsplit(answer.asked).query)
    assert asked["code_challenge_method"] == ["S256"]  # PKCE


def test_somebody_without_such_a_group_reads_why_not(says, through_provider):
    says("subject-2", **VERIFIED, groups=["cooks"])
    answer = through_provider("subject-2")
    assert answer.status_code == 403
    assert "none of your groups is let in" in answer.content.decode()
    assert not User.objects.filter(email="dana@example.org").exists()
    assert entries("login.failed") == 1


def test_groups_follow_the_provider_at_each_sign_in_and_others_stay(says, through_provider):
    says("subject-3", **VERIFIED, groups=["sec-reviewers"])
    through_provider("subject-3")
    dana = User.objects.get(username="dana")
    dana.groups.add(*dana.groups.model.objects.filter(name="auditor"))
    says("subject-3", **VERIFIED, groups=["sec-leads"])
    before = entries("user.changed")
    through_provider("subject-3")
    assert groups(dana) == {"security-leads", "auditor"}
    assert entries("user.changed") == before + 1
    through_provider("subject-3")
    assert entries("user.changed") == before + 1
    says("subject-3", **VERIFIED)  # no claim at all
    through_provider("subject-3")
    assert groups(dana) == {"auditor"}


def test_a_verified_address_leads_to_the_account_that_has_it_and_the_password_stays(says, through_provider, alice):
    says("subject-4", email="Alice@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-4")
    assert SocialAccount.objects.get(uid="subject-4").user == alice
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert User.objects.count() == 1


def test_an_address_the_provider_has_not_verified_leads_nowhere(says, through_provider, alice):
    for number, verified in enumerate([{}, {"email_verified": False}, {"email_verified": "true"}]):
        says(f"subject-5{number}", email="alice@example.org", groups=["sec-reviewers"], **verified)
        answer = through_provider(f"subject-5{number}")
        assert answer.status_code == 403
        assert "without a verified e-mail address" in answer.content.decode()
    assert not SocialAccount.objects.exists()


def test_a_second_subject_with_the_same_address_is_refused(says, through_provider, alice):
    for subject in ("subject-6", "subject-7"):
        says(subject, email="alice@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-6")
    answer = through_provider("subject-7")
    assert answer.status_code == 403
    assert "Another identity already uses" in answer.content.decode()
    assert SocialAccount.objects.get().uid == "subject-6"


def test_an_account_that_is_switched_off_stays_off(says, through_provider, alice):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    says("subject-8", email="alice@example.org", email_verified=True, groups=["sec-reviewers"])
    answer = through_provider("subject-8")
    assert answer["Location"] == reverse("account_inactive")
    assert answer.browser.get(reverse("queue")).status_code == 302


def test_nobody_ties_a_subject_to_the_account_they_are_in(says, through_provider, sign_in, alice):
    says("subject-9", **VERIFIED, groups=["sec-leads"])
    answer = through_provider("subject-9", sign_in(alice), process="connect")
    assert answer.status_code == 403
    assert not SocialAccount.objects.exists()


def test_the_sign_in_page_offers_it_where_it_is_set_up(client, single_sign_on):
    text = client.get(reverse("login")).content.decode()
    assert f'action="{reverse("openid_connect_login", args=["sso"])}"' in text


def test_without_it_there_is_no_button_and_no_address(client, db):
    assert "Single sign-on" not in client.get(reverse("login")).content.decode()
    assert client.post(reverse("openid_connect_login", args=["sso"])).status_code == 404


def test_a_cancelled_sign_in_leads_back_to_the_page(client, single_sign_on):
    leaving = client.post(reverse("openid_connect_login", args=["sso"]), {"process": "login"})
    state = parse_qs(urlsplit(leaving["Location"]).query)["state"][0]
    back = client.get(reverse("openid_connect_callback", args=["sso"]), {"error": "access_denied", "state": state})
    assert back["Location"] == reverse("socialaccount_login_cancelled")
    assert "login__card" in client.get(back["Location"]).content.decode()


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (600, False), (None, False)])
def test_the_providers_word_on_when_it_asked_is_what_counts(says, through_provider, alice, make_patch, age, fresh):
    policy = Policy.objects.get(name="medium")
    terms = {name: getattr(policy.current, name) for name in TERMS} | {"step_up": True}
    policies.publish(policy, terms, actor=SYSTEM, now=timezone.now())
    decision = make_patch(severity="medium")
    page = reverse("patch-detail", args=[decision.decision_id])
    claims = {"email": "alice@example.org", "email_verified": True, "groups": ["sec-reviewers"]}
    says("subject-10", **claims, auth_time="unknown" if age is None else int(time.time()) - age)
    browser = through_provider("subject-10").browser
    body = {"verdict": "approve", "patch_sha256": decision.patch.sha256, "displayed": "page", "text": "Read it."}
    answer = opened(browser, decision).post(reverse("patch-decide", args=[decision.decision_id]), body)
    decision.refresh_from_db()
    assert (decision.status == Status.APPROVED) == fresh
    if fresh:
        return
    form = browser.get(answer["Location"]).content.decode()
    assert "Sign in again at your provider" in form
    again = form.split('<form method="post" action="')[-1].split('"')[0].replace("&amp;", "&")
    says("subject-10", **claims, auth_time=int(time.time()))
    back = through_provider("subject-10", browser, again)
    assert parse_qs(urlsplit(back.asked).query)["max_age"] == ["0"]
    assert parse_qs(urlsplit(back.asked).query)["prompt"] == ["login"]
    assert back["Location"].startswith(page)
    assert "Read it." in browser.get(page).content.decode()
    browser.post(reverse("patch-decide", args=[decision.decision_id]), body)
    decision.refresh_from_db()
    assert decision.status == Status.APPROVED


@pytest.mark.parametrize("name", ["mfa_activate_totp", "mfa_add_webauthn"])
@pytest.mark.parametrize(("age", "fresh"), [(0, True), (600, False), (None, False)])
def test_a_factor_is_added_only_after_a_fresh_sign_in_at_the_provider(says, through_provider, name, age, fresh):
    asked, page = (int(time.time()) - age if age is not None else "unknown"), reverse(name)
    says("subject-13", **VERIFIED, groups=["sec-reviewers"], auth_time=asked)
    browser = through_provider("subject-13").browser
    dana = User.objects.get(username="dana")
    answer = browser.get(page)
    if fresh:
        assert answer.status_code == 200
        return
    assert answer["Location"] == f"{reverse('confirm')}?{urlencode({'next': page})}"
    assert browser.post(page, {"code": "123456"})["Location"] == answer["Location"]
    assert not Authenticator.objects.filter(user=dana).exists()
    form = browser.get(answer["Location"]).content.decode()
    assert 'type="password"' not in form
    again = form.split('<form method="post" action="')[-1].split('"')[0].replace("&amp;", "&")
    says("subject-13", **VERIFIED, groups=["sec-reviewers"], auth_time=int(time.time()))
    back = through_provider("subject-13", browser, start=again)
    assert back["Location"] == page
    assert browser.get(page).status_code == 200


def test_nobody_approves_what_they_submitted_under_the_address_of_the_provider(
    says, through_provider, alice, make_patch
):
    says("subject-12", email="alice@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-12")
    says("subject-12", email="al@example.org", email_verified=True, groups=["sec-reviewers"])
    browser = through_provider("subject-12").browser
    decision = make_patch(submitted_by="Al@example.org")
    text = browser.get(reverse("patch-detail", args=[decision.decision_id])).content.decode()
    assert "You submitted this patch, so another person must approve it." in text


def test_two_accounts_of_one_person_count_once(says, through_provider, alice, bob, lena, make_patch, approve):
    says("subject-11", email="alice@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-11")
    assert len(approvers([alice.pk, bob.pk])) == 2
    # The provider has verified another address for alice since, and an administrator gave bob's account that address.
    says("subject-11", email="al@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-11")
    User.objects.filter(pk=bob.pk).update(email="AL@example.org")
    assert [(one.id, one.groups) for one in approvers([alice.pk, bob.pk])] == [(alice.pk, {"reviewer"})]
    decision = make_patch(severity="critical")
    approve(decision, alice)
    approve(decision, User.objects.get(pk=bob.pk))
    decision.refresh_from_db()
    assert (decision.status, decision.approvals) == (Status.PENDING, 1)
    approve(decision, lena)
    decision.refresh_from_db()
    assert (decision.status, decision.approvals) == (Status.APPROVED, 2)


def test_the_provider_gives_nobody_a_name_that_looks_like_somebody_elses(alice, says, through_provider):
    given = {"email": "d@example.org", "email_verified": True, "preferred_username": "\u0430lice"}
    says("subject-look", **given, groups=["sec-reviewers"])
    through_provider("subject-look")
    assert User.objects.get(email="d@example.org").username == "d@example.org"


@pytest.mark.parametrize(
    "chosen",
    [
        "ceo@example.org",  # nobody has verified that it is theirs
        "alice",
        "alice+ci@example.org",
        "al@example.org",  # verified for alice by the provider
        "was-alice",
        "alice.",
        "alice ",
        "expiry timer",
        "user:2",
        "high@1",
        "patchgen",  # a producer
    ],
)
def test_the_provider_gives_nobody_a_name_that_is_somebody_elses(alice, producer, says, through_provider, chosen):
    User.objects.filter(pk=alice.pk).update(former_names=["was-alice"])
    EmailAddress.objects.create(user=alice, email="al@example.org", verified=True)
    given = {"email": "mallory@example.org", "email_verified": True, "preferred_username": chosen}
    says("subject-name", **given, groups=["sec-reviewers"])
    through_provider("subject-name")
    assert User.objects.get(email="mallory@example.org").username == "mallory@example.org"


def test_a_former_address_of_somebody_becomes_nobodys_name(alice, says, through_provider):
    User.objects.filter(pk=alice.pk).update(former_names=["mallory@example.org"])
    says("subject-former", email="mallory@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-former")
    assert User.objects.get(email="mallory@example.org").username.startswith("sso-")


def test_another_verified_address_is_an_entry_that_does_not_name_it(alice, says, through_provider):
    says("subject-20", email="alice@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-20")
    before = entries("user.changed")
    says("subject-20", email="al@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-20")
    assert entries("user.changed") == before + 1
    entry = Entry.objects.filter(type="user.changed").latest("id")
    data = data_of(entry)
    assert (data["fields"], entry.object_id) == (["single sign-on address"], f"user:{alice.pk}")
    assert data["old"]["verified"] != data["new"]["verified"]
    assert b"al@" not in bytes(entry.body)
    through_provider("subject-20")
    assert entries("user.changed") == before + 1, "the same one is none"


def test_what_an_account_was_tied_to_while_its_address_was_anothers_ends_with_the_next_change(
    says, through_provider, alice, lena, django_user_model
):
    root = django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD)

    def change(email):
        person = User.objects.get(pk=alice.pk)
        person.email = email
        person.save()
        by = {"user": root, "actor": actor_for(root), "now": timezone.now()}
        recovery.hold_and_sign_out(person, [recovery.ADDRESS], reason="A slip.", **by)

    change("second-of-root@example.org")
    says("subject-x", email="second-of-root@example.org", email_verified=True, groups=["sec-reviewers"])
    User.objects.filter(pk=alice.pk).update(owner_confirmed_at=timezone.now())
    assert through_provider("subject-x").status_code == 302
    assert User.objects.get(pk=alice.pk).owner_confirmed_at is None, "what they confirmed is not so any more"
    change("alice@example.org")
    User.objects.filter(pk=alice.pk).update(owner_confirmed_at=timezone.now())
    second_person.agree(Proposal.objects.get(state="open").pk, user=lena, actor=actor_for(lena), now=timezone.now())
    says("subject-x", email="second-of-root@example.org", email_verified=True, groups=["cooks"])
    assert through_provider("subject-x").status_code == 403, "nobody but its owner signs in to it"
    assert not SocialAccount.objects.filter(user=alice).exists()
    changed = [data_of(entry)["fields"] for entry in Entry.objects.filter(type="user.changed").order_by("id")]
    assert changed == [["single sign-on"], ["single sign-on"]], "tied and untied are entries"


def test_a_tie_from_before_an_administrator_changed_something_stays(says, through_provider, alice, django_user_model):
    root = django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD)
    says("subject-13", email="alice@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-13")
    for _ in range(2):
        recovery.hold_and_sign_out(
            User.objects.get(pk=alice.pk), [recovery.NAME], reason="", user=root, actor=SYSTEM, now=timezone.now()
        )
    assert SocialAccount.objects.filter(user=alice).exists()


def test_what_a_one_time_link_set_ends_with_the_tie_to_the_provider(says, through_provider, alice, django_user_model):
    root = django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD)
    by = {"user": root, "actor": actor_for(root), "now": timezone.now()}
    secret = recovery.send_link(alice, reason="She is new.", **by)
    recovery.set_password(secret, "of root, who read it", actor=SYSTEM, now=timezone.now())
    first = Client()
    first.force_login(User.objects.get(pk=alice.pk))
    assert first.get(reverse("queue")).status_code == 200
    says("subject-14", email="alice@example.org", email_verified=True, groups=["sec-reviewers"])
    answer = through_provider("subject-14")
    assert answer.browser.get(reverse("queue")).status_code == 200
    assert first.get(reverse("queue")).status_code == 302, "whoever used the link is signed out"
    assert not User.objects.get(pk=alice.pk).has_usable_password(), "and cannot sign in again"
    fields = data_of(Entry.objects.filter(type="user.changed").latest("id"))["fields"]
    assert fields == ["password", "single sign-on"]


def test_a_password_from_before_an_administrator_changed_something_stays(says, through_provider, alice, lena):
    recovery.hold_and_sign_out(
        alice, [recovery.ADDRESS], reason="", user=lena, actor=actor_for(lena), now=timezone.now()
    )
    says("subject-15", email="alice@example.org", email_verified=True, groups=["sec-reviewers"])
    through_provider("subject-15")
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)


def test_a_one_time_link_ends_with_the_tie_to_the_provider(alice, lena):
    User.objects.filter(pk=alice.pk).update(password="!")
    alice.refresh_from_db()
    by = {"actor": actor_for(lena), "now": timezone.now()}
    secret = recovery.send_link(alice, reason="She is new.", user=lena, **by)
    assert recovery.person_of_link(secret) == alice
    claims = identity.Claims("sso", "subject-16", "alice@example.org")
    assert identity.arrive(claims, {}, actor=SYSTEM, now=timezone.now()) == alice
    assert recovery.person_of_link(secret) is None
