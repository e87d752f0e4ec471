"""Mails as a real server takes them: each kind in text and HTML, one person each, headers nobody can forge."""

import re
from typing import Any

import pytest
from django.utils import timezone

from notifications.channels import mail
from notifications.examples import example
from notifications.kinds import ALL_KINDS, KINDS, Kind
from notifications.mail_parts import parts_of
from notifications.messages import message_of, one_line, whole_link
from notifications.models import Delivery, Item
from notifications.services import deliveries
from notifications.services.notices import News, notify
from tests.notifications.conftest import Server
from tests.notifications.told import told

pytestmark = pytest.mark.django_db

BIDI, ZERO_WIDTH = "\u202e\u2066", "\u200b"


def bodies(message: Any) -> tuple[str, str]:
    return message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content()


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.name)
def test_every_kind_arrives_and_says_what_why_and_where_in_text_and_in_html(
    server: Server, alice: Any, settings: Any, kind: Kind
) -> None:
    facts = example(kind.name, timezone.now()).facts | {"link": "/patches/1?mine=on&x=2"}
    del facts["why"]
    delivery = told(alice, kind.name, why="you review patches of flask", **facts)
    assert (delivery.state, delivery.last_error) == ("delivered", "")
    [message] = server.mails
    text, html = bodies(message)
    link = f"{settings.BASE_URL}/patches/1?mine=on&x=2"
    assert message["To"] == "Alice <alice@example.org>"
    assert facts["headline"] in message["Subject"]
    for said in (facts["headline"], "Why you: you review patches of flask.", link):
        assert said in text
        assert said.replace("&", "&amp;") in html
    for item in facts.get("items", ()):
        assert item["headline"] in text
        assert item["headline"] in html
    if "due_at" in facts:
        assert re.search(r"Decide by: \d+ \w+ \d{4}, \d\d:\d\d UTC \(in 41 min\)", text)
        assert "in 41 min" in html
    addresses = re.findall(r"""(?:https?:)?//[^\s"'<>]+|url\(|\bsrc=|<link|<img|@import""", html)
    assert [one for one in addresses if not one.startswith(settings.BASE_URL)] == [], "a mail fetches nothing"


def test_the_headers_thread_what_is_about_the_same_and_stop_automatic_answers(
    server: Server, alice: Any, settings: Any
) -> None:
    first, second = told(alice, "changes_requested"), told(alice, "decided")
    one, other = server.mails
    assert (one["Message-ID"], other["Message-ID"]) == (f"<{first.pk}@127.0.0.1>", f"<{second.pk}@127.0.0.1>")
    assert one["References"] == other["References"]
    assert one["Auto-Submitted"] == "auto-generated"
    assert one["List-Id"] == "HITL <notices.127.0.0.1>"
    assert one["List-Unsubscribe"] == f"<{settings.BASE_URL}/accounts/notifications>"
    assert one["From"].startswith("HITL <")
    told(alice, "daily_digest")
    assert server.mails[2]["References"] is None, "one day's digest is no answer to another's"


def test_a_mail_that_is_sent_again_has_the_same_id(server: Server, alice: Any) -> None:
    delivery = told(alice)
    deliveries.replay([delivery.pk], now=timezone.now())
    deliveries.deliver_due(timezone.now())
    one, other = server.mails
    assert one["Message-ID"] == other["Message-ID"]


def test_each_person_gets_a_mail_of_their_own_and_one_who_is_refused_keeps_nobody_else_back(
    server: Server, alice: Any, bob: Any
) -> None:
    server.to["bob@example.org"] = "550 5.1.1 No such user"
    news = News("stand_in", "1", "1", {"headline": "Stand in", "link": "/"})
    notify(news, {alice.pk: "you were asked", bob.pk: "you were asked too"}, now=timezone.now())
    deliveries.deliver_due(timezone.now())
    assert server.recipients == [["alice@example.org"]]
    refused = Delivery.objects.get(person=bob)
    assert (refused.state, refused.last_status) == ("dead", 550)
    assert refused.last_error == "The mail server refuses the recipient: 550 5.1.1 No such user"


