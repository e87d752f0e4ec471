"""The cast of the tests: people, machines, their clients, and patches with only what matters set."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from approvals.accounts.services import tokens
from approvals.api import gate_documents
from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.models import (
    ApiToken,
    Channel,
    Decision,
    Displayed,
    KillSwitch,
    Policy,
    PolicyVersion,
    Producer,
    TokenKind,
    User,
    Verdict,
)
from approvals.services import bypasses, policies, producers, reviews
from approvals.services.bypasses import Target
from approvals.services.intake import submit
from audit.log import Actor
from audit.models import ActorKind
from hitl import ops

PASSWORD = "correct horse battery staple"
DIFF = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n-query = 'select ' + name\n+query = 'select %s'\n run(query)\n"
EVIDENCE: dict[str, Any] = {
    "ml_prediction": {"confidence": 0.97, "prediction": True},
    "wargaming_result": {"phase1_success": True, "phase2_success": True, "validation_passed": True},
    "risk_level": "low",
    "severity": "low",
    "vulnerable_locations": [{"file": "app.py"}],
}
"""With a producer that is trusted for both kinds, all that automatic approval asks of a patch."""
UNSURE = {**EVIDENCE, "ml_prediction": {"confidence": 0.6, "prediction": True}}
"""The same but for the height of the confidence, which approval by time does not ask for."""
SYSTEM = Actor("command:test", ActorKind.SERVICE, "test", "shell")


def actor_for(user: User, authn: str = "session") -> Actor:
    return Actor(f"user:{user.pk}", ActorKind.HUMAN, user.username, authn)


def document(**changes: Any) -> dict[str, Any]:
    """Return an intake document; keys of patch_metadata may be given flat."""
    metadata = {"apv_id": "APV-0001", "severity": "medium", "package_name": "flask", "cve_id": "CVE-2024-7777"}
    top = {"patch_id": "PATCH-0001", "diff": DIFF}
    fields = IntakeDocument.model_fields
    for name, value in changes.items():
        (top if name in fields else metadata)[name] = value
    return {**top, "patch_metadata": {**metadata, **top.pop("patch_metadata", {})}}  # type: ignore[dict-item]


def gate_request(**changes: Any) -> dict[str, Any]:
    """Return what a workflow sends to ask for an approval."""
    least = {"title": "Deploy to production", "workflow_id": "deploy", "job_id": "approve", "execution_id": "run-1"}
    return {**least, **changes}


def person(name: str, *groups: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.org", PASSWORD, first_name=name.capitalize())
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


@pytest.fixture
def alice(db: None) -> User:
    return person("alice", "reviewer")


@pytest.fixture
def bob(db: None) -> User:
    return person("bob", "reviewer")


@pytest.fixture
def lena(db: None) -> User:
    return person("lena", "security-leads")


@pytest.fixture
def carol(db: None) -> User:
    return person("carol", "viewer")


@pytest.fixture
def audrey(db: None) -> User:
    return person("audrey", "auditor")


@pytest.fixture
def mail_server(settings: Any) -> None:
    """Name a mail server, without which no mail is queued; Django's tests keep what is sent to it."""
    settings.SMTP_HOST = settings.EMAIL_HOST = "127.0.0.1"


@pytest.fixture
def producer(db: None) -> Producer:
    return producers.ensure_producer("patchgen", actor=SYSTEM, now=timezone.now())


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    """Return a function that gives a client signed in as that person."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


def proved(client: Client, minutes_ago: float = 0) -> Client:
    """Let a client's session say when its person last gave their password, and return the client."""
    at = (timezone.now() - timedelta(minutes=minutes_ago)).timestamp()
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": at}]
    session["account_authentication_methods_user"] = session["_auth_user_id"]
    session.save()
    return client


def opened(client: Client, decision: Decision) -> Client:
    """Let a client's person have opened a patch's page, and return the client."""
    reviews.open_page(decision.patch, User.objects.get(pk=client.session["_auth_user_id"]), timezone.now())
    return client


@pytest.fixture
def token_for(db: None) -> Callable[..., str]:
    """Return a function that issues a token of a kind and returns its secret."""

    def make(kind: str = "producer", name: str = "patchgen", user: User | None = None, **more: Any) -> str:
        now = more.pop("now", timezone.now())
        return tokens.issue_token(name, TokenKind(kind), actor=SYSTEM, now=now, user=user, **more)[1]

    return make


class Api:
    """A caller of the JSON API: `api.post(path, body)`; with a token, or with a person's session and CSRF."""

    def __init__(self, token: str = "", user: User | None = None) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {token}"} if token else None)
        if user:
            self.client.force_login(user)

    def get(self, path: str, **parameters: Any) -> Any:
        return self.client.get(path, parameters)

    def post(self, path: str, body: Any = None, **headers: Any) -> Any:
        return self.client.post(path, body, content_type="application/json", headers=headers or None)


@pytest.fixture
def producer_api(token_for: Callable[..., str]) -> Api:
    return Api(token_for("producer"))


@pytest.fixture
def deployer_api(token_for: Callable[..., str]) -> Api:
    return Api(token_for("deployer", "argo"))


@pytest.fixture
def api_of() -> Callable[[User], Api]:
    return lambda user: Api(user=user)


