"""No entry's body holds personal data: a walk through every type of entry with people who are easily found in it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.accounts.services import account_changes, guessing, identity, owners, rights, tokens
from approvals.api.gate_documents import GateRequest
from approvals.api.gate_documents import submission_of as gate_submission
from approvals.errors import Conflict, NotAllowed
from approvals.models import (
    ApiToken,
    Channel,
    Decision,
    DeploymentResult,
    FeedEntry,
    PatchView,
    Policy,
    Priority,
    Source,
    Status,
    User,
    Verdict,
)
from approvals.queries import revocable
from approvals.services import (
    absence,
    bypasses,
    chat,
    deployment_requests,
    deployments,
    endpoints,
    killswitch,
    lifecycle,
    policies,
    reviews,
    revocations,
    second_person,
    timers,
    webhooks,
)
from approvals.services.bypasses import Target
from approvals.services.deployment_requests import Incoming
from approvals.services.dispatch import dispatch
from approvals.services.imported import ForeignDecision, import_decisions
from approvals.services.kev import import_catalogue
from approvals.services.restoring import note_restore
from audit.log import canonical, text_digest
from audit.models import Context, Entry
from audit.queries import body_of, data_of, row
from audit.types import TYPES
from notifications.models import Delivery
from tests.cast import DIFF, EVIDENCE, PASSWORD, SYSTEM, actor_for, gate_request, one_person_enough, republish, trust

pytestmark = pytest.mark.django_db
SURNAME = "Ashgrove"  # everybody's, in their user names and addresses too, and in each sentence they write
WORDS = f"Dr. {SURNAME} said so."
NOW = timezone.now()


def acting(user: User, now: Any = None) -> Any:
    return {"user": user, "actor": actor_for(user), "now": now or timezone.now()}


@pytest.fixture
def people(alice, bob, lena, carol):
    """Alice and bob, who review, two leads, carol and an administrator, all of one family."""
    luis = User.objects.create_user("luis", "luis@example.org", PASSWORD, first_name="Luis")
    luis.groups.set(Group.objects.filter(name="security-leads"))
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD, first_name="Root")
    for person in (alice, bob, lena, carol, luis, root):
        name = person.username
        person.username, person.last_name = f"{name}.{SURNAME.lower()}", SURNAME
        person.email = f"{name}@{SURNAME.lower()}.example"
        person.save()
    return alice, bob, lena, carol, luis, root


@pytest.fixture
def walk(people, make_patch, approve, make_gate, producer, token_for, sign_in):
    """Do what writes each type of entry, mostly with refusals on the way whose sentences name people."""
    alice, bob, lena, carol, luis, root = people
    _patches(alice, bob, lena, make_patch, approve)
    _clock(bob, make_patch)
    _after(alice, lena, make_patch, approve, token_for)
    _machines(producer, make_patch, make_gate, alice, lena, luis, root)
    _rules(alice, lena, luis, carol, root)
    _bypasses(alice, lena, luis, carol, make_patch, approve)
    _account(alice, carol, root, sign_in)
    note_restore("hitl-20261130T020000Z", "2026-11-30", 9, "00" * 32, actor=SYSTEM, now=timezone.now())


def _patches(alice, bob, lena, make_patch, approve):
    mine = {"submitted_by": alice.email}
    own = make_patch(**mine)
    with pytest.raises(NotAllowed):
        approve(own, alice)
    done = make_patch()
    approve(done, alice)
    with pytest.raises(Conflict, match=SURNAME.lower()):
        approve(done, bob)
    lifecycle.revoke(done.decision_id, WORDS, **acting(lena))
    approve(make_patch(), bob, Verdict.REJECT, text=WORDS)
    approve(make_patch(), bob, Verdict.REQUEST_CHANGES, text=WORDS)
    shared = make_patch(severity="critical")
    reviews.comment(shared.decision_id, WORDS, **acting(alice))
    stand_in = absence.delegate(bob, alice, NOW, NOW + timedelta(days=2), WORDS, actor=actor_for(bob), now=NOW)
    approve(shared, alice, in_name_of=bob.pk)
    reviews.withdraw(shared.decision_id, WORDS, **acting(alice))
    absence.end(stand_in.pk, **acting(bob))
    lifecycle.extend(shared.decision_id, 60, WORDS, **acting(lena))
    lifecycle.cancel(shared.decision_id, WORDS, channel=Channel.PAGE, **acting(lena))
    make_patch(patch_id="PATCH-AGAIN", **mine)
    make_patch(patch_id="PATCH-AGAIN", diff=DIFF.replace("'select %s'", "'select ?'"), **mine)


def _clock(bob, make_patch):
    chain = [
        {"after_seconds": 60, "people": [bob.username], "unopened": True},
        {"after_seconds": 60, "people": [bob.username], "groups": ["auditor"]},
    ]
    republish(Policy.objects.get(name="medium"), escalation=chain)
    waiting, opened = make_patch(severity="medium"), make_patch(severity="medium")
    PatchView.objects.create(patch=opened.patch, user=bob, opened_at=NOW)
    lifecycle.escalate(waiting.decision_id, WORDS, **acting(bob))
    for _ in range(2):
        lifecycle.escalate(waiting.decision_id, WORDS, **acting(bob))
    for minutes in range(0, 10, 2):
        timers.escalate_due(timezone.now() + timedelta(days=1, minutes=minutes))
    timers.remind_due(Decision.objects.get(pk=waiting.pk).remind_at)
    raised = make_patch(severity="low", cve_id="CVE-2023-7001")
    listed = {"cveID": "CVE-2023-7001", "dateAdded": "2026-11-01"}
    import_catalogue({"vulnerabilities": [listed]}, actor=SYSTEM, now=timezone.now())
    names: dict[str, Any] = {"source_id": "1", "names": ["1"], "heading": f"Asked by {SURNAME}", "decided_by": SURNAME}
    decided = ForeignDecision(Source.WORKFLOW_GATES, outcome=Status.REJECTED, decided_at=None, record="{}", **names)
    import_decisions([decided], actor=SYSTEM, now=timezone.now())
    assert Decision.objects.get(pk=raised.pk).priority > Priority.LOW
    timers.expire_due(timezone.now() + timedelta(days=90))


def _after(alice, lena, make_patch, approve, token_for):
    approved = approve(make_patch(), alice)
    token_for("deployer", "argo")
    while dispatch():
        pass
    position = FeedEntry.objects.filter(decision=approved).latest("position").position
    token = ApiToken.objects.get(name="argo")
    _webhooks(approved, lena)
    revocations.acknowledge(approved.decision_id, position, token=token, actor=SYSTEM, now=timezone.now())
    for sha256 in (approved.patch.sha256, "0" * 64):
        report = deployments.Report(sha256, DeploymentResult.DEPLOYED, timezone.now(), WORDS)
        deployments.report_outcome(approved, report, token=token, actor=SYSTEM, now=timezone.now())
    _deployments_of_github()
    wanted = revocable.Approvals(reviewer=alice.pk)
    found = revocable.listed(wanted)
    shown = revocations.ShownApprovals(found.digest, len(found.keys), timezone.now())
    revocations.revoke_all(wanted, WORDS, shown=shown, criteria={"reviewer": f"user:{alice.pk}"}, **acting(lena))


def _webhooks(approved, lena):
    """An endpoint that is named after somebody, at an address with their name."""
    said = {"actor": actor_for(lena), "now": timezone.now()}
    wanted = endpoints.Wanted(f"{SURNAME}'s", f"https://example.org/{SURNAME}", "standard", "deployer:argo")
    made, _ = endpoints.add(wanted, 0, **said)
    endpoints.send_test(made.pk, **said)
    endpoints.replace_secret(made.pk, **said)
    webhooks.tell_endpoints(timezone.now())
    Delivery.objects.update(state="dead", ended_at=timezone.now())
    endpoints.replay(list(Delivery.objects.values_list("pk", flat=True)), **said)
    endpoints.disable(made.pk, **said)
    endpoints.enable(made.pk, **said)
    endpoints.remove(made.pk, **said)


def _deployments_of_github():
    gate = GateRequest.model_validate(gate_request(execution_id="github"))
    asked = [
        deployment_requests.receive(
            Incoming(str(n), str(n), "acme/shop", "production", 1, "https://api.github.com/"),
            gate_submission(gate),
            producer="github",
            actor=SYSTEM,
            now=timezone.now(),
        )
        for n in range(2)
    ]
    deployment_requests.answered(asked[0], "approved", now=timezone.now())
    deployment_requests.failed(asked[1], "GitHub answered 404.", now=timezone.now(), for_good=True)


def _machines(producer, make_patch, make_gate, alice, lena, luis, root):
    trust(producer, actor_for(root))
    republish(Policy.objects.get(name="low"), auto_approval="enforce")
    make_patch(**EVIDENCE | {"diff": DIFF.replace("name", "word")})
    killswitch.turn(True, WORDS, **acting(lena))
    make_patch(**EVIDENCE | {"patch_id": "PATCH-STOPPED"})
    make_gate(allowed_approvers=[alice.email], triggered_by=lena.email)
    again = second_person.start_again(reason=WORDS, **acting(lena))
    assert again is not None
    second_person.agree(again.pk, **acting(luis))


def _rules(alice, lena, luis, carol, root):
    medium = Policy.objects.select_related("current").get(name="medium")
    assert medium.current is not None
    loose = policies.from_plain(policies.terms_of(medium.current) | {"match": "true || kev"})
    made = second_person.change_policy(medium, loose, reason=WORDS, **acting(lena))
    with pytest.raises(NotAllowed):
        second_person.agree(made.pk, **acting(lena))
    second_person.refuse(made.pk, **acting(luis))
    with pytest.raises(Conflict, match=SURNAME):
        second_person.refuse(made.pk, **acting(luis))
    medium = Policy.objects.select_related("current").get(name="medium")
    made = second_person.change_policy(medium, loose, reason=WORDS, **acting(lena))
    second_person.refuse(made.pk, **acting(lena))
    with pytest.raises(NotAllowed):
        second_person.stop(reason=WORDS, **acting(carol))
    joins = rights.PendingChange({"groups": ["reviewer"]}, ["They join reviewer."])
    second_person.agree(second_person.change_rights(carol, joins, reason=WORDS, **acting(root)).pk, **acting(lena))
    group = Group.objects.get(name="auditor")
    grants = rights.PendingChange({"permissions": ["approvals.review_decision"]}, ["Its members may decide patches."])
    second_person.agree(second_person.change_rights(group, grants, reason=WORDS, **acting(root)).pk, **acting(lena))


def _bypasses(alice, lena, luis, carol, make_patch, approve):
    republish(Policy.objects.get(name="critical-two-person"), step_up=False)
    flask = Target(package_name="flask")

    def ask(by: User) -> int:
        return bypasses.ask(alice, flask, 3600, WORDS, **acting(by)).pk

    bypasses.refuse(ask(lena), **acting(luis))
    bypasses.refuse(ask(lena), **acting(lena))
    with pytest.raises(NotAllowed):
        bypasses.ask(alice, flask, 3600, WORDS, **acting(carol))
    held = bypasses.grant(ask(lena), **acting(luis))
    critical = make_patch(severity="critical", package_name="flask")
    reviews.open_page(critical.patch, alice, timezone.now())
    seen = reviews.Seen(critical.patch.sha256, authenticated_at=timezone.now(), bypass=held.pk)
    reviews.review(critical.decision_id, Verdict.APPROVE, seen=seen, **acting(alice))
    bypasses.review(critical.decision_id, True, WORDS, **acting(luis))
    bypasses.end(held.pk, **acting(lena))


def _account(alice, carol, root, sign_in):
    token, _ = tokens.issue_token(
        f"{SURNAME}'s laptop", "personal", actor=actor_for(alice), now=timezone.now(), user=alice
    )
    tokens.revoke_token(token, actor=actor_for(alice), now=timezone.now())
    browser = Client()
    for _ in range(guessing.PER_ACCOUNT + 2):
        browser.post(reverse("login"), {"username": alice.username, "password": f"my {SURNAME}"})
    guessing.sum_up(timezone.now() + guessing.WINDOW)
    browser.post(reverse("login"), {"username": alice.email, "password": PASSWORD})
    browser.post(reverse("confirm"), {"password": PASSWORD, "next": "/"})
    browser.get(reverse("history-csv"), {"reviewer": alice.email, "q": SURNAME, SURNAME: "1"})
    browser.post(reverse("logout"))
    Client().post(reverse("login"), {"username": f"nobody.{SURNAME}", "password": SURNAME})
    sign_in(carol).post(
        f"/hitl/patches/{SURNAME}/approve", {"decision_id": str(Decision.objects.latest("pk").decision_id)}
    )
    account_changes.record_second_factor(
        alice, "authenticator app added", [], actor=actor_for(alice), now=timezone.now()
    )
    with one_person_enough(), transaction.atomic():  # held by an administrator, and the owner's word is enough
        owners.hold(carol, ["e-mail address"], needs_lead=False, actor=actor_for(root), now=timezone.now())
    code = chat.new_code(alice, now=NOW)
    chat.link_slack(code, f"U0{SURNAME}", "T0", origin=actor_for(alice), now=NOW)
    chat.unlink_slack(alice, actor=actor_for(alice), now=NOW)
    owners.confirm(carol, authenticated_at=timezone.now(), actor=actor_for(carol), now=timezone.now())
    identity.change_password(alice, "quite another staple", session_key=None, actor=actor_for(alice), now=NOW)


def test_no_body_of_any_type_names_anybody(walk):
    written = {entry.type for entry in Entry.objects.all()}
    assert sorted(set(TYPES) - written) == [], "each type of entry is walked through"
    named = [
        f"{entry.type}: {bytes(entry.body).decode()}"
        for entry in Entry.objects.order_by("pk")
        if SURNAME.lower() in bytes(entry.body).decode().lower()
    ]
    assert named == []


def test_what_names_people_is_read_beside_the_bodies(walk):
    said = {entry.type: str(data_of(entry)) for entry in Entry.objects.select_related("context").order_by("pk")}
    for type in ("decision.refused", "decision.escalated", "export.made"):
        assert SURNAME.lower() in said[type].lower(), type
    refused = Entry.objects.filter(type="attempt.refused", object_type="proposal").latest("pk")
    assert "a second person must agree" in row(refused)["details"]["why"]


def test_bodies_commit_to_what_stands_beside_them_and_outlive_it(walk):
    kept = list(Entry.objects.select_related("context").exclude(context__aside=""))
    assert kept
    for entry in kept:
        beside = entry.context
        assert canonical(json.loads(beside.aside)).decode() == beside.aside
        assert body_of(entry)["data"]["aside"] == {"sha256": text_digest(beside.salt, beside.aside)}
    with connection.cursor() as cursor:
        cursor.execute("update audit_context set aside = '', salt = ''")
    for entry in Entry.objects.select_related("context"):
        assert SURNAME.lower() not in str(data_of(entry)).lower()


def test_pages_are_read_after_what_named_people_is_erased(walk, people, sign_in):
    client = sign_in(people[2])
    Context.objects.update(aside="", salt=b"", actor_label="", object_label="")
    client.get("/audit/entries")
    for decision in Decision.objects.filter(pk__in=Decision.objects.order_by("pk")[:8]):
        assert client.get(reverse("patch-detail", args=[decision.decision_id])).status_code == 200
    people[2].groups.add(Group.objects.get(name="auditor"))
    reader = sign_in(User.objects.get(pk=people[2].pk))
    assert reader.get(reverse("audit:entries")).status_code == 200
    for entry in Entry.objects.filter(type__in=["decision.refused", "export.made", "proposal.made"]):
        assert reader.get(reverse("audit:entry", args=[entry.uuid])).status_code == 200
