"""No single person satisfies a quorum: what an administrator does for somebody's sign-in holds their account."""

import json
import logging
import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group
from django.core import mail
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.accounts.services import identity, owners, recovery, tokens
from approvals.errors import Conflict, NotAllowed
from approvals.models import Bypass, Decision, Delegation, Proposal, Review, Status, Text, TokenKind, User
from approvals.services import absence, bypasses, killswitch, lifecycle, second_person
from audit.models import Entry
from hitl.logs import JsonFormatter, TextFormatter
from tests.cast import PASSWORD, actor_for, proved

pytestmark = pytest.mark.django_db

USERS = "/admin/approvals/user/"
NEW = "quite another battery staple"


def password_page(user):
    return f"{USERS}{user.pk}/password/"


def change_page(user):
    return f"{USERS}{user.pk}/change/"


def link_on(answer):
    return re.search(r'<code id="link">[^<]*(/accounts/link/[^<]+)</code>', answer.content.decode())[1]


def acting(user):
    return {"user": user, "actor": actor_for(user), "now": timezone.now()}


def now_of(user):
    return User.objects.get(pk=user.pk)


def sign_in_by_form(name="alice", password=PASSWORD):
    client = Client()
    client.post(reverse("login"), {"username": name, "password": password})
    return client


def signed_in(client):
    return client.get(reverse("queue")).status_code == 200


def agree(user):
    return second_person.agree(Proposal.objects.get(state="open").pk, **acting(user))


@pytest.fixture
def luis(bob):
    """A second lead."""
    bob.groups.set(Group.objects.filter(name="security-leads"))
    return bob


@pytest.fixture
def held(alice, root):
    """Alice, to whom root has sent a link."""
    recovery.send_link(alice, reason="She lost it.", **acting(root))
    return now_of(alice)


def test_a_link_is_shown_once_sets_a_password_once_and_lets_nobody_decide(admin_page, alice, lena, make_patch, approve):
    before = sign_in_by_form()
    assert "setting a password" not in admin_page.get(password_page(alice)).content.decode()
    answer = admin_page.post(password_page(alice), {"reason": "She lost it."})
    assert "no-store" in answer["Cache-Control"]
    assert not signed_in(before)
    link = link_on(answer)
    assert link not in admin_page.get(change_page(alice)).content.decode()
    browser = Client()
    assert "alice" in browser.get(link).content.decode()
    assert browser.post(link, {"new_password1": NEW, "new_password2": "other"}).status_code == 422
    assert browser.post(link, {"new_password1": NEW, "new_password2": NEW})["Location"].startswith(reverse("login"))
    assert browser.get(link).status_code == 404
    hers = sign_in_by_form(password=NEW)
    page = hers.get(reverse("account")).content.decode()
    assert "Your account decides nothing at present" in page
    decision = make_patch()
    with pytest.raises(NotAllowed, match="decides nothing"):
        approve(decision, alice)
    assert hers.post(reverse("confirm-change"), follow=True).status_code == 200
    with pytest.raises(NotAllowed, match="until a second lead agrees"):
        approve(decision, now_of(alice))
    agree(lena)
    approve(decision, now_of(alice))
    assert Decision.objects.get().status == Status.APPROVED


@pytest.mark.parametrize("ends", ["taken back", "refused"])
def test_who_changed_an_account_does_not_agree_after_their_own_proposal_ended(alice, root, lena, luis, ends):
    lena.is_staff = True
    recovery.send_link(alice, reason="She lost it.", **acting(lena))
    second_person.refuse(Proposal.objects.get().pk, **acting(lena if ends == "taken back" else luis))
    recovery.send_link(now_of(alice), reason="Another one.", **acting(root))
    User.objects.filter(pk=alice.pk).update(owner_confirmed_at=timezone.now())
    with pytest.raises(NotAllowed, match="You changed how they sign in"):
        agree(lena)
    agree(luis)
    assert now_of(alice).held_since is None
    recovery.send_link(now_of(alice), reason="A year later.", **acting(root))
    assert Proposal.objects.get(state="open").payload["by"] == [root.pk], "what was agreed to is over"