@pytest.mark.parametrize(
    "headline",
    [
        "Approve\r\nBcc: eve@example.org\r\n\r\nyour bank",
        "Approve\x1b[31m\x0b\u2028Bcc: eve@example.org",
        f"Approve {BIDI}gro.elpmaxe{ZERO_WIDTH}",
        "=?utf-8?q?Approve=0D=0ABcc:_eve@example.org?=",
    ],
    ids=["line breaks", "control characters", "direction", "encoded word"],
)
def test_no_headline_makes_a_header_or_turns_the_subject_round(server: Server, alice: Any, headline: str) -> None:
    told(alice)
    delivery = told(alice, headline=headline, why=headline)
    assert delivery.state == "delivered", delivery.last_error
    plain, got = server.mails
    assert got.keys() == plain.keys()
    assert server.recipients == [["alice@example.org"]] * 2
    first_line = bodies(got)[0].splitlines()[0]
    assert [one for one in (*BIDI, ZERO_WIDTH, *"\n\r\x1b\x0b\u2028") if one in got["Subject"] + first_line] == []


def test_a_line_has_nothing_that_is_not_seen() -> None:
    assert one_line(f"a\x00b\ud800c\r\n{BIDI} d{ZERO_WIDTH}\u2029e\ufefff") == "a bc d ef"
    assert one_line("x" * 301) == "x" * 299 + "…"
    assert (one_line(None), one_line(0)) == ("", "0")


def test_a_long_headline_arrives_whole_lines_and_all(server: Server, alice: Any) -> None:
    delivery = told(alice, headline=f"Ünïcödé {'x' * 2_000}", title="y" * 5_000, why="z" * 200)
    assert delivery.state == "delivered", delivery.last_error
    [(envelope, _)] = server.took
    assert max(map(len, bytes(envelope.original_content).split(b"\r\n"))) <= 998  # type: ignore[arg-type]
    [message] = server.mails
    assert len(message["Subject"].strip()) <= 200
    assert message["Subject"].strip().startswith("Ünïcödé xxx")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Müller, Jürgen", '"Müller, Jürgen" <alice@example.org>'),
        ('Eve" <eve@example.org>, "', '"Eve\\" <eve@example.org>, \\"" <alice@example.org>'),
        ("李小龍", "李小龍 <alice@example.org>"),
        (f"Ann{BIDI}\r\nBcc: x", '"Ann Bcc: x" <alice@example.org>'),
        ("=?utf-8?q?Ann=0ABcc?=", "= ?utf-8?q?Ann=0ABcc?= <alice@example.org>"),
    ],
)
def test_odd_names_are_names_and_no_addresses(server: Server, alice: Any, name: str, shown: str) -> None:
    alice.first_name, alice.last_name = name, ""
    alice.save()
    assert told(alice).state == "delivered"
    assert server.recipients == [["alice@example.org"]]
    [message] = server.mails
    assert [one.addr_spec for one in message["To"].addresses] == ["alice@example.org"]
    assert str(message["To"]) == shown


def test_a_domain_of_other_letters_is_written_as_mail_servers_know_it(server: Server, alice: Any) -> None:
    alice.email = "alice@bücher.example"
    alice.save()
    assert told(alice).state == "delivered"
    assert server.recipients == [["alice@xn--bcher-kva.example"]]


def test_a_name_before_the_at_that_smtp_cannot_carry_is_said_so(server: Server, alice: Any) -> None:
    alice.email = "älice@example.org"
    alice.save()
    delivery = told(alice)
    assert (delivery.state, server.took) == ("dead", [])
    assert "letters that SMTP cannot carry" in delivery.last_error


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"is_active": False}, "The account is switched off."),
        ({"email": ""}, "There is no address to send it to."),
        ({"held_since": timezone.now()}, "The account is held until its owner confirms a change."),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_who_cannot_or_must_not_be_mailed_has_it_in_the_inbox_alone(
    server: Server, alice: Any, change: dict[str, Any], why: str
) -> None:
    notify(News("stand_in", "1", "1"), {alice.pk: "you were asked"}, now=timezone.now())
    type(alice).objects.filter(pk=alice.pk).update(**change)
    deliveries.deliver_due(timezone.now())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_error, server.took) == ("dropped", why, [])
    assert Item.objects.filter(person=alice).count() == 1


