"""Take in what producers push: revisions, replays, supersession. The only writer of patches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

import uuid6
from django.conf import settings
from django.db import transaction

from approvals.diff.same_lines import SameLines
from approvals.diff.summary import Summary
from approvals.errors import Invalid, Refusal, TooMany
from approvals.models import (
    NO_DEADLINE,
    Decision,
    ExpireAction,
    Patch,
    PatchContent,
    PolicyVersion,
    Priority,
    Producer,
    Severity,
    Status,
)
from approvals.policy.evaluate import Situation, as_rows, auto_approval, covering, gate_approval, without_names
from approvals.policy.sampling import drawn
from approvals.policy.severity import effective_severity, priority
from approvals.queries.decisions import used_names
from approvals.queries.facts import CveFacts, condition_facts, cve_facts
from approvals.queries.policies import current_versions
from audit.log import Actor, NewEntry, Subject, record_all
from audit.statements import query, query_prepared

from .automatic import approve_by_policy
from .clocks import CLOCKS, plan_reminders
from .clocks import clocks as clocks_of
from .ending import policy_ref
from .gates import Asked, as_row, tighten
from .insertion import insert
from .killswitch import stopped_by
from .lifecycle import supersede
from .same_lines import change_columns, reading_columns
from .search_words import search_text
from .submitters import is_known, required_groups

REVISIONS_A_DAY = 20


@dataclass(frozen=True, slots=True)
class Submission:
    """One validated intake document: the patch's columns as sent, the diff's bytes, and what we read in them.

    `document_sha256` covers the whole document and the diff; equal digests are replays. `change` tells the same change
    in other patches. `gate` is what a workflow gate asks beyond its policy; it has no diff, and it comes alone.
    """

    columns: dict[str, Any]
    diff: bytes
    facts: Summary
    change: SameLines
    document_sha256: str
    alias: str | None = None
    gate: Asked | None = None

    @property
    def patch_id(self) -> str:
        return str(self.columns["patch_id"])


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """What became of a submission: the decision of the matching or new revision."""

    decision: Decision
    created: bool
    newest_revision: int


@dataclass(slots=True)
class IntakeContext:
    """What the database holds around a set of submissions, read once under their locks."""

    decisions: dict[str, list[Decision]]
    cves: dict[str, CveFacts]
    versions: list[PolicyVersion]
    stopped_by: str
    aliases: set[str] = field(default_factory=set)
    approved: set[UUID] = field(default_factory=set)  # by an enforced policy, without a person


def submit(
    submission: Submission,
    *,
    producer: Producer,
    actor: Actor,
    now: datetime,
    clocks: bool = True,
    synthetic: bool = False,
) -> SubmissionResult:
    """Take in one patch; raise what was wrong with it (Invalid, TooMany)."""
    result = submit_all([submission], producer=producer, actor=actor, now=now, clocks=clocks, synthetic=synthetic)[0]
    if isinstance(result, Refusal):
        raise result
    return result


@transaction.atomic
def submit_all(
    submissions: Sequence[Submission],
    *,
    producer: Producer,
    actor: Actor,
    now: datetime,
    clocks: bool = True,
    synthetic: bool = False,
) -> list[SubmissionResult | Refusal]:
    """Take in a set of patches with different `patch_id`s in one transaction; the answers keep their order.

    A refused one writes nothing and harms no other. `clocks=False` gives no SLA, escalation or expiry.
    """
    known = _lock_and_read(submissions, producer)
    results: list[SubmissionResult | Refusal] = []
    fresh: list[tuple[Submission, Patch, Decision]] = []
    for submission in submissions:
        history = known.decisions.get(submission.patch_id, [])
        replay = _replay_of(submission, history)
        refused = None if replay else _refusal(submission, history, known, now)
        if replay or refused:
            results.append(SubmissionResult(replay, False, history[-1].patch.revision) if replay else refused)  # type: ignore[arg-type]
            continue
        waiting = _hold(history)
        patch = _patch(submission, history, known, producer, now, synthetic)
        decision = _decision(submission, patch, waiting, known, producer, now, clocks)
        fresh.append((submission, patch, decision))
        results.append(SubmissionResult(decision, True, patch.revision))
        _remember(submission, patch, waiting, known)
    _write(fresh, known, actor, now)
    return results


LOCK = """
select pg_advisory_xact_lock(key) from (
    select distinct hashtextextended(name, owner) as key from unnest(%s::text[], %s::bigint[]) wanted (name, owner)
    order by key
) keys
"""


def _lock_and_read(submissions: Sequence[Submission], producer: Producer) -> IntakeContext:
    """Lock every (producer, patch_id) and alias in one order, then read: no two writers choose the same one."""
    ids = sorted({submission.patch_id for submission in submissions})
    if len(ids) != len(submissions):
        raise ValueError("a set of submissions must not repeat a patch_id")
    aliases = [submission.alias for submission in submissions if submission.alias]
    query_prepared(LOCK, [[*ids, *aliases], [producer.pk] * (len(ids) + len(aliases))])
    cves = cve_facts({cve for submission in submissions for cve in submission.columns["vulnerability_ids"]})
    return IntakeContext(_earlier(ids, producer), cves, current_versions(), stopped_by(), used_names(aliases, producer))


# Of any producer: naming ours too, PostgreSQL without statistics reads all of ours instead of one patch_id.
KNOWN_PATCH_IDS_SQL = "select patch_id from approvals_patch where patch_id = any(%s)"


def _earlier(ids: list[str], producer: Producer) -> dict[str, list[Decision]]:
    """Return the revisions of each patch_id, oldest first. Almost every one is new: ask for the ids before the rows."""
    known = [patch_id for (patch_id,) in query(KNOWN_PATCH_IDS_SQL, [ids])]
    decisions: dict[str, list[Decision]] = {}
    if known:
        rows = Decision.objects.filter(patch__producer=producer, patch__patch_id__in=known)
        for decision in rows.select_related("patch", "policy_version__policy").order_by("patch__revision"):
            decision.patch.producer = producer
            decisions.setdefault(decision.patch.patch_id, []).append(decision)
    return decisions


def _hold(history: list[Decision]) -> Decision | None:
    """Lock and return the pending revision that a new one replaces; None when there is none.

    Somebody may be deciding it this moment: then their decision stands, and the new revision inherits nothing.
    """
    if not history or history[-1].status != Status.PENDING:
        return None
    known = history[-1]
    held = Decision.objects.select_for_update().get(pk=known.pk)
    held.patch, held.policy_version = known.patch, known.policy_version
    history[-1] = held
    return held if held.status == Status.PENDING else None


def _remember(submission: Submission, patch: Patch, waiting: Decision | None, known: IntakeContext) -> None:
    """Let the later submissions of the set see this one, as if each had come alone."""
    if submission.alias:
        known.aliases.add(submission.alias)
    replaced = set(waiting.patch.vulnerability_ids) if waiting else set()
    for cve in patch.vulnerability_ids:
        fact = known.cves[cve]
        severity = effective_severity(fact.severity, None, [Severity(patch.effective_severity)])
        known.cves[cve] = replace(fact, severity=severity, pending=fact.pending + (cve not in replaced))
    for cve in replaced - set(patch.vulnerability_ids):
        if known_cve := known.cves.get(cve):
            known.cves[cve] = replace(known_cve, pending=known_cve.pending - 1)


def _replay_of(submission: Submission, history: list[Decision]) -> Decision | None:
    """Return the revision with this very content; a newest one that expired or was cancelled may be sent again."""
    for decision in reversed(history):
        if decision.patch.document_sha256 == submission.document_sha256:
            newest = decision is history[-1]
            again = newest and decision.status in {Status.EXPIRED, Status.CANCELLED}
            return None if again else decision
    return None


def _refusal(submission: Submission, history: list[Decision], known: IntakeContext, now: datetime) -> Refusal | None:
    if history and history[-1].patch.is_gate != (submission.gate is not None):
        named = "a workflow gate's" if history[-1].patch.is_gate else "a patch's"
        return Invalid("patch_id is already used.", field="patch_id", part="body", msg=f"is {named}")
    if submission.alias and submission.alias in known.aliases:
        return Invalid("decision_id is already used.", field="decision_id", part="body", msg="already used")
    day_ago = now - timedelta(days=1)
    today = [decision for decision in history if decision.created_at > day_ago]
    if len(today) >= REVISIONS_A_DAY:
        wait = today[0].created_at + timedelta(days=1) - now
        return TooMany(
            f"A patch_id may have {REVISIONS_A_DAY} revisions a day.", retry_after=ceil(wait.total_seconds())
        )
    return None


def _patch(
    submission: Submission,
    history: list[Decision],
    known: IntakeContext,
    producer: Producer,
    now: datetime,
    synthetic: bool,
) -> Patch:
    columns, facts = submission.columns, submission.facts
    cves = [known.cves[cve] for cve in columns["vulnerability_ids"]]
    earlier = [decision.patch for decision in history]  # sending again without the CVE makes nothing less urgent
    severity = effective_severity(
        Severity(columns["severity"]),
        columns["cvss_counted"],
        [*(fact.severity for fact in cves), *(Severity(patch.effective_severity) for patch in earlier)],
    )
    return Patch(
        **columns,
        producer=producer,
        revision=history[-1].patch.revision + 1 if history else 1,
        supersedes=history[-1].patch if history else None,
        document_sha256=submission.document_sha256,
        size=len(submission.gate.document if submission.gate else submission.diff),
        synthetic=synthetic,
        created_at=now,
        effective_severity=severity,
        known_exploited=columns["kev"]
        or any(fact.known_exploited for fact in cves)
        or any(patch.known_exploited for patch in earlier),
        file_count=facts["files"],
        additions=facts["additions"],
        deletions=facts["deletions"],
        parsed=facts["parsed"],
        parse_warnings=facts["warnings"],
        **reading_columns(facts),
        **change_columns(submission.change),
        search_text=search_text(columns, producer, submission.gate.names if submission.gate else ()),
    )


def _decision(
    submission: Submission,
    patch: Patch,
    waiting: Decision | None,
    known: IntakeContext,
    producer: Producer,
    now: datetime,
    clocks: bool,
) -> Decision:
    urgency = priority(
        Severity(patch.effective_severity),
        known_exploited=patch.known_exploited,
        requested=patch.requested_priority or None,
    )
    version = covering(known.versions, condition_facts(patch, producer.name, urgency))
    decision_id = UUID(str(uuid6.uuid7()))
    gate, facts = submission.gate, submission.facts
    situation = Situation(
        trusted_for_ml=producer.trusted_for_ml,
        trusted_for_wargaming=producer.trusted_for_wargaming,
        other_candidates=_others(patch, known, waiting),
        urgency=urgency,
        unusual=facts["unusual"],
        touched=tuple((tuple(touched["names"]), tuple(touched["lines"])) for touched in facts["touched"]),
        stopped_by=known.stopped_by,
        floor=settings.AUTO_APPROVE_THRESHOLD,
        drawn=drawn(patch.sha256, version.spot_check_percent),
        known_submitter=(known_submitter := is_known(version, patch)),
    )
    judged = gate_approval(gate.outcomes, version, situation) if gate else auto_approval(patch, version, situation)
    decision = Decision(
        decision_id=decision_id,
        alias=submission.alias,
        patch=patch,
        priority=urgency,
        confidence=-1 if patch.ml_confidence is None else patch.ml_confidence,
        policy_version=version,
        trace=as_rows(judged.trace),
        would_auto_approve=judged.would,
        required_approvals=version.required_approvals,
        required_groups=required_groups(version, known_submitter),
        created_at=now,
        expire_action=version.expire_action,
        **(clocks_of(version, now) if clocks else {}),
    )
    if gate:
        tighten(decision, gate, now)
    if waiting:
        _inherit(decision, waiting)
    plan_reminders(decision, now)
    if judged.does:
        known.approved.add(decision_id)
    return decision


def _others(patch: Patch, known: IntakeContext, waiting: Decision | None) -> int:
    """Count the other pending candidates under any of the vulnerability's names; a revision being replaced is none."""
    replaced = set(waiting.patch.vulnerability_ids) if waiting else set()
    return max((known.cves[cve].pending - (cve in replaced) for cve in patch.vulnerability_ids), default=0)


