"""manage.py load_demo: accounts, 90 days of synthetic history, six scenarios and a workflow gate; none runs out."""

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from approvals.accounts.services import account_changes, tokens
from approvals.actors import command
from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.demo.gates import GATE, DemoGate
from approvals.demo.history import history
from approvals.demo.people import ADMINISTRATOR, CI, FORGE, LEAD, PEOPLE, PRODUCERS, ROLLOUT, DemoPerson, DemoProducer
from approvals.demo.scenario import Scenario
from approvals.demo.scenarios import SCENARIOS
from approvals.demo.steps import (
    Act,
    Arrival,
    Asking,
    Cancellation,
    Deployment,
    Escalation,
    Key,
    Remark,
    Revocation,
    Step,
    Verdict,
)
from approvals.errors import Refusal
from approvals.models import (
    ApiToken,
    Channel,
    Decision,
    DeploymentResult,
    Displayed,
    Patch,
    PatchKind,
    Producer,
    Status,
    TokenKind,
    User,
)
from approvals.models import Verdict as Word
from approvals.services import deployments, lifecycle, reviews, second_person, timers
from approvals.services.deployments import Report
from approvals.services.intake import Submission, SubmissionResult, submit_all
from audit.log import Actor
from audit.models import ActorKind

SYNTHETIC = "synthetic"
"""How the actors of demo entries proved who they are: not at all. Each entry of the history says so by it."""
LOADER = command("load_demo")
TRUST = "Its evidence of the last quarter was measured."
SIGN_IN = re.compile(r"(\S+@\S+)\s+(\S+)")


class Command(BaseCommand):
    help = "Load the demo: sign-ins, history, six scenarios and a workflow gate. Adds nothing once other patches exist."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load what is missing and top up what waits. Raise CommandError on a database of somebody else."""
        now = timezone.now()
        if Patch.objects.filter(synthetic=False).exists():
            self.stdout.write("There are other patches than the demo's, so the demo adds nothing.")
            return
        _refuse_a_foreign_database()
        users = _accounts(settings.HITL_DATA_DIR / "demo-accounts", now)
        producers = {one.name: _producer(one, users, now) for one in PRODUCERS}
        if not _past().exists():
            self.stdout.write("Making 90 days of synthetic history (once, about ten seconds) ...")
            self.stdout.flush()
            with _deployer(now) as deployer:
                Story(users, producers, deployer).play(history(now))
        timers.expire_due(now)  # what ran out while nothing was running would count as waiting and pass on its clocks
        refused = _top_up(producers[FORGE.name], SCENARIOS, now)
        no_gate = _top_up(producers[CI.name], [GATE], now)
        for refusal in [*refused, *no_gate]:
            self.stderr.write(refusal.detail)
        waiting = f"{len(SCENARIOS) - len(refused)} scenarios{'' if no_gate else ' and a workflow gate'}"
        self.stdout.write(f"Demo: {_past().count()} synthetic patches of the past, {waiting} to decide.")


class Story:
    """The history as it is played: each step through the service that a person or producer would reach."""

    def __init__(self, users: dict[str, User], producers: dict[str, Producer], deployer: ApiToken) -> None:
        self.users = users
        self.producers = producers
        self.deployer = deployer
        self.newest: dict[Key, Decision] = {}

    @transaction.atomic
    def play(self, steps: Iterable[Step]) -> None:
        """Play every step, oldest first, or none: half a history would never be completed."""
        for step in steps:
            if isinstance(step, Arrival):
                documents = [IntakeDocument.model_validate(document) for document in step.documents]
                self._arrive(step, [submission_of(document) for document in documents])
            elif isinstance(step, Asking):
                self._arrive(step, [step.gate.submission(1)])
            else:
                self._act(step, self.newest[step.patch])

    def _arrive(self, step: Arrival | Asking, submissions: list[Submission]) -> None:
        producer = self.producers[step.producer]
        for taken in _submit(submissions, producer, step.at, clocks=False):
            if isinstance(taken, Refusal):
                raise taken
            self.newest[step.producer, taken.decision.patch.patch_id] = taken.decision

    def _act(self, step: Act, decision: Decision) -> None:
        if isinstance(step, Cancellation):
            self._cancel(step, decision)
            return
        if isinstance(step, Deployment):
            self._deploy(step, decision)
            return
        user = self.users[step.who]
        actor = _person(user)
        match step:
            case Verdict():
                _decide(step, decision, user, actor)
            case Remark():
                reviews.comment(decision.decision_id, step.text, user=user, actor=actor, now=step.at)
            case Escalation():
                lifecycle.escalate(decision.decision_id, step.text, user=user, actor=actor, now=step.at)
            case Revocation():
                lifecycle.revoke(decision.decision_id, step.text, user=user, actor=actor, now=step.at)

    def _deploy(self, step: Deployment, decision: Decision) -> None:
        decision.refresh_from_db(fields=["status"])
        if decision.status not in {Status.APPROVED, Status.AUTO_APPROVED}:
            return
        actor = Actor(LOADER.id, ActorKind.SERVICE, step.who, SYNTHETIC)
        deployments.record_fetch(decision, token=self.deployer, now=step.at)
        report = Report(decision.patch.sha256, DeploymentResult(step.result), step.at, step.text)
        deployments.report_outcome(decision, report, token=self.deployer, actor=actor, now=step.at)

    def _cancel(self, step: Cancellation, decision: Decision) -> None:
        producer = self.producers[step.who]
        lifecycle.cancel(
            decision.decision_id,
            step.text,
            actor=_machine(producer),
            now=step.at,
            channel=Channel.API,
            producer=producer,
        )


@contextmanager
def _deployer(now: datetime) -> Iterator[ApiToken]:
    """Give the history's deployer a token for as long as the history is played; its secret is kept nowhere."""
    token, _ = tokens.issue_token(ROLLOUT, TokenKind.DEPLOYER, actor=LOADER, now=now)
    try:
        yield token
    finally:
        tokens.revoke_token(token, actor=LOADER, now=now)


