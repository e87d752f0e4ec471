"""Templates of mails: every kind has all and says everything; an install's own come first, and cannot lose a mail."""

import logging
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from hitl.template_engines import TEMPLATE_DIR
from notifications.examples import example
from notifications.kinds import ALL_KINDS, KINDS
from notifications.mail_parts import Parts, parts_of
from notifications.messages import TO_DO, message_of
from notifications.models import Notice, When
from tests.notifications.conftest import Server
from tests.notifications.told import told

ENDINGS = ("subject.txt", "txt", "html")
MAILS = TEMPLATE_DIR / "notifications"


def drawn(kind: str = "decided", **facts: Any) -> Parts:
    notice = example(kind, timezone.now())
    notice.facts |= facts
    return parts(notice)


def parts(notice: Notice, why: str = "you review <b>flask</b>") -> Parts:
    return parts_of(message_of(notice, why, zone=timezone.get_default_timezone(), now=timezone.now()))


@pytest.fixture
def own(settings: Any, tmp_path: Path) -> Path:
    """An install's own directory of templates."""
    settings.NOTIFICATION_TEMPLATES_DIR = str(tmp_path)
    return tmp_path


def test_every_kind_has_all_its_templates_and_words() -> None:
    assert set(TO_DO) == set(KINDS)
    missing = [f"{kind}.{ending}" for kind in KINDS for ending in ENDINGS if not (MAILS / f"{kind}.{ending}").exists()]
    assert missing == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_alone_is_enough(kind: str, settings: Any) -> None:
    now = timezone.now()
    message = message_of(example(kind, now), "you review flask", zone=timezone.get_default_timezone(), now=now)
    text = parts_of(message).text
    for said in (message.headline, message.todo, message.action, "Why you: you review flask.", message.link):
        assert said in text
    for line in message.lines:
        assert f"{line.label}: {line.value}\n" in text
    for item in message.items:
        assert f"* {item.headline}\n{item.about}\n{item.link}\n" in text
    assert "\n\n\n" not in text
    assert text == text.strip() + "\n"
    assert f"HITL at {settings.BASE_URL}" in text


def test_what_is_told_is_text_in_html_and_itself_in_text() -> None:
    said = drawn(headline="Fix <script>alert(1)</script> & 'more'", title='<img src=x> "quoted"')
    assert "Fix <script>alert(1)</script> & 'more'" in said.text
    assert "Why you: you review <b>flask</b>." in said.text
    assert said.subject == "Fix <script>alert(1)</script> & 'more'"
    assert "<script" not in said.html
    assert "<img" not in said.html
    assert "&lt;b&gt;flask" in said.html


def test_no_mail_holds_words_of_people_but_the_title() -> None:
    """A diff, a reason or a comment in the facts by mistake is shown by no template."""
    secrets = dict.fromkeys(("diff", "reason", "comment", "note", "text", "description"), "between us")
    for kind in KINDS:
        said = drawn(kind, **secrets)
        assert "between us" not in said.subject + said.text + said.html


def test_an_installs_own_template_replaces_ours_by_its_name(own: Path) -> None:
    (own / "decided.subject.txt").write_text("ACME: {{ message.headline }}")
    (own / "decided.txt").write_text(
        '{% extends "notifications/mail.txt" %}{% block foot %}Ask ACME & Co.{% endblock %}'
    )
    said = drawn()
    assert said.subject == "ACME: Example: decided"
    (own / "decided.subject.txt").write_text("{{ message.headline }} at ACME")
    assert drawn().subject == "Example: decided at ACME", "a change takes effect with the next mail"
    assert "Why you: " in said.text
    assert said.text.endswith("Ask ACME & Co.\n")
    assert drawn("expired").subject == "Example: expired"
    assert said.broken == ()


def test_an_installs_own_frame_is_that_of_every_kind(own: Path) -> None:
    (own / "mail.html").write_text("<p>ACME</p>{{ message.headline }}")
    assert {drawn(kind).html.startswith("<p>ACME</p>Example: ") for kind in KINDS} == {True}


def test_an_installs_own_template_may_build_on_ours_of_the_same_name(own: Path) -> None:
    (own / "mail.html").write_text('{% extends "notifications/mail.html" %}{% block foot %}ACME{% endblock %}')
    html = drawn().html
    assert "Why you: " in html
    assert "ACME" in html
    assert "Nobody reads answers" not in html


@pytest.mark.parametrize(
    "template",
    [
        "{% if %}",
        "{{ message.headline|nothing }}",
        '{% extends "notifications/gone.txt" %}',
        "{% load nothing %}",
        b"\xff",
    ],
)
def test_a_broken_template_of_its_own_loses_no_mail(
    own: Path, template: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ours = drawn()
    (own / "decided.txt").write_bytes(template if isinstance(template, bytes) else template.encode())
    with caplog.at_level(logging.ERROR):
        said = drawn()
    assert (said.subject, said.text, said.html) == (ours.subject, ours.text, ours.html)
    assert [one.partition(":")[0] for one in said.broken] == ["decided.txt"]
    assert "The template decided.txt of NOTIFICATION_TEMPLATES_DIR is broken; ours is used" in caplog.text


@pytest.mark.django_db
def test_a_broken_template_still_sends_the_mail(own: Path, server: Server, alice: Any) -> None:
    (own / "decided.subject.txt").write_text("{% nonsense %}")
    (own / "decided.html").write_text("{% nonsense %}")
    assert told(alice).state == "delivered"
    assert server.mails[0]["Subject"] == "Fix of flask was approved"


def test_a_template_that_says_nothing_leaves_the_headline_as_subject(own: Path) -> None:
    (own / "decided.subject.txt").write_text("\n{# nothing #}\n")
    assert drawn().subject == "Example: decided"


@pytest.mark.django_db
def test_no_page_is_drawn_from_an_installs_own_directory(own: Path, client: Any) -> None:
    for name in ("base.html", "registration/login.html", "login.html"):
        (own / name).parent.mkdir(exist_ok=True)
        (own / name).write_text("taken over")
    assert "taken over" not in client.get("/accounts/login").content.decode()


def test_the_page_of_documentation_has_every_kind_as_it_is() -> None:
    page = (TEMPLATE_DIR.parent / "docs" / "notifications-mail.md").read_text("utf-8")
    whens = {When.AT_ONCE: "at once", When.DIGEST: "daily digest", When.NEVER: "only in the inbox"}
    rows = [f"| `{kind.name}` | {kind.meaning} | {whens[kind.when]} |" for kind in ALL_KINDS]
    assert [row for row in rows if row not in page] == []


def test_time_left_is_counted_when_it_is_drawn() -> None:
    kinds = {kind.name for kind in ALL_KINDS if kind.asks and kind.name != "second_person"}
    for kind in kinds:
        said = drawn(kind)
        assert "(in 41 min)" in said.text
        assert ("(in 41 min)" in said.subject) is (kind in {"urgent", "reminder", "escalated"})
    assert "in 41 min" not in drawn("decided").text
