"""After an approval: record that a deployer fetched a diff, what it says became of a patch, and the alarms."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from approvals.errors import Invalid, NotAllowed
from approvals.models import (
    ApiToken,
    Decision,
    DeploymentAlarm,
    DeploymentResult,
    DiffFetch,
    OutcomeReport,
    RaisedAlarm,
    Status,
    Text,
    TokenKind,
)
from approvals.policy.deployments import CLOCKS_APART, SENTENCES, Approved, alarm
from approvals.queries.deployers import expected_since
from approvals.queries.deployments import never_fetched
from approvals.queries.revocable import APPROVED
from audit.log import Actor, NewEntry, record, record_all
from audit.models import ActorKind

from .decision_lock import decisions_to_change, lock_decision, lock_free_decisions
from .ending import commitment, policy_ref, subject
from .reasons import check_reason

ONCE_APPROVED = (*APPROVED, Status.REVOKED)
WATCH = Actor(id="timer:deployments", kind=ActorKind.TIMER, label="deployment timer")
MOST_REPORTS = 1_000  # on one revision of a patch; beyond it a deployer is heard only with what it has never said of it


@dataclass(frozen=True, slots=True)
class Report:
    """What a deployer says: the SHA-256 of the bytes it applied, what came of it, when, and words ('' for none)."""

    sha256: str
    result: DeploymentResult
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A report as it was recorded; `sentence` says what is wrong with it, '' where nothing is."""

    decision: Decision
    alarm: DeploymentAlarm | None
    sentence: str


def report_outcome(
    newest: Decision, report: Report, *, token: ApiToken | None, actor: Actor, now: datetime
) -> Recorded:
    """Record what a deployer did with a patch, of which `newest` is the newest revision. The same report again changes
    nothing.

    An alarm is recorded like any other report: it is about what runs already. Raise NotAllowed (no deployer), Invalid
    (a time to come, a gate, a note that is too long, a report like many before).
    """
    if token is None or token.kind != TokenKind.DEPLOYER:
        raise NotAllowed("Only a deployer reports what it has deployed.")
    if newest.patch.is_gate:
        raise Invalid("A workflow gate has nothing to deploy.", field="patch_id", part="path")
    if report.at > now + CLOCKS_APART:
        raise Invalid("It lies in the future.", field="at", part="body")
    note = check_reason(report.note) if report.note.strip() else ""
    with transaction.atomic():
        matching = _with_bytes(newest, report.sha256)
        decision = lock_decision((matching or _in_question(newest)).decision_id)
        found = alarm(report.result, report.at, _approved(decision) if matching else None)
        values = {
            "decision": decision,
            "deployer": token.name,
            "deployed_sha256": report.sha256,
            "result": report.result,
            "deployed_at": report.at,
        }
        known = OutcomeReport.objects.filter(**values).first()
        if known:  # as it was judged then: what was revoked since was right when it was deployed
            found = DeploymentAlarm(known.alarm) if known.alarm else None
        else:
            _check_room(values, found)
            text = Text.objects.create(body=note) if note else None
            said = OutcomeReport.objects.create(**values, token=token, alarm=found or "", note=text, reported_at=now)
            if found:
                RaisedAlarm.objects.create(decision=decision, kind=found, report=said, raised_at=now)
            record(
                "decision.deployment_alarmed" if found else "decision.deployment_reported",
                actor=actor,
                at=now,
                subject=subject(decision),
                patch_sha256=decision.patch.sha256,
                data={
                    "result": str(report.result),
                    "deployed_sha256": report.sha256,
                    "deployed_at": report.at.isoformat(),
                    **({"alarm": str(found)} if found else {}),
                    **({"note": commitment(text)} if text else {}),
                },
            )
    return Recorded(decision, found, _sentence(found, decision, report))


def record_fetch(decision: Decision, *, token: ApiToken | None, now: datetime) -> None:
    """Keep when a deployer first fetched the diff of an approved patch; anybody else's fetch is no step towards
    production, nor is one of what is not approved."""
    if token is not None and token.kind == TokenKind.DEPLOYER and decision.status in APPROVED:
        DiffFetch.objects.bulk_create(
            [DiffFetch(decision=decision, deployer=token.name, fetched_at=now)], ignore_conflicts=True
        )


def alarm_never_fetched(now: datetime, limit: int = 200) -> int:
    """Raise one alarm for each approval that no deployer has taken notice of in time, and return how many were raised.
    None are where no deployer has a token, nor for what was approved before there was one."""
    since = expected_since()
    if since is None:
        return 0
    with transaction.atomic():
        forgotten = never_fetched(now).filter(decided_at__gte=since, alarms__isnull=True)
        rows = lock_free_decisions(decisions_to_change().filter(pk__in=forgotten.order_by().values("pk")), limit)
        kind = DeploymentAlarm.NEVER_FETCHED
        RaisedAlarm.objects.bulk_create(RaisedAlarm(decision=row, kind=kind, raised_at=now) for row in rows)
        entries = [
            NewEntry(
                "decision.deployment_alarmed",
                WATCH,
                subject(row),
                {"alarm": str(kind), "approved_at": row.decided_at},
                row.patch.sha256,
                policy_ref(row),
            )
            for row in rows
        ]
        record_all(entries, at=now)
    return len(rows)


def _check_room(values: dict[str, Any], found: DeploymentAlarm | None) -> None:
    """Raise Invalid where a revision has so many reports that one more like those before says nothing. No alarm is the
    first of its kind and refused."""
    reports = OutcomeReport.objects.filter(decision=values["decision"])
    alike = reports.filter(deployer=values["deployer"], result=values["result"], alarm=found or "")
    if reports.count() >= MOST_REPORTS and alike.exists():
        raise Invalid(
            f"This patch has {MOST_REPORTS:,} reports, and one with this result from this deployer. Repeat a report "
            "with the same `at`.",
            field="at",
            part="body",
            msg="too many",
        )


def _with_bytes(newest: Decision, sha256: str) -> Decision | None:
    """Return the newest revision whose bytes, or whose canonical form, have this digest; approved ones first."""
    rows = _revisions(newest).filter(Q(patch__sha256=sha256) | Q(patch__canonical_sha256=sha256))
    found = list(rows.order_by("-patch__revision"))
    return next((row for row in found if row.status in ONCE_APPROVED), found[0] if found else None)


def _in_question(newest: Decision) -> Decision:
    """Return the revision that bytes of no revision stand against: the newest approved one, else the newest."""
    return _revisions(newest).filter(status__in=APPROVED).order_by("-patch__revision").first() or newest


def _revisions(newest: Decision) -> QuerySet[Decision]:
    patch = newest.patch
    return Decision.objects.filter(patch__producer=patch.producer_id, patch__patch_id=patch.patch_id)


def _approved(decision: Decision) -> Approved:
    once = decision.status in ONCE_APPROVED
    revoked = decision.revocation.revoked_at if decision.status == Status.REVOKED else None
    return Approved(decision.decided_at if once else None, revoked)


def _sentence(found: DeploymentAlarm | None, decision: Decision, report: Report) -> str:
    if found is None:
        return ""
    status = Status(decision.status).label.lower()
    return SENTENCES[found].format(digest=report.sha256[:12], revision=decision.patch.revision, status=status)