def test_without_a_mail_server_nothing_is_queued_and_the_account_page_says_so(
    alice: Any, settings: Any, sign_in: Any
) -> None:
    settings.SMTP_HOST = ""
    notify(News("stand_in", "1", "1"), {alice.pk: "you were asked"}, now=timezone.now())
    assert (Item.objects.count(), Delivery.objects.count()) == (1, 0)
    said = "No mail server is set up here"
    assert said in sign_in(alice).get("/accounts/").content.decode()
    settings.SMTP_HOST = "mail.example.org"
    assert said not in sign_in(alice).get("/accounts/").content.decode()


def test_a_mail_that_was_queued_before_the_server_was_taken_away_is_dropped(alice: Any, settings: Any) -> None:
    notify(News("stand_in", "1", "1"), {alice.pk: "you were asked"}, now=timezone.now())
    settings.SMTP_HOST = ""
    deliveries.deliver_due(timezone.now())
    assert Delivery.objects.values_list("state", "last_error").get() == (
        "dropped",
        "No mail server is set up: SMTP_HOST.",
    )


def test_times_are_those_of_the_persons_zone(server: Server, alice: Any) -> None:
    alice.time_zone = "Asia/Kolkata"
    alice.save()
    told(alice, "stand_in", until="2030-01-31T22:00:00+00:00")
    assert "Until: 1 February 2030, 03:30 IST" in bodies(server.mails[0])[0]


@pytest.mark.parametrize(
    "link", ["https://evil.example/", "//evil.example/", "@evil.example", "", None, "javascript:x"]
)
def test_links_lead_to_our_own_pages(settings: Any, link: Any) -> None:
    settings.BASE_URL = "https://hitl.example.org"
    assert re.match(r"https://hitl\.example\.org(/|//evil\.example/)$", whole_link(link))


def test_facts_that_are_not_as_they_should_be_make_a_mail_all_the_same() -> None:
    notice = example("urgent", timezone.now())
    notice.facts = {"due_at": "soon", "expires_at": 7, "revision": [], "items": None, "approvals": {}, "by": None}
    notice.facts |= {"until": "9999-12-31T23:59:59+00:00", "starts_at": "0001-01-01T00:00:00"}
    message = message_of(notice, "", zone=timezone.get_default_timezone(), now=timezone.now())
    assert message.headline == KINDS["urgent"].title
    assert parts_of(message).text.startswith("Time runs out\n")


def test_a_digest_of_four_hundred_is_one_mail_that_programs_show_whole(server: Server, alice: Any) -> None:
    item = {
        "kind": "decided",
        "link": "/patches/0193f1a0-0000-7000-8000-000000000000",
        "at": timezone.now().isoformat(),
    }
    items = [item | {"headline": f"High: PATCH-{n:04} was approved", "why": "you reviewed it"} for n in range(400)]
    told(alice, "daily_digest", headline="460 notices", items=items, more=60)
    text, html = bodies(server.mails[0])
    assert len(html) < 102_000, "Gmail cuts a mail there"
    assert text.count("* High: PATCH-") == 200
    assert "And 260 more: they are in your inbox." in text


def test_the_reason_is_read_for_the_person_it_is_for(alice: Any, bob: Any) -> None:
    news = News("stand_in", "1", "1", {"headline": "Stand in", "link": "/"})
    notify(news, {alice.pk: "you are alice", bob.pk: "you are bob"}, now=timezone.now())
    said = {one.person_id: mail.mail_of(one).body for one in Delivery.objects.select_related("notice", "person")}
    assert "Why you: you are alice." in said[alice.pk]
    assert "Why you: you are bob." in said[bob.pk]
