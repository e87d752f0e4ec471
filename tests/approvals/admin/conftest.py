"""Who works in the admin, and the forms as a browser would send them back."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.test import Client

PASSWORD = "correct horse battery staple"  # the cast's; pytest reads this file before models can be imported


def model(label: str) -> Any:
    return apps.get_model(label)


@pytest.fixture(scope="session")
def hashed() -> str:
    """PASSWORD as it is stored; hashing it takes a third of a second, so once is enough."""
    return make_password(PASSWORD)


@pytest.fixture
def root(db: None, hashed: str) -> Any:
    """The administrator: a superuser in no group."""
    return model("approvals.User").objects.create(
        username="root", email="root@example.org", password=hashed, is_staff=True, is_superuser=True
    )


@pytest.fixture
def admin_page(root: Any) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """Return a function that signs in somebody of the staff, with these groups and model permissions."""

    def make(name: str, *codenames: str, groups: tuple[str, ...] = ()) -> Client:
        user = model("approvals.User").objects.create_user(name, f"{name}@example.org", is_staff=True)
        groups_of, permissions = model("auth.Group").objects, model("auth.Permission").objects
        user.groups.set(groups_of.filter(name__in=groups))
        if codenames:
            granted = groups_of.create(name=f"what {name} may")
            granted.permissions.set(permissions.filter(codename__in=codenames))
            user.groups.add(granted)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def entries(db: None) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that gives the data of all entries of a type written since this fixture, oldest first."""
    log = model("audit.Entry").objects
    before = max(log.values_list("pk", flat=True), default=0)

    def of(type: str = "") -> list[dict[str, Any]]:
        rows = log.filter(pk__gt=before, type__startswith=type).order_by("pk")
        return [json.loads(bytes(row.body))["data"] for row in rows]

    return of


class Fields(HTMLParser):
    """Read the values a browser would submit from a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self.select = self.area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, kind = given.get("name") or "", given.get("type", "text")
        if tag == "select":
            self.select = name
        elif tag == "option" and "selected" in given and self.select:
            self.add(self.select, given.get("value") or "")
        elif tag == "textarea":
            self.area = name
            self.add(name, "")
        elif tag == "input" and name and kind not in {"submit", "checkbox", "radio"}:
            self.add(name, given.get("value") or "")
        elif tag == "input" and name and "checked" in given:
            self.add(name, given.get("value") or "on")

    def handle_data(self, data: str) -> None:
        if self.area:
            self.values[self.area][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.values[self.area][-1] = self.values[self.area][-1].lstrip("\n")
            self.area = ""
        elif tag == "select":
            self.select = ""

    def add(self, name: str, value: str) -> None:
        self.values.setdefault(name, []).append(value)


@pytest.fixture
def resend() -> Callable[..., Any]:
    """Return a function that opens a form, changes some fields (None: not sent) and sends it."""

    def send(client: Client, path: str, **changes: Any) -> Any:
        page = client.get(path)
        assert page.status_code == 200, page.status_code
        values: dict[str, Any] = Fields(page.content.decode()).values
        values.pop("q", None)
        values.update(changes)
        return client.post(path, {name: value for name, value in values.items() if value is not None})

    return send
