"""The inbox: one's own items alone, read by a POST, counted at the bell, done once nobody needs to act any more."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import Decision, User
from notifications.models import Item, Notice
from notifications.services.notices import News, notify, settle

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def told(*people: User, one: str = "1", kind: str = "decision_required", days_ago: int = 0, **more: Any) -> None:
    facts = {"headline": f"Patch {one} waits", "link": f"/patches/{one}"} | more.pop("facts", {})
    now = timezone.now() - timedelta(days=days_ago)
    notify(News(kind, f"{kind}:{one}", one, facts, **more), {each.pk: "you review" for each in people}, now=now)


def many(person: User, number: int) -> None:
    now, before = timezone.now(), Notice.objects.count()
    notices = Notice.objects.bulk_create(
        Notice(key=f"{one}", kind="stand_in", subject="", facts={"headline": f"Notice {one}", "link": "/"}, at=now)
        for one in range(before, before + number)
    )
    Item.objects.bulk_create(Item(person=person, notice=notice, why="x") for notice in notices)


def rows(client: Client, query: str = "") -> list[str]:
    page = client.get(f"/inbox{query}").content.decode()
    found = re.findall(r'<li\s+class="inbox__row.*?</li>', page, re.S)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", row)).strip() for row in found]


def headlines(client: Client, query: str = "") -> list[str]:
    return [" ".join(row.split()[:2]) for row in rows(client, query)]


def bell(client: Client, path: str = "/history") -> str:
    [count] = re.findall(r'<span[^>]*id="bell-count".*?>(.*?)</span>', client.get(path).content.decode(), re.S)
    return re.sub(r"<.*", "", count).strip()


def item_of(person: User, one: str = "1") -> Item:
    return Item.objects.get(person=person, notice__subject=one)


def test_the_newest_stands_first_under_its_day_with_why_and_age(alice: User, sign_in: SignIn) -> None:
    told(alice, one="1", days_ago=1)
    told(alice, one="2", critical=True)
    client = sign_in(alice)
    [newest, oldest] = rows(client)
    assert newest.startswith(
        "Patch 2 waits , unread Decision required, because you review · just now Needs you Critical"
    )
    assert oldest.startswith("Patch 1 waits")
    page = client.get("/inbox").content.decode()
    days = re.findall(r'<h2 class="inbox__day"[^>]*>(.*?)</h2>', page)
    assert days == [f"{timezone.now() - timedelta(days=ago):%A, %-d %B %Y}" for ago in (0, 1)]


def test_an_empty_inbox_says_so(alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    assert "Nothing yet" in client.get("/inbox").content.decode()
    assert "Nothing needs you" in client.get("/inbox?show=needs-me").content.decode()
    assert bell(client) == ""


def test_the_bell_counts_what_is_unread_on_every_page_up_to_99(alice: User, bob: User, sign_in: SignIn) -> None:
    told(alice, bob)
    client = sign_in(alice)
    for path in ("/", "/history", "/accounts/", "/inbox"):
        assert bell(client, path) == "1"
    many(alice, 98)
    assert bell(client) == "99"
    many(alice, 1)
    assert bell(client) == "99+"
    assert bell(sign_in(bob)) == "1"


def test_to_show_the_bell_takes_no_statement_of_its_own(alice: User, sign_in: SignIn) -> None:
    told(alice)
    client = sign_in(alice)
    client.get("/inbox/bell")
    with CaptureQueriesContext(connection) as captured:
        answer = client.get("/inbox/bell", headers=HTMX)
    about_items = [query["sql"] for query in captured.captured_queries if "notifications_item" in query["sql"]]
    assert len(about_items) == 1
    assert "from approvals_user person" in about_items[0]
    assert "1<span" in answer.content.decode()


def test_a_bell_of_somebody_signed_out_leads_nowhere(client: Client) -> None:
    answer = client.get("/inbox/bell", headers=HTMX)
    assert (answer.status_code, answer.content) == (401, b"")


def test_only_a_post_marks_as_read_and_opening_leads_to_what_it_is_about(
    alice: User, bob: User, sign_in: SignIn
) -> None:
    told(alice, bob)
    client, item = sign_in(alice), item_of(alice)
    client.get("/inbox")
    assert client.get(f"/inbox/{item.pk}/open").status_code == 405
    assert item_of(alice).read_at is None
    answer = client.post(f"/inbox/{item.pk}/open", headers=HTMX)
    assert answer["HX-Redirect"] == "/patches/1"
    assert item_of(alice).read_at
    assert item_of(bob).read_at is None
    assert bell(client) == ""
    assert client.post(f"/inbox/{item.pk}/open")["Location"] == "/patches/1"


def test_without_a_script_each_headline_is_a_link_and_each_row_can_be_marked(alice: User, sign_in: SignIn) -> None:
    told(alice)
    client, item = sign_in(alice), item_of(alice)
    page = client.get("/inbox?show=unread").content.decode()
    assert re.search(r'<a\s+href="/patches/1"', page)
    answer = client.post(f"/inbox/{item.pk}/read", {"next": "/inbox?show=unread"})
    assert answer["Location"] == "/inbox?show=unread"
    assert rows(client, "?show=unread") == []
    assert rows(client) != []


@pytest.mark.parametrize("act", ["open", "read"])
def test_an_item_of_somebody_else_is_not_there(act: str, alice: User, bob: User, sign_in: SignIn) -> None:
    told(alice)
    assert sign_in(bob).post(f"/inbox/{item_of(alice).pk}/{act}").status_code == 404
    assert item_of(alice).read_at is None
    assert rows(sign_in(bob)) == []


def test_all_are_marked_that_were_shown_and_none_that_came_since(alice: User, bob: User, sign_in: SignIn) -> None:
    told(alice, bob, one="1")
    told(alice, one="2")
    client = sign_in(alice)
    [newest] = re.findall(r'name="newest" value="(\d+)"', client.get("/inbox").content.decode())
    told(alice, one="3")
    assert client.post("/inbox/read", {"newest": newest})["Location"] == "/inbox"
    assert headlines(client, "?show=unread") == ["Patch 3"]
    assert item_of(bob).read_at is None
    assert client.post("/inbox/read", {"newest": "x"}).status_code == 302
    assert bell(client) == "1"


def test_what_is_settled_is_done_and_no_longer_counted(alice: User, bob: User, sign_in: SignIn) -> None:
    told(alice, bob)
    told(alice, one="1", kind="decided")
    client = sign_in(alice)
    assert bell(client) == "2"
    settle("1", now=timezone.now())
    assert bell(client) == "1"
    assert [row.endswith("Done") for row in rows(client)] == [False, True]
    assert rows(client, "?show=needs-me") == []
    assert bell(sign_in(bob)) == ""


def test_what_needs_me_stays_in_its_list_until_it_is_settled_though_read(alice: User, sign_in: SignIn) -> None:
    told(alice, one="1")
    told(alice, one="2", kind="decided")
    client = sign_in(alice)
    client.post(f"/inbox/{item_of(alice).pk}/read")
    assert headlines(client, "?show=needs-me") == ["Patch 1"]


def test_next_leads_from_one_thing_that_needs_me_to_the_next(alice: User, sign_in: SignIn) -> None:
    told(alice, one="1", days_ago=2)
    told(alice, one="2", critical=True)
    told(alice, one="3", kind="decided")
    told(alice, one="4")
    client = sign_in(alice)
    assert [client.post("/inbox/next")["Location"] for _ in range(4)] == [
        "/patches/2",
        "/patches/1",
        "/patches/4",
        "/inbox",
    ]
    assert "Nothing else that you have not read needs you." in client.get("/inbox").content.decode()


@pytest.mark.parametrize("link", ["//elsewhere.example/", "https://elsewhere.example/", "javascript:1", "", None])
def test_a_link_that_is_none_of_ours_leads_to_the_inbox(link: str | None, alice: User, sign_in: SignIn) -> None:
    told(alice, facts={"link": link})
    client = sign_in(alice)
    assert re.search(r'<a\s+href="/inbox"\s+hx-post', client.get("/inbox").content.decode())
    assert client.post(f"/inbox/{item_of(alice).pk}/open")["Location"] == "/inbox"


def test_what_a_headline_says_is_text(alice: User, sign_in: SignIn) -> None:
    told(alice, facts={"headline": "<b>x</b>\u202ey"})
    page = sign_in(alice).get("/inbox").content.decode()
    assert "<b>x</b>" not in page
    assert "\u202e" not in page


def test_pages_follow_each_other_by_the_last_item(alice: User, sign_in: SignIn) -> None:
    many(alice, 120)
    client, seen, address = sign_in(alice), [], "/inbox"
    while address:
        seen += headlines(client, address.removeprefix("/inbox"))
        older = re.search(r'rel="next"\s+href="([^"]+)"', client.get(address).content.decode())
        address = older[1].replace("&amp;", "&") if older else ""
    assert seen == [f"Notice {one}" for one in reversed(range(120))]


def test_a_long_inbox_takes_as_many_statements_as_a_short_one(alice: User, sign_in: SignIn) -> None:
    client, counts = sign_in(alice), []
    for number in (1, 49):
        many(alice, number)
        client.get("/inbox")
        with CaptureQueriesContext(connection) as captured:
            client.get("/inbox")
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_the_queue_tells_the_bell_when_it_asks_for_its_counts(
    make_patch: Callable[..., Decision], alice: User, sign_in: SignIn
) -> None:
    told(alice)
    assert 'id="bell-count"' in sign_in(alice).get("/counts", headers=HTMX).content.decode()