@pytest.fixture
def make_patch(producer: Producer) -> Callable[..., Decision]:
    """Return a function that takes in a patch and returns its decision; each call is a patch of its own."""
    count = 0

    def make(
        *, now: datetime | None = None, clocks: bool = True, by: Producer | None = None, **changes: Any
    ) -> Decision:
        nonlocal count
        count += 1
        changes.setdefault("patch_id", f"PATCH-{count:04}")
        changes.setdefault("cve_id", f"CVE-2024-{count:04}")
        submission = submission_of(IntakeDocument.model_validate(document(**changes)))
        taken = submit(submission, producer=by or producer, actor=SYSTEM, now=now or timezone.now(), clocks=clocks)
        return taken.decision

    return make


@pytest.fixture
def make_gate(producer: Producer) -> Callable[..., Decision]:
    """Return a function that takes in a workflow gate and returns its decision; each call is a run of its own."""
    count = 0

    def make(*, now: datetime | None = None, by: Producer | None = None, **changes: Any) -> Decision:
        nonlocal count
        count += 1
        changes.setdefault("execution_id", f"run-{count}")
        request = gate_documents.GateRequest.model_validate(gate_request(**changes))
        submission = gate_documents.submission_of(request)
        return submit(submission, producer=by or producer, actor=SYSTEM, now=now or timezone.now()).decision

    return make


@pytest.fixture
def approve() -> Callable[..., Decision]:
    """Return a function by which a person gives a verdict on the present digest."""

    def give(decision: Decision, user: User, verdict: Verdict = Verdict.APPROVE, **more: Any) -> Decision:
        now = more.pop("now", timezone.now())
        reviews.open_page(decision.patch, user, now)
        seen = reviews.Seen(
            more.pop("sha256", decision.patch.sha256), Displayed.PAGE, Channel.PAGE, authenticated_at=now
        )
        if verdict != Verdict.APPROVE:
            more.setdefault("text", "It misses the second call site.")
        if verdict == Verdict.REJECT:
            more.setdefault("category", "incomplete")
        return reviews.review(
            decision.decision_id, verdict, user=user, actor=actor_for(user), seen=seen, now=now, **more
        )

    return give


@pytest.fixture
def approved_alone(make_patch: Callable[..., Decision], alice: User, lena: User) -> Decision:
    """A critical patch that alice approved under an emergency bypass and another lead judged afterwards."""
    now, luis = timezone.now(), person("luis", "security-leads")
    by_luis = actor_for(luis)
    held = bypasses.ask(alice, Target(package_name="flask"), 3600, "Now.", user=lena, actor=actor_for(lena), now=now)
    bypasses.grant(held.pk, user=luis, actor=by_luis, now=now)
    decision = make_patch(severity="critical", package_name="flask", now=now)
    reviews.open_page(decision.patch, alice, now)
    seen = reviews.Seen(decision.patch.sha256, authenticated_at=now, bypass=held.pk)
    reviews.review(decision.decision_id, Verdict.APPROVE, user=alice, actor=actor_for(alice), seen=seen, now=now)
    bypasses.review(decision.decision_id, True, "Fine.", user=luis, actor=by_luis, now=now)
    return Decision.objects.get(pk=decision.pk)


@pytest.fixture
def token_row() -> Callable[[str], ApiToken]:
    return lambda secret: ApiToken.objects.get(prefix=secret.split("_")[1])


@contextmanager
def one_person_enough() -> Iterator[None]:
    """Let the database ask for no second person in here, as in an install that does without; the owner's right."""
    KillSwitch.objects.update(second_person_required=False)
    yield
    KillSwitch.objects.update(second_person_required=True)


def trust(producer: Producer, actor: Actor = SYSTEM, now: datetime | None = None) -> None:
    """Let all evidence of a producer count."""
    producer.trusted_for_ml = producer.trusted_for_wargaming = True
    with one_person_enough():
        producers.change_producer(producer, actor=actor, now=now or timezone.now())


def republish(policy: Policy, **terms: Any) -> PolicyVersion:
    """Publish other terms of a policy than its present ones, also looser ones, and return the version."""
    with one_person_enough():
        return tighten(policy, **terms)


def tighten(policy: Policy, **terms: Any) -> PolicyVersion:
    """Publish terms that one person may."""
    current = PolicyVersion.objects.get(current_of=policy)
    wanted = policies.from_plain(policies.terms_of(current) | terms)
    return policies.publish(policy, wanted, actor=SYSTEM, now=timezone.now())


class Away:
    """A database that answers nobody, in place of the connection of health and readiness."""

    asked = 0

    def cursor(self) -> None:
        self.asked += 1
        raise OperationalError("connection refused")

    def close(self) -> None:
        pass

    def within(self, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()

    apart = within


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> Away:
    away = Away()
    monkeypatch.setattr(ops, "connection", away)
    return away


@pytest.fixture
def critical_anywhere(db: None) -> None:
    """Let critical patches be approved on every channel, as an install may choose: for what is not about step-up."""
    republish(Policy.objects.get(name="critical-two-person"), step_up=False)


@pytest.fixture
def enforce_everywhere(db: None) -> None:
    """Let every policy approve without a person what meets its conditions."""
    for policy in Policy.objects.all():
        republish(policy, auto_approval="enforce")