def test_every_step_is_an_entry_and_none_holds_the_password_or_the_link(admin_page, alice, lena):
    link = link_on(admin_page.post(password_page(alice), {"reason": "She lost it."}))
    Client().post(link, {"new_password1": NEW, "new_password2": NEW})
    sign_in_by_form(password=NEW).post(reverse("confirm-change"))
    agree(lena)
    about = Entry.objects.filter(type__in=["account.held", "account.confirmed", "account.released", "proposal.made"])
    assert [entry.type for entry in about.order_by("pk")] == [
        "account.held", "proposal.made", "account.confirmed", "account.released"
    ]  # fmt: skip
    bodies = b"".join(bytes(entry.body) for entry in Entry.objects.all())
    assert NEW.encode() not in bodies
    assert link.rsplit("_", 1)[1].encode() not in bodies


def test_a_link_is_mailed_where_mail_is_configured_and_then_nobody_else_sees_it(admin_page, alice, settings):
    settings.SMTP_HOST = "mail.example.org"
    answer = admin_page.post(password_page(alice), {})
    assert "mailed to alice@example.org" in answer.content.decode()
    assert "/accounts/link/" not in answer.content.decode()
    (sent,) = mail.outbox
    assert sent.to == ["alice@example.org"]
    assert Client().get(re.search(r"/accounts/link/\S+", sent.body)[0]).status_code == 200


def test_a_link_is_short_lived_and_another_one_replaces_it(admin_page, alice, settings):
    first = link_on(admin_page.post(password_page(alice), {}))
    second = link_on(admin_page.post(password_page(alice), {}))
    assert (Client().get(first).status_code, Client().get(second).status_code) == (404, 200)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert Client().get(second).status_code == 404


@pytest.mark.parametrize("secret", ["x", "hitl_0000000a_x", "hitl_~_x-y", "hitl_zzzzzzzzzzzzzzzz_a-b", "a" * 2000])
def test_a_link_that_nobody_was_sent_is_a_404(secret):
    assert Client().get(f"/accounts/link/{secret}").status_code == 404


def test_a_link_stands_in_no_log(admin_page, alice):
    link = link_on(admin_page.post(password_page(alice), {}))
    line = logging.LogRecord("hitl", logging.INFO, "", 0, "GET %s", (link,), None)
    line.fields = {"path": link}
    for formatter in (JsonFormatter(), TextFormatter()):
        assert link.rsplit("_", 1)[1] not in formatter.format(line)


def test_no_administrator_sends_a_link_to_themself_or_to_people_of_the_provider(admin_page, root, alice):
    assert admin_page.get(password_page(root))["Location"] == reverse("password")
    SocialAccount.objects.create(user=alice, provider="sso", uid="a1")
    assert "single sign-on provider" in admin_page.post(password_page(alice), {}).content.decode()
    with pytest.raises(NotAllowed):
        recovery.send_link(root, reason="", **acting(root))
    assert now_of(alice).held_since is None


@pytest.mark.parametrize(("field", "value"), [("email", "mallory@example.org"), ("username", "alicia")])
def test_another_name_to_sign_in_with_holds_the_account_and_leaves_digests(
    admin_page, alice, entries, resend, field, value
):
    session = sign_in_by_form()
    resend(admin_page, change_page(alice), **{field: value})
    assert not signed_in(session)
    kept = now_of(alice)
    assert kept.held_since is not None
    assert kept.former_names == [{"email": "alice@example.org", "username": "alice"}[field]]
    (entry,) = entries("user.changed")
    assert entry["old"][field] != entry["new"][field]
    assert b"mallory" not in b"".join(bytes(entry.body) for entry in Entry.objects.all())


def test_other_capitals_and_a_new_first_name_hold_nothing(admin_page, alice, resend):
    resend(admin_page, change_page(alice), email="Alice@example.org", first_name="Al")
    assert now_of(alice).held_since is None
    assert now_of(alice).former_names == []


def test_factors_taken_away_hold_the_account(admin_page, alice):
    Authenticator.objects.create(user=alice, type="totp", data={"secret": "x"})
    admin_page.post(USERS, {"action": "remove_factors", "_selected_action": [alice.pk]})
    assert now_of(alice).held_for == [recovery.FACTORS]
    data = json.loads(bytes(Entry.objects.get(type="factor.changed").body))["data"]
    assert (len(data["old"]), data["new"]) == (1, [])


