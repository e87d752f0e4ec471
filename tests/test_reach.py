"""Who reaches what: every address of the site by every method, for every role and kind of token. What is not in the
tables lets nobody in; an address that is new fails here until somebody says whom it is for."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings as shipped
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from approvals.accounts import sessions
from approvals.models import (
    ApiToken,
    DeploymentResult,
    FeedEntry,
    ImportedDecision,
    Policy,
    Review,
    Source,
    Status,
    Text,
    User,
)
from approvals.services import absence, bypasses, endpoints, second_person, workbench
from approvals.services.bypasses import Target
from approvals.services.deployments import Report, report_outcome
from approvals.services.dispatch import dispatch
from audit.models import Entry
from notifications.models import Item
from notifications.services.notices import News, notify
from tests.approvals.adapters.sarif import log_of
from tests.cast import actor_for, document, gate_request, person, proved
from tests.reach_tables import ADMINISTRATION, CALLERS, DONE, OF_API, OF_PAGES, PEOPLE

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NOT_DONE = {"POST hitl/patches/<patch_id>/withdraw"}  # there is no review to take back
OF_THE_ADMIN = {"GET admin/": "staff admin", "POST admin/": "staff admin", "GET admin/jsi18n/": "staff admin"}
EDITED = {"producer", "group", "user", "policy"}
TRIES = {"attempt.refused", "decision.refused", "login.failed"}
"""Entries of what was refused."""


def routes(resolver: Any = None, prefix: str = "") -> Iterator[str]:
    """Yield the pattern of every address, the one that Django would take first, once."""
    for part in (resolver or get_resolver()).url_patterns:
        whole = prefix + str(part.pattern)
        if isinstance(part, URLResolver):
            yield from routes(part, whole)
        else:
            yield whole.replace("^(?=hitl/|api/)", "")


ROUTES = [route for route in dict.fromkeys(routes()) if route]
API = [route for route in ROUTES if route.startswith(("hitl/", "api/"))]
ADMIN = [route for route in ROUTES if route.startswith("admin/")]
PAGES = [""] + [route for route in ROUTES if route not in {*API, *ADMIN}]


def is_let_in(answer: Any) -> bool:
    if answer.status_code in {401, 403, 404, 405}:
        return False
    elsewhere = "/login|/accounts/confirm(?!.*%23decision)|/accounts/2fa/reauthenticate|^/admin/$|/accounts/password$"
    return answer.status_code != 302 or not re.search(elsewhere, answer["Location"])


def listed(table: dict[str, str], address: str) -> str:
    return next((callers for callers, addresses in table.items() if address in addresses.split(", ")), "")


class House:
    """People of every role, tokens of every kind, and one of each thing that an address can name."""

    def __init__(self, cast: dict[str, Any]) -> None:
        now, luis, producer = timezone.now(), person("luis", "security-leads"), cast["producer"]
        alice = cast["alice"]
        people = {"reviewer": alice, "lead": cast["lena"], "viewer": cast["carol"], "auditor": cast["audrey"]}
        people |= {"bare": person("bare"), "policies": person("pol", "policy-admin"), "staff": person("stu")}
        people["admin"] = User.objects.create_superuser("root", "root@example.org")
        User.objects.filter(pk=people["staff"].pk).update(is_staff=True)
        issue = cast["token_for"]
        self.tokens = {kind: issue(kind, f"a {kind}") for kind in ("producer", "deployer", "monitor")}
        self.tokens |= {"auditing": issue("auditor", "an auditor"), "own": issue("producer")}
        for name, who in (("personal", "reviewer"), ("personal-viewer", "viewer"), ("personal-lead", "lead")):
            self.tokens[name] = issue("personal", name, user=people[who])
        self.waiting, self.gate, other = cast["make_patch"](), cast["make_gate"](), cast["make_patch"]()
        self.done = cast["approve"](cast["make_patch"](), luis)
        report = Report(self.done.patch.sha256, DeploymentResult.DEPLOYED, now)
        argo = ApiToken.objects.get(kind="deployer")
        report_outcome(self.done, report, token=argo, actor=actor_for(luis), now=now)
        dispatch()
        self.position = FeedEntry.objects.get().pk
        mine: dict[str, Any] = {"actor": actor_for(alice), "now": now}
        theirs: dict[str, Any] = {"user": luis, "actor": actor_for(luis), "now": now}
        bypass = bypasses.ask(alice, Target(package_name="x"), 60, "x", **theirs)
        away = absence.delegate(alice, luis, now + timedelta(1), now + timedelta(2), "x", **mine)
        second_person.stop(reason="x", **theirs)
        again = second_person.start_again(reason="x", **theirs)
        imported = ImportedDecision.objects.create(
            source=Source.REFERENCE_API,
            source_id="x",
            outcome=Status.REJECTED,
            imported_at=now,
            heading="x",
            names=["x"],
            record=Text.objects.create(body='{"row": {}, "history": []}'),
        )
        wanted = endpoints.Wanted("x", "https://example.org/", "standard", "deployer:a deployer")
        endpoint, _ = endpoints.add(wanted, None, **mine)
        signed_in = UserSession.objects.create(user=alice, session_key="x" * 32, ip="127.0.0.1", user_agent="x")
        notify(News("stand_in", "x", "x", {"link": "/"}), {alice.pk: "x"}, now=now)
        item = Item.objects.get(person=alice, notice__key="x")
        key = Authenticator.objects.create(user=luis, type="webauthn", data={"name": "k", "credential": {}})
        token, view = ApiToken.objects.get(user=alice), workbench.save_view(alice, "n", "q=1")
        first: dict[Any, Any] = {model: model.objects.first() for model in (Policy, Group, Review, Entry)}
        self.rows = {"user": alice, "producer": producer, "apitoken": token, "policy": first[Policy], "bypass": bypass}
        self.rows |= {"group": first[Group], "patch": self.waiting.patch, "decision": self.waiting, "delegation": away}
        self.rows |= {"review": first[Review], "entry": first[Entry], "feedentry": FeedEntry.objects.get()}
        self.named = {
            "<uuid:decision_id>": self.waiting.decision_id,
            "<uuid:other_id>": other.decision_id,
            "<patch_id>": self.waiting.patch.patch_id,
            "<decision_id>": self.waiting.decision_id,
            "<gate_id>": self.gate.decision_id,
            "<int:policy_id>": first[Policy].pk,
            "<int:proposal_id>": again.pk if again else 0,
            "<int:bypass_id>": bypass.pk,
            "<slug:answer>": "refuse",
            "<slug:key>": "f0",
            "<slug:kind>": "decided",
            "<slug:part>": "whole",
            "<form>": "openvex",
            "<int:revision>": 1,
            "<str:action>": "approve",
            "<str:secret>": "hitl_1_x",
            "<int:delegation_id>": away.pk,
            "<int:view_id>": view.pk,
            "<int:imported_id>": imported.pk,
            "<int:item_id>": item.pk,
            "<int:endpoint_id>": endpoint.pk,
            "<slug:action>": "disable",
            "<uuid:entry_id>": first[Entry].uuid,
            "<slug:name>": "package",
            "<path:name>": self.waiting.patch.cve_id,
            "<id>": alice.pk,
            "<path:content_type_id>": 1,
            "tokens/<int:pk>": f"tokens/{token.pk}",
            "sessions/<int:pk>": f"sessions/{signed_in.pk}",
            "keys/<int:pk>": f"keys/{key.pk}",
            "<str:provider_id>": "sso",
            "(?P<url>.*)$": "x",
            "^(?P<app_label>approvals|auth|procrastinate|audit)/$": "approvals/",
        }
        self.clients: dict[str, Client] = {}
        self.cookies = {}
        for name, user in people.items():
            client = Client()
            client.force_login(user)
            session = proved(client).session
            session["account_authentication_methods"][0]["reauthenticated"] = True
            session.save()
            self.cookies[name] = client.cookies[shipped.SESSION_COOKIE_NAME].value

    def path(self, route: str) -> str:
        path, model = f"/{route}", re.match(r"admin/\w+/(\w+)/", route)
        row = self.rows.get(model[1]) if model else None
        for name, value in {**self.named, "<path:object_id>": row.pk if row else 1}.items():
            path = path.replace(name, str(value))
        assert not set("<>^$") & set(path), f"say in House what {path} names"
        if route.endswith(("/acknowledge", "<patch_id>/revoke")):
            path = path.replace(str(self.waiting.decision_id), str(self.done.decision_id))
            path = path.replace(self.waiting.patch.patch_id, self.done.patch.patch_id)
        return path

    def body(self, route: str) -> Any:
        """Return what this address of the API takes, so that only who may not is refused."""
        about = self.done if route.endswith("revoke") else self.waiting
        seen = {"decision_id": str(about.decision_id), "patch_sha256": about.patch.sha256}
        known: dict[str, Any] = {
            "hitl/patches": document(patch_id="N"),
            "hitl/patches/bulk": document(patch_id="N"),
            "hitl/admin/create-decision": document(patch_id="N"),
            "hitl/decisions/bulk": {"verdict": "reject", "reason": "x", "category": "other", "items": [seen]},
            "hitl/patches/<patch_id>/approve": seen,
            "hitl/patches/<patch_id>/comment": {"decision_id": seen["decision_id"], "comment": "x"},
            "hitl/patches/<patch_id>/extend": {**seen, "reason": "x", "seconds": 60},
            "hitl/decisions/<decision_id>/acknowledge": {"position": self.position},
            "hitl/patches/<patch_id>/outcome": {
                "deployed_sha256": about.patch.sha256,
                "result": "failed",
                "at": timezone.now().isoformat(),
            },
            "hitl/adapters/sarif": log_of(),
            "api/approvals": gate_request(execution_id="N"),
            "api/approvals/<gate_id>/approve": {"digest": self.gate.patch.sha256},
        }
        of_gate = {"digest": self.gate.patch.sha256, "reason": "x"}
        return known.get(route, of_gate if route.startswith("api/") else {**seen, "reason": "x"})

    def form(self) -> dict[str, Any]:
        """Return fields of every form; a page takes those it knows."""
        words = dict.fromkeys(("reason", "text", "note", "name"), "x")
        choices = {"verdict": "reject", "category": "other", "displayed": "page", "seconds": 3600, "theme": "dark"}
        more = {
            "days": 7,
            "file": "a" * 64,
            "patch_sha256": self.waiting.patch.sha256,
            "justified": "yes",
            "to": "stop",
        }
        return words | choices | more

    def client_of(self, who: str) -> Client:
        """Return the client of a caller with its first cookies; each new one would load the middleware anew."""
        if who not in self.clients:
            headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who in self.tokens else None
            self.clients[who] = Client(headers=headers, raise_request_exception=False)
        client = self.clients[who]
        client.cookies.clear()
        if who in self.cookies:
            client.cookies[shipped.SESSION_COOKIE_NAME] = self.cookies[who]
        return client

    def ask(self, who: str, method: str, route: str) -> Any:
        client, path = self.client_of(who), self.path(route)
        if route not in API or method not in {"POST", "PUT", "PATCH"}:
            sent: Any = client.post(path, self.form()) if method == "POST" else client.generic(method, path)
        else:
            kind = "application/x-ndjson" if route == "hitl/patches/bulk" else "application/json"
            sent = client.generic(method, path, json.dumps(self.body(route)), content_type=kind)
        if sent.streaming:
            b"".join(sent.streaming_content)
        return sent

    def found(self, method: str, route: str, callers: str) -> tuple[str, str]:
        """Return who of these callers is let in, and who of them left an entry of something done."""
        inside, wrote = [], []
        for who in callers.split():
            point = transaction.savepoint()
            last = Entry.objects.order_by("-pk").values_list("pk", flat=True)[0]
            answer = self.ask(who, method, route)
            written = set(Entry.objects.filter(pk__gt=last).values_list("type", flat=True)) - TRIES
            transaction.savepoint_rollback(point)
            assert answer.status_code < 500, (method, route, who)
            if who == "nobody" and answer.status_code == 405:
                break  # the address has no such method
            inside += [who] if is_let_in(answer) else []
            wrote += [who] if written else []
        return " ".join(inside), " ".join(wrote)


@pytest.fixture
def house(
    make_patch, make_gate, approve, token_for, producer, alice, lena, carol, audrey, settings, monkeypatch
) -> House:
    settings.SMTP_HOST = "127.0.0.1"  # without a mail server nothing is there to send
    # Slack alone is let in at chat/slack, by its signature: `tests/approvals/test_slack.py`.
    settings.SLACK_BOT_TOKEN, settings.SLACK_SIGNING_SECRET = "xoxb-1", "x"
    settings.EVENT_STREAMS = 0  # who is let in is told to come again: 429
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 86_400  # a walk may take longer than a proof is fresh
    monkeypatch.setattr(sessions, "FRESH", timedelta(days=1))
    return House(locals())


def compared(house: House, routes: list[str], callers: str, table: dict[str, str]) -> None:
    """Fail with every address where others are let in, or have something done, than the tables say."""
    addresses = [(method, route) for route in routes for method in ("GET", "POST")]
    found = {f"{method} {route}": house.found(method, route, callers) for method, route in addresses}
    said = {one: (listed(table, one), "" if one in NOT_DONE else listed(DONE, one)) for one in found}
    assert {one: found[one] for one in found if found[one] != said[one]} == {}


def test_the_api_lets_in_whom_the_table_says(house):
    compared(house, API, CALLERS, OF_API)


def test_pages_let_in_whom_the_table_says(house):
    compared(house, PAGES, PEOPLE, OF_PAGES)


def test_the_administration_lets_in_its_people_and_nobody_deletes_or_edits_a_record(house):
    table: dict[str, str] = {"admin": "", "staff admin": ", ".join(OF_THE_ADMIN)}
    for route in ADMIN:
        found = re.fullmatch(r"admin/(?:approvals|auth|audit|procrastinate)/(\w+)/(.*)", route)
        if not found:
            continue
        model, page = found.groups()
        there, edited = model in house.rows, model in EDITED
        methods = {
            "": "GET POST",
            "add/": "GET POST" if edited or model == "apitoken" else "",
            "<path:object_id>/history/": "GET POST" if there else "",
            "<path:object_id>/change/": ("GET POST" if edited else "GET") if there else "",
            "<path:object_id>/delete/": "",
            "<id>/password/": "GET POST",
        }
        who = "staff admin" if page == "<path:object_id>/" else "admin"  # it only leads to the page of changes
        for method in ("GET POST" if who != "admin" else methods[page]).split():
            table[who] += f", {method} {route}"
    app = next(route for route in ADMIN if "app_label" in route)
    table["admin"] += f", GET {app}, POST {app}"
    compared(house, ADMIN, ADMINISTRATION, table)


def test_no_address_takes_another_method(house):
    """Form views of Django and of libraries would take PUT for POST, and DELETE too."""
    asked = [(who, route) for route in ROUTES for who in (("lead", "own") if route in API else ("admin",))]
    methods = ("PUT", "PATCH", "DELETE", "TRACE")
    found = {(method, *one): house.ask(one[0], method, one[1]).status_code for method in methods for one in asked}
    assert {one: code for one, code in found.items() if code != 405} == {}