def _inherit(decision: Decision, waiting: Decision) -> None:
    """Keep the clocks of the revision replaced: a producer cannot restart a clock by sending again."""
    for clock in CLOCKS:
        setattr(decision, clock, min(getattr(decision, clock), getattr(waiting, clock)))
    decision.escalation_level, decision.asked = waiting.escalation_level, waiting.asked
    decision.escalation_next = waiting.escalation_next
    if waiting.expire_action == ExpireAction.EXPIRE:  # a period that was used up is not had again by sending again
        decision.expire_action = ExpireAction.EXPIRE
    if decision.escalation_level:
        decision.escalate_at = waiting.escalate_at  # that of the next level


def _write(
    fresh: Iterable[tuple[Submission, Patch, Decision]], known: IntakeContext, actor: Actor, now: datetime
) -> None:
    rows = list(fresh)
    if not rows:
        return
    insert([patch for _, patch, _ in rows])
    if contents := [PatchContent(patch=patch, diff=sent.diff) for sent, patch, _ in rows if not sent.gate]:
        insert(contents)
    if gates := [as_row(sent.gate, patch) for sent, patch, _ in rows if sent.gate]:
        insert(gates)
    lines = []
    for _, patch, decision in rows:
        decision.patch = patch  # again, now that the patch has its key
        history = known.decisions.get(patch.patch_id)
        if history and history[-1].status == Status.PENDING:  # held since it was read
            lines.append(supersede(history[-1], patch, actor=actor, now=now))
    wake = bool(lines)  # an end wakes the sequencer; arrivals wait for it, else their commits queue behind each other
    insert([decision for _, _, decision in rows])
    for submission, patch, decision in rows:
        lines.append(_submitted(submission, patch, decision, actor))
        if decision.decision_id in known.approved and (line := approve_by_policy(decision, now=now)):
            lines.append(line)
    record_all(lines, at=now, wake=wake)


def _submitted(submission: Submission, patch: Patch, decision: Decision, actor: Actor) -> NewEntry:
    trace = without_names(decision.trace)
    return NewEntry(
        "patch.submitted",
        actor,
        Subject("decision", str(decision.decision_id), patch.label, new=True),
        patch_sha256=patch.sha256,
        policy=policy_ref(decision),
        data={
            "patch_id": patch.patch_id,
            "revision": patch.revision,
            "producer": patch.producer.name,
            "document_sha256": submission.document_sha256,
            "priority": Priority(decision.priority).name.lower(),
            "effective_severity": patch.effective_severity,
            "known_exploited": patch.known_exploited,
            "required_approvals": decision.required_approvals,
            "required_groups": decision.required_groups,
            "sla_due_at": None if decision.sla_due_at == NO_DEADLINE else decision.sla_due_at,
            "expire_at": None if decision.expire_at == NO_DEADLINE else decision.expire_at,
            "trace": trace,
            "would_auto_approve": decision.would_auto_approve,
            "synthetic": patch.synthetic,
            **(submission.gate.recorded if submission.gate else {}),
        },
        aside={"trace": decision.trace} if trace != decision.trace else {},
    )