def test_signing_somebody_out_holds_nothing(admin_page, alice):
    session = sign_in_by_form()
    admin_page.post(USERS, {"action": "sign_out", "_selected_action": [alice.pk]})
    assert not signed_in(session)
    assert now_of(alice).held_since is None


def test_a_new_account_decides_nothing_until_its_person_and_a_lead_have_agreed(admin_page):
    admin_page.post(f"{USERS}add/", {"username": "dora", "email": "dora@example.org"})
    dora = User.objects.get(username="dora")
    assert dora.held_for == [recovery.NEW]
    assert Proposal.objects.get().person == dora


def test_who_changed_it_does_not_agree_nor_does_anybody_before_the_owner(held, root, lena, luis):
    root.groups.set(Group.objects.filter(name="security-leads"))
    with pytest.raises(NotAllowed, match="not confirmed it yet"):
        agree(lena)
    now = timezone.now()
    owners.confirm(held, authenticated_at=now, actor=actor_for(held), now=now)
    with pytest.raises(NotAllowed, match="second person"):
        agree(root)
    recovery.send_link(held, reason="Again.", **acting(lena))
    assert now_of(held).owner_confirmed_at is None
    assert [one.state for one in Proposal.objects.order_by("pk")] == ["withdrawn", "open"]
    now = timezone.now()
    owners.confirm(held, authenticated_at=now, actor=actor_for(held), now=now)
    for hand in (root, lena):  # both had a hand in it
        with pytest.raises(NotAllowed, match="second person"):
            agree(hand)
    agree(luis)
    assert now_of(held).held_since is None


def test_a_superuser_agrees_only_while_there_is_no_lead(held, django_user_model, lena):
    other = django_user_model.objects.create_superuser("ruth", "ruth@example.org", PASSWORD)
    now = timezone.now()
    owners.confirm(held, authenticated_at=now, actor=actor_for(held), now=now)
    with pytest.raises(NotAllowed, match="Only security leads"):
        agree(other)
    lena.groups.clear()
    agree(other)
    assert now_of(held).held_since is None


def test_the_owner_confirms_at_a_sign_in_since_the_change_and_nobody_twice(held, sign_in):
    client = sign_in(held)
    assert client.post(reverse("confirm-change"))["Location"].startswith(reverse("confirm"))
    early = held.held_since - timedelta(seconds=1)
    with pytest.raises(NotAllowed, match="Sign in again"):
        owners.confirm(held, authenticated_at=early, actor=actor_for(held), now=timezone.now())
    proved(client).post(reverse("confirm-change"))
    assert now_of(held).owner_confirmed_at is not None
    with pytest.raises(Conflict):
        owners.confirm(held, authenticated_at=timezone.now(), actor=actor_for(held), now=timezone.now())


def test_a_password_set_by_the_link_after_the_owners_word_asks_for_it_again(admin_page, alice):
    link = link_on(admin_page.post(password_page(alice), {}))
    now = timezone.now()
    owners.confirm(alice, authenticated_at=now, actor=actor_for(alice), now=now)
    Client().post(link, {"new_password1": NEW, "new_password2": NEW})
    assert now_of(alice).owner_confirmed_at is None


def test_a_held_lead_asks_for_nothing_and_agrees_to_nothing(lena, luis, alice, root, make_patch):
    recovery.send_link(lena, reason="", **acting(root))
    now, decision = timezone.now(), make_patch()
    target = bypasses.Target(package_name="flask")
    asked = bypasses.ask(alice, target, 3600, "Now.", **acting(luis))
    tries = [
        lambda: second_person.stop(reason="Why.", **acting(lena)),
        lambda: second_person.start_again(reason="Why.", **acting(lena)),
        lambda: bypasses.ask(alice, bypasses.Target(package_name="six"), 3600, "Now.", **acting(lena)),
        lambda: bypasses.grant(asked.pk, **acting(lena)),
        lambda: second_person.agree(Proposal.objects.get().pk, **acting(lena)),
        lambda: lifecycle.cancel(decision.decision_id, "Why.", channel="page", **acting(lena)),
        lambda: absence.delegate(lena, luis, now, now + timedelta(days=1), "Why.", actor=actor_for(lena), now=now),
        lambda: tokens.issue_token("x", TokenKind.PERSONAL, actor=actor_for(lena), now=now, user=lena),
    ]
    for attempt in tries:
        with pytest.raises(NotAllowed, match="decides nothing"):
            attempt()
    assert Bypass.objects.get().state == "asked"


