"""Administrators see what each mail looks like, with real facts where there are any, and send themselves a few."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from notifications.kinds import ALL_KINDS, KINDS
from notifications.models import Delivery, Item, Notice
from notifications.services import deliveries, trials
from notifications.services.notices import News, notify
from tests.races.together import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail_server")]


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.org")


@pytest.fixture
def admin(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def page_of(kind: str) -> str:
    return reverse("notice-template", args=[kind])


def tell(person: User, **facts: Any) -> Notice:
    facts = {"headline": "High: PATCH-0007 was approved", "link": "/patches/7"} | facts
    notice = notify(
        News("decided", str(timezone.now()), "7", facts), {person.pk: "you reviewed it"}, now=timezone.now()
    )
    assert notice
    return notice


def test_administrators_find_the_page_in_their_menu_and_nobody_else_does(
    admin: Client, lena: User, sign_in: Any
) -> None:
    address = reverse("notice-templates")
    assert f'href="{address}"' in admin.get("/").content.decode()
    assert f'href="{address}"' not in sign_in(lena).get("/").content.decode()
    assert sign_in(lena).get(address).status_code == 403
    listed = admin.get(address).content.decode()
    assert [kind.name for kind in ALL_KINDS if page_of(kind.name) not in listed] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_was_never_told_is_shown_with_facts_that_say_they_are_made_up(admin: Client, kind: str) -> None:
    page = admin.get(page_of(kind)).content.decode()
    assert "Made-up facts" in page
    assert f"Example: {KINDS[kind].title.lower()}" in page
    assert "Example: " in admin.get(f"{page_of(kind)}/html").content.decode()


def test_the_newest_notice_is_shown_with_its_own_facts(admin: Client, alice: User) -> None:
    tell(alice, headline="High: PATCH-0006 was rejected")
    tell(alice)
    page = admin.get(page_of("decided")).content.decode()
    assert "Made-up" not in page
    assert "With the facts of the newest one" in page
    assert "High: PATCH-0007 was approved" in page
    assert "Why you: you reviewed it." in page
    assert "PATCH-0006" not in page
    assert "High: PATCH-0007 was approved" in admin.get(f"{page_of('decided')}/html").content.decode()


def test_the_html_is_framed_by_our_own_page_alone_and_can_do_nothing(
    admin: Client, alice: User, settings: Any, tmp_path: Any
) -> None:
    settings.NOTIFICATION_TEMPLATES_DIR = str(tmp_path)
    (tmp_path / "decided.html").write_text("<script>alert(1)</script><img src=//evil.example>")
    page, framed = admin.get(page_of("decided")), admin.get(f"{page_of('decided')}/html")
    assert "frame-src 'self'" in page["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
    assert "<script>alert" not in page.content.decode()
    assert "sandbox" in page.content.decode()
    policy = framed["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'self'", "form-action 'none'"} <= set(policy)
    assert not [one for one in policy if one.startswith(("script-src", "img-src", "connect-src"))]
    assert framed["X-Frame-Options"] == "SAMEORIGIN"
    assert framed["Cache-Control"] == "no-store"


def test_a_broken_template_is_named_on_the_page(admin: Client, settings: Any, tmp_path: Any) -> None:
    settings.NOTIFICATION_TEMPLATES_DIR = str(tmp_path)
    (tmp_path / "decided.txt").write_text("{% nonsense %}")
    page = admin.get(page_of("decided")).content.decode()
    assert "A template of your own is broken; ours is sent instead" in page
    assert "decided.txt: Invalid block tag" in page
    assert "Example: decided" in page


def test_one_is_sent_to_whoever_asks_and_to_nobody_else(
    admin: Client, root: User, alice: User, mailoutbox: Any
) -> None:
    tell(alice)
    answer = admin.post(f"{page_of('decided')}/send", follow=True)
    assert "It is on its way to root@example.org." in answer.content.decode()
    deliveries.deliver_due(timezone.now())
    [mail] = mailoutbox
    assert mail.to == ["root <root@example.org>"]
    assert mail.subject == "High: PATCH-0007 was approved"
    assert "Why you: you reviewed it." in mail.body
    assert not Item.objects.filter(person=root).exists(), "it is no news"
    assert "With the facts of the newest one" in answer.content.decode()


def test_what_was_sent_to_see_it_is_no_newest_notice(admin: Client) -> None:
    admin.post(f"{page_of('decided')}/send")
    assert "Made-up facts" in admin.get(page_of("decided")).content.decode()


def test_five_an_hour_are_enough(admin: Client, root: User) -> None:
    for kind in [*KINDS][:5]:
        admin.post(f"{page_of(kind)}/send")
    answer = admin.post(f"{page_of('decided')}/send", follow=True)
    assert "Nothing was sent: you sent yourself 5 within the last hour." in answer.content.decode()
    assert Delivery.objects.count() == 5
    later = timezone.now() + timedelta(hours=1, minutes=1)
    assert trials.send_to_oneself("decided", root.pk, now=later)


@pytest.mark.parametrize("rest", ["", "/html", "/send"])
def test_a_kind_that_there_is_not_has_no_page(admin: Client, rest: str) -> None:
    ask = admin.post if rest == "/send" else admin.get
    assert ask(f"{page_of('nothing')}{rest}").status_code == 404


def test_without_a_mail_server_the_pages_say_so_and_send_nothing(admin: Client, settings: Any) -> None:
    settings.SMTP_HOST = ""
    for address in (reverse("notice-templates"), page_of("decided")):
        page = admin.get(address).content.decode()
        assert "No mail server is set up" in page
        assert "Send this to me" not in page
    assert admin.post(f"{page_of('decided')}/send").status_code == 404
    assert Delivery.objects.count() == 0


def test_looking_sends_nothing(admin: Client) -> None:
    assert admin.get(f"{page_of('decided')}/send").status_code == 405
    assert Notice.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_clicks_at_the_same_time_are_counted_one_after_the_other(root: User) -> None:
    made = at_once(*[lambda: trials.send_to_oneself("decided", root.pk, now=timezone.now())] * 8)
    assert len([one for one in made if one]) == Delivery.objects.count() == trials.AN_HOUR