def _decide(step: Verdict, decision: Decision, user: User, actor: Actor) -> None:
    opened = None if step.on_card else step.at - timedelta(seconds=step.seconds_open)
    if opened:
        reviews.open_page(decision.patch, user, opened)
    reviews.review(
        decision.decision_id,
        Word(step.verdict),
        user=user,
        actor=actor,
        seen=reviews.Seen(
            decision.patch.sha256,
            Displayed.CARD if step.on_card else Displayed.PAGE,
            Channel.CARD if step.on_card else Channel.PAGE,
            opened,
            authenticated_at=step.at,
        ),
        now=step.at,
        text=step.text,
        category=step.category,
    )


def _past() -> Any:
    """Return the patches of the history."""
    patches = Patch.objects.filter(synthetic=True, kind=PatchKind.PATCH)
    return patches.exclude(patch_id__in=[one.patch_id for one in SCENARIOS])


def _top_up(producer: Producer, wanted: Sequence[Scenario | DemoGate], now: datetime) -> list[Refusal]:
    """Send a fresh revision of each of these that no longer waits; return why some were refused."""
    newest = {
        decision.patch.patch_id: decision
        for decision in Decision.objects.filter(
            patch__producer=producer, patch__patch_id__in=[one.patch_id for one in wanted]
        )
        .select_related("patch")
        .order_by("patch__revision")
    }
    submissions = []
    for one in wanted:
        last = newest.get(one.patch_id)
        if last is None or last.status != Status.PENDING:
            submissions.append(one.submission(last.patch.revision + 1 if last else 1))
    return [taken for taken in _submit(submissions, producer, now, clocks=True) if isinstance(taken, Refusal)]


def _submit(
    submissions: list[Submission], producer: Producer, at: datetime, *, clocks: bool
) -> list[SubmissionResult | Refusal]:
    return submit_all(submissions, producer=producer, actor=_machine(producer), now=at, clocks=clocks, synthetic=True)


def _machine(producer: Producer) -> Actor:
    return Actor(LOADER.id, ActorKind.SERVICE, producer.name, SYNTHETIC)


@transaction.atomic
def _producer(wanted: DemoProducer, users: dict[str, User], now: datetime) -> Producer:
    """Return a demo producer, trusted as anywhere: one asks, a second agrees. What was changed since stays."""
    found = Producer.objects.filter(name=wanted.name).first()
    if found:
        return found
    producer = Producer(
        name=wanted.name,
        trusted_for_ml=wanted.trusted_for_ml,
        trusted_for_wargaming=wanted.trusted_for_wargaming,
    )
    asks, agrees = users[ADMINISTRATOR.username], users[LEAD.username]
    asked = second_person.change_trust(producer, reason=TRUST, user=asks, actor=_person(asks), now=now)
    if asked:
        second_person.agree(asked.pk, user=agrees, actor=_person(agrees), now=now)
    return Producer.objects.get(pk=producer.pk)


def _person(user: User) -> Actor:
    return Actor(f"user:{user.pk}", ActorKind.HUMAN, user.username, SYNTHETIC)


def _refuse_a_foreign_database() -> None:
    """Raise CommandError where the demo would put accounts with printed passwords beside those of other people."""
    if settings.EMBEDDED or Patch.objects.exists():
        return
    if User.objects.exclude(username__in=[person.username for person in PEOPLE]).exists():
        raise CommandError(
            "The database of DATABASE_URL has accounts of its own, and the demo would add some whose passwords are "
            "printed: use another database, or start without the demo (manage.py serve)."
        )


def _accounts(path: Path, now: datetime) -> dict[str, User]:
    """Return the demo's users by user name; new passwords are kept in the file at `path` and nowhere else.

    Written after the commit: should it fail, the next start finds no password there and makes another.
    """
    kept = dict(SIGN_IN.findall(path.read_text("utf-8"))) if path.exists() else {}
    users, lines = {}, []
    for person in PEOPLE:
        user, password = _account(person, kept.get(person.email), now)
        users[person.username] = user
        if password:
            lines.append(f"{person.name:<14}  {person.email:<22}  {password}  {person.role}\n")
    _keep(path, "".join(lines))
    return users


@transaction.atomic
def _account(person: DemoPerson, password: str | None, now: datetime) -> tuple[User, str | None]:
    """Return an account and its password; made when it is missing, a password set anew when it is not known."""
    user = User.objects.filter(username=person.username).first()
    if user and (password or not person.signs_in):
        return user, password
    password = _new_password() if person.signs_in else None
    if user:
        old = account_changes.user_facts(user)
        user.set_password(password)
        user.save(update_fields=["password"])
    else:
        old = None
        user = User.objects.create_user(
            person.username,
            person.email,
            password,
            first_name=person.first_name,
            last_name=person.last_name,
            is_staff=person.administrator,
            is_superuser=person.administrator,
        )
        user.groups.set(Group.objects.filter(name__in=person.groups))
    account_changes.record_user_change(user, old, actor=LOADER, now=now)
    return user, password


def _new_password() -> str:
    """Return 16 characters (79 bits) in groups, without those that look alike."""
    return "-".join("".join(secrets.choice(tokens.ALPHABET) for _ in range(4)) for _ in range(4))


def _keep(path: Path, text: str) -> None:
    """Write the sign-ins so that nobody else can read them at any moment. Raise CommandError."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