def test_a_held_administrator_changes_nobody(root, admin_page, alice, entries, django_user_model):
    ruth = django_user_model.objects.create_superuser("ruth", "ruth@example.org", PASSWORD)
    recovery.send_link(root, reason="", **acting(ruth))
    again = Client()
    again.force_login(now_of(root))
    assert again.post(change_page(alice), {"username": "alice"}).status_code == 403
    assert again.post(password_page(alice), {}).status_code == 403
    with pytest.raises(NotAllowed):
        recovery.send_link(alice, reason="", **acting(root))
    assert now_of(alice).held_since is None


def test_the_person_and_the_leads_are_told_on_their_pages(held, lena, sign_in):
    hers = sign_in(held).get(reverse("queue")).content.decode()
    assert "decides nothing until you have confirmed a change" in hers
    leads = sign_in(lena)
    assert "Accounts that wait" in leads.get(reverse("queue")).content.decode()
    page = leads.get(reverse("policies")).content.decode()
    assert "Account of alice" in page
    assert "They have not confirmed it yet" in page
    assert "She lost it." in page


def test_an_install_with_one_lead_asks_for_the_owners_word_alone(alice, root, settings):
    settings.SECOND_PERSON_REQUIRED = False
    killswitch.keep_setting()
    recovery.send_link(alice, reason="", **acting(root))
    assert not Proposal.objects.exists()
    now = timezone.now()
    owners.confirm(alice, authenticated_at=now, actor=actor_for(alice), now=now)
    assert now_of(alice).held_since is None


def test_an_old_address_still_tells_who_submitted_a_patch(alice, make_patch, approve, admin_page, resend, lena):
    decision = make_patch(submitted_by="alice@example.org")
    resend(admin_page, change_page(alice), email="al@example.org")
    proved_now = timezone.now()
    owners.confirm(alice, authenticated_at=proved_now, actor=actor_for(alice), now=proved_now)
    agree(lena)
    with pytest.raises(NotAllowed, match="You submitted this patch"):
        approve(decision, now_of(alice))


def test_an_old_address_of_the_provider_does_so_too(alice):
    EmailAddress.objects.create(user=alice, email="a.old@example.org", verified=True, primary=True)
    SocialAccount.objects.create(user=alice, provider="sso", uid="a1")
    claims = identity.Claims("sso", "a1", email="a.new@example.org")
    identity.arrive(claims, {}, actor=actor_for(alice), now=timezone.now())
    assert now_of(alice).former_names == ["a.old@example.org"]


@pytest.mark.parametrize("whose", ["reviewer", "delegated_from"])
def test_the_database_refuses_a_review_by_a_held_account(held, lena, make_patch, whose):
    decision, now = make_patch(), timezone.now()
    until = {"starts_at": now, "ends_at": now + timedelta(days=1), "created_at": now}
    Delegation.objects.create(person=held, delegate=lena, reason=Text.objects.create(body="Leave."), **until)
    people = {"reviewer": lena, whose: held}
    with pytest.raises(IntegrityError, match="owner has confirmed"), transaction.atomic():
        Review.objects.create(
            decision=decision, verdict="approve", patch_sha256=decision.patch.sha256, displayed="page",
            channel="page", authn="session", created_at=timezone.now(), **people
        )  # fmt: skip


def test_the_database_ends_no_hold_alone_and_forgets_no_former_name(held):
    with pytest.raises(DatabaseError), transaction.atomic():
        User.objects.filter(pk=held.pk).update(held_since=None)
    User.objects.filter(pk=held.pk).update(email="al@example.org")
    User.objects.filter(pk=held.pk).update(former_names=[])
    assert now_of(held).former_names == ["alice@example.org"]


def test_the_database_lets_no_held_account_agree(held, lena, root):
    proposal = Proposal.objects.get()
    User.objects.filter(pk=lena.pk).update(held_since=timezone.now())
    for wrong in (lena, root):
        ended = {"state": "applied", "decided_by": wrong, "decided_at": timezone.now()}
        with pytest.raises(DatabaseError), transaction.atomic():
            Proposal.objects.filter(pk=proposal.pk).update(**ended)
