"""The page of deliveries: endpoints with how they are, what did not arrive, and who may do something about it."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook

from approvals.models import User
from approvals.services import endpoints, webhooks
from approvals.services.dispatch import dispatch
from approvals.services.endpoints import Wanted
from audit.models import Entry
from notifications.models import Channel, Delivery, Endpoint
from notifications.services.notices import News, notify
from tests.cast import PASSWORD, SYSTEM, Api, proved

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.org/in?token=geheim"


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.org", PASSWORD)


@pytest.fixture
def admin(root: User, sign_in: Callable[[User], Client]) -> Client:
    return proved(sign_in(root))


@pytest.fixture
def endpoint(deployer_api: Api) -> Endpoint:
    wanted = Wanted("Argo", URL, "standard", "deployer:argo")
    return endpoints.add(wanted, 0, actor=SYSTEM, now=timezone.now())[0]


def given_up(endpoint: Endpoint, number: int, **more: Any) -> list[Delivery]:
    now = timezone.now()
    rows = [
        Delivery(
            channel=Channel.WEBHOOK,
            endpoint=endpoint,
            position=position,
            state="dead",
            attempts=9,
            last_error="It answered 503 Service Unavailable.",
            due_at=now,
            give_up_at=now,
            created_at=now,
            ended_at=now - timedelta(minutes=position),
            **more,
        )
        for position in range(1, number + 1)
    ]
    return Delivery.objects.bulk_create(rows)


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


def test_an_administrator_adds_an_endpoint_and_reads_its_secret_once(admin: Client, deployer_api: Api) -> None:
    page = admin.get(reverse("endpoint-new"))
    assert "Deployer argo" in text_of(page)
    sent = {"name": "Argo", "url": URL, "format": "standard", "audience": "deployer:argo"}
    added = admin.post(reverse("endpoint-new"), sent)
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/]{43}=", html.unescape(added.content.decode()))
    Webhook(secret)
    kept = Endpoint.objects.get()
    assert secret not in admin.get(reverse("endpoint", args=[kept.pk])).content.decode()
    assert added["Cache-Control"].count("no-store") == 1
    again = admin.post(reverse("endpoint-new"), sent)
    assert (again.status_code, "Another endpoint has this name." in text_of(again)) == (422, True)
    wrong = admin.post(reverse("endpoint-new"), sent | {"name": "B", "url": "https://10.0.0.1/", "after": "9"})
    assert "has an address inside a network" in text_of(wrong)
    assert Endpoint.objects.count() == 1


def test_an_open_session_alone_adds_none_and_sees_no_address(root: User, sign_in: Any, endpoint: Endpoint) -> None:
    client = sign_in(root)
    for name, args in (("endpoint-new", []), ("endpoint", [endpoint.pk]), ("endpoint-secret", [endpoint.pk])):
        answer = client.post(reverse(name, args=args), {"name": "x", "url": URL, "format": "standard"})
        assert answer["Location"].startswith(reverse("confirm"))
    assert "geheim" not in client.get(reverse("endpoint", args=[endpoint.pk])).content.decode()
    assert Endpoint.objects.get().name == "Argo"


def test_whose_account_is_held_changes_none(root: User, admin: Client, endpoint: Endpoint) -> None:
    User.objects.filter(pk=root.pk).update(held_since=timezone.now())
    assert admin.get(reverse("endpoint-new")).status_code == 403
    assert admin.post(reverse("endpoint-act", args=[endpoint.pk, "disable"])).status_code == 403
    assert Endpoint.objects.get().state == "active"


def test_a_lead_sees_how_endpoints_are_and_no_address(lena: User, sign_in: Any, endpoint: Endpoint) -> None:
    Endpoint.objects.update(state="disabled", disabled_why="Nothing arrived for 3 days.")
    given_up(endpoint, 2)
    page = sign_in(lena).get(reverse("deliveries"))
    said = text_of(page)
    assert "Nothing arrived for 3 days." in said
    assert "Given up 2" in said
    assert "It answered 503 Service Unavailable." in said
    assert "geheim" not in page.content.decode()
    assert reverse("endpoint-new") not in page.content.decode()


def test_behind_is_what_has_not_arrived(
    lena: User, sign_in: Any, endpoint: Endpoint, make_patch: Any, approve: Any, alice: User
) -> None:
    def behind() -> list[str]:
        page = sign_in(lena).get(reverse("deliveries")).content.decode()
        return re.findall(r'<td class="n end">(\d+) <span class="only-phone">behind', page)

    for _ in range(3):
        approve(make_patch(), alice)
    while dispatch():
        pass
    assert behind() == ["3"]
    webhooks.tell_endpoints(timezone.now(), limit=2)
    assert behind() == ["3"]
    Delivery.objects.filter(position=1).update(state="delivered", ended_at=timezone.now())
    assert behind() == ["2"]
    Delivery.objects.filter(position=2).update(state="delivered", ended_at=timezone.now())
    assert behind() == ["1"]


def test_what_was_given_up_is_sent_again_one_some_or_all(lena: User, sign_in: Any, endpoint: Endpoint) -> None:
    client = sign_in(lena)
    first, second, third, *rest = given_up(endpoint, 60)
    replay = reverse("deliveries-replay")
    client.post(replay, {"one": str(first.pk), "delivery": str(second.pk)})
    assert Delivery.objects.filter(state="pending").count() == 1
    done = client.post(replay, {"delivery": [str(second.pk), str(third.pk), "nonsense"]}, follow=True)
    assert "2 are sent again." in text_of(done)
    client.post(replay, {"all": "1", "channel": "mail"})
    assert Delivery.objects.filter(state="dead").count() == 57
    client.post(replay, {"all": "1", "channel": "webhook", "endpoint": str(endpoint.pk)})
    assert Delivery.objects.filter(state="dead").count() == 0
    nothing = client.post(replay, {"delivery": str(first.pk)}, follow=True)
    assert "Nothing was sent again" in text_of(nothing)
    assert Entry.objects.filter(type="delivery.replayed").count() == 3


def test_pages_of_the_list_meet_and_miss_nothing(lena: User, sign_in: Any, endpoint: Endpoint) -> None:
    client, found, address = sign_in(lena), [], reverse("deliveries")
    rows = given_up(endpoint, 120)
    Delivery.objects.update(ended_at=timezone.now())  # so that only the id says which comes first
    while address:
        page = client.get(address).content.decode()
        found += re.findall(r'name="delivery" value="([0-9a-f-]+)"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = html.unescape(following[1]) if following else ""
    assert found == sorted((str(row.pk) for row in rows), reverse=True)


@pytest.mark.usefixtures("mail_server")
def test_each_state_and_channel_has_its_list(lena: User, alice: User, sign_in: Any, endpoint: Endpoint) -> None:
    facts = {"headline": "PATCH-1 waits", "link": "/"}
    notify(News("stand_in", "1", "1", facts), {alice.pk: "asked"}, now=timezone.now())
    client = sign_in(lena)
    waiting = text_of(client.get(reverse("deliveries"), {"state": "pending"}))
    assert "PATCH-1 waits" in waiting
    assert "PATCH-1 waits" in text_of(client.get(reverse("deliveries"), {"state": "pending", "channel": "mail"}))
    assert "PATCH-1 waits" not in text_of(client.get(reverse("deliveries"), {"state": "pending", "channel": "slack"}))
    for state in ("delivered", "dropped"):
        Delivery.objects.update(state=state, ended_at=timezone.now())
        assert "PATCH-1 waits" in text_of(client.get(reverse("deliveries"), {"state": state}))


def test_the_buttons_of_an_endpoint(admin: Client, endpoint: Endpoint) -> None:
    def press(action: str) -> str:
        return text_of(admin.post(reverse("endpoint-act", args=[endpoint.pk, action]), follow=True))

    assert "A test is on its way" in press("test")
    assert Delivery.objects.get().position == -1
    assert "Nothing more is sent to it" in press("disable")
    assert "It is disabled, and nothing is sent: enable it first." in press("test")
    assert "It is called again" in press("enable")
    replaced = admin.post(reverse("endpoint-secret", args=[endpoint.pk]))
    assert "whsec_" in replaced.content.decode()
    assert "calls bear two signatures" in text_of(replaced)
    assert "by the new secret alone" in press("end-old-secret")
    changed = {"name": "Flux", "url": URL, "format": "s1"}
    admin.post(reverse("endpoint", args=[endpoint.pk]), changed)
    assert Endpoint.objects.get().name == "Flux"
    assert "It is removed." in press("remove")
    assert admin.post(reverse("endpoint-act", args=[endpoint.pk, "enable"])).status_code == 404
    assert admin.get(reverse("endpoint", args=[endpoint.pk])).status_code == 404
    assert admin.post(reverse("endpoint-act", args=[endpoint.pk, "explode"])).status_code == 404
