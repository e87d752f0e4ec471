"""Take in what producers push: revisions, replays, supersession. The only service that creates patches."""

from collections.abc import Sequence
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
from approvals.policy.evaluate import Situation, as_rows, covering, without_names
from approvals.policy.sampling import drawn
from approvals.policy.severity import effective_severity, priority
from approvals.queries.decisions import used_names
from approvals.queries.facts import CveFacts, condition_facts
from approvals.queries.intake_facts import intake_facts
from audit.log import Actor, NewEntry, Subject, record_all
from postgresql.insertion import insert
from postgresql.statements import query_prepared

from .automatic import approve_by_policy, judge
from .clocks import CLOCKS, plan_reminders
from .clocks import clocks as clocks_of
from .decision_lock import lock_decisions
from .ending import policy_ref
from .gates import GateTerms, as_row, tighten
from .lifecycle import supersede
from .same_lines import change_columns, reading_columns
from .search_words import search_text
from .submitters import is_known, required_groups

REVISIONS_A_DAY = 20


@dataclass(frozen=True, slots=True)
class Submission:
    """One validated intake document: the patch's columns as sent, the diff's bytes, and what was read in them.

    `document_sha256` covers the whole document and the diff; equal digests are replays. `change` finds the same change
    in other patches. `gate` holds the terms of a workflow gate, which has no diff and is submitted alone.
    """

    columns: dict[str, Any]
    diff: bytes
    facts: Summary
    change: SameLines
    document_sha256: str
    alias: str | None = None
    gate: GateTerms | None = None

    @property
    def patch_id(self) -> str:
        return str(self.columns["patch_id"])


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """The result of a submission: the decision of the matching or new revision."""

    decision: Decision
    created: bool
    newest_revision: int


Fresh = tuple[Submission, Patch, Decision, Actor]
"""A new revision, its decision, and who sent it."""


@dataclass(slots=True)
class IntakeContext:
    """What intake needs from the database for a set of submissions, read once under their locks."""

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
    """Take in one patch. Raise Invalid or TooMany."""
    result = submit_all([submission], producer=producer, actor=actor, now=now, clocks=clocks, synthetic=synthetic)[0]
    if isinstance(result, Refusal):
        raise result
    return result


@transaction.atomic
def submit_all(
    submissions: Sequence[Submission],
    *,
    producer: Producer,
    actor: Actor | Sequence[Actor],
    now: datetime,
    clocks: bool = True,
    synthetic: bool = False,
) -> list[SubmissionResult | Refusal]:
    """Take in a set of patches with different `patch_id`s, of one actor or of one each, in one transaction; the results
    keep their order.

    A refused one writes nothing and does not affect the others. `clocks=False` sets no SLA, escalation or expiry.
    """
    actors = [actor] * len(submissions) if isinstance(actor, Actor) else actor
    context = _lock_and_read(submissions, producer)
    _lock_replaced(submissions, context.decisions)
    results: list[SubmissionResult | Refusal] = []
    fresh: list[Fresh] = []
    for submission, sender in zip(submissions, actors, strict=True):
        history = context.decisions.get(submission.patch_id, [])
        replay = _replay_of(submission, history)
        refused = None if replay else _refusal(submission, history, context, now)
        if replay or refused:
            results.append(SubmissionResult(replay, False, history[-1].patch.revision) if replay else refused)  # type: ignore[arg-type]
            continue
        replaced = history[-1] if history and history[-1].status == Status.PENDING else None
        patch = _patch(submission, history, context, producer, now, synthetic)
        decision = _decision(submission, patch, replaced, context, producer, now, clocks)
        fresh.append((submission, patch, decision, sender))
        results.append(SubmissionResult(decision, True, patch.revision))
        _update_context(submission, patch, replaced, context)
    _write(fresh, context, now)
    return results


LOCK_NAMES_SQL = """
select pg_advisory_xact_lock(key) from (
    select distinct hashtextextended(name, owner) as key from unnest(%s::text[], %s::bigint[]) wanted (name, owner)
    order by key
) keys
"""


def _lock_and_read(submissions: Sequence[Submission], producer: Producer) -> IntakeContext:
    """Lock every (producer, patch_id) and alias in one order, then read: no two requests create the same revision."""
    ids = sorted({submission.patch_id for submission in submissions})
    if len(ids) != len(submissions):
        raise ValueError("a set of submissions must not repeat a patch_id")
    aliases = [submission.alias for submission in submissions if submission.alias]
    query_prepared(LOCK_NAMES_SQL, [[*ids, *aliases], [producer.pk] * (len(ids) + len(aliases))])
    facts = intake_facts(ids, {cve for submission in submissions for cve in submission.columns["vulnerability_ids"]})
    stopped_by = facts.stopped_by if settings.AUTO_APPROVE_ENABLED else "setting"
    history = _history(facts.known_ids, producer)
    return IntakeContext(history, facts.cves, facts.versions, stopped_by, used_names(aliases, producer))


def _history(known_ids: list[str], producer: Producer) -> dict[str, list[Decision]]:
    """Return the revisions of each patch_id, oldest first. Most ids are new, and then there is nothing to ask."""
    decisions: dict[str, list[Decision]] = {}
    if known_ids:
        rows = Decision.objects.filter(patch__producer=producer, patch__patch_id__in=known_ids)
        for decision in rows.select_related("patch", "policy_version__policy").order_by("patch__revision"):
            decision.patch.producer = producer
            decisions.setdefault(decision.patch.patch_id, []).append(decision)
    return decisions


def _lock_replaced(submissions: Sequence[Submission], decisions: dict[str, list[Decision]]) -> None:
    """Lock the pending revisions that new ones replace, and put their rows as they are now into their histories. If
    somebody is deciding one at this moment, their decision stands, and the new revision inherits nothing."""
    histories = {}
    for submission in submissions:
        history = decisions.get(submission.patch_id)
        if history and history[-1].status == Status.PENDING and not _replay_of(submission, history):
            histories[history[-1].pk] = history
    for locked in lock_decisions(Decision.objects.filter(pk__in=histories)) if histories else ():
        newest = histories[locked.pk][-1]
        locked.patch, locked.policy_version = newest.patch, newest.policy_version
        histories[locked.pk][-1] = locked


def _update_context(submission: Submission, patch: Patch, replaced: Decision | None, context: IntakeContext) -> None:
    """Let later submissions of the set take this one into account, as if each were submitted alone."""
    if submission.alias:
        context.aliases.add(submission.alias)
    replaced_ids = set(replaced.patch.vulnerability_ids) if replaced else set()
    for cve in patch.vulnerability_ids:
        fact = context.cves[cve]
        severity = effective_severity(fact.severity, None, [Severity(patch.effective_severity)])
        context.cves[cve] = replace(fact, severity=severity, pending=fact.pending + (cve not in replaced_ids))
    for cve in replaced_ids - set(patch.vulnerability_ids):
        if replaced_fact := context.cves.get(cve):
            context.cves[cve] = replace(replaced_fact, pending=replaced_fact.pending - 1)


def _replay_of(submission: Submission, history: list[Decision]) -> Decision | None:
    """Return the revision with this exact content; the newest may be sent again if it expired or was cancelled."""
    for decision in reversed(history):
        if decision.patch.document_sha256 == submission.document_sha256:
            newest = decision is history[-1]
            may_repeat = newest and decision.status in {Status.EXPIRED, Status.CANCELLED}
            return None if may_repeat else decision
    return None


def _refusal(submission: Submission, history: list[Decision], context: IntakeContext, now: datetime) -> Refusal | None:
    if history and history[-1].patch.is_gate != (submission.gate is not None):
        named = "a workflow gate's" if history[-1].patch.is_gate else "a patch's"
        return Invalid("patch_id is already used.", field="patch_id", part="body", msg=f"is {named}")
    if submission.alias and submission.alias in context.aliases:
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
    context: IntakeContext,
    producer: Producer,
    now: datetime,
    synthetic: bool,
) -> Patch:
    columns, facts = submission.columns, submission.facts
    cves = [context.cves[cve] for cve in columns["vulnerability_ids"]]
    earlier = [decision.patch for decision in history]  # leaving out the CVE in a new revision lowers no severity
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
    replaced: Decision | None,
    context: IntakeContext,
    producer: Producer,
    now: datetime,
    clocks: bool,
) -> Decision:
    urgency = priority(
        Severity(patch.effective_severity),
        known_exploited=patch.known_exploited,
        requested=patch.requested_priority or None,
    )
    version = covering(context.versions, condition_facts(patch, producer.name, urgency))
    decision_id = UUID(str(uuid6.uuid7()))
    gate, facts = submission.gate, submission.facts
    situation = Situation(
        trusted_for_ml=producer.trusted_for_ml,
        trusted_for_wargaming=producer.trusted_for_wargaming,
        other_candidates=_other_candidates(patch, context, replaced),
        urgency=urgency,
        unusual=facts["unusual"],
        touched=tuple((tuple(touched["names"]), tuple(touched["lines"])) for touched in facts["touched"]),
        stopped_by=context.stopped_by,
        floor=settings.AUTO_APPROVE_THRESHOLD,
        drawn=drawn(patch.sha256, version.spot_check_percent),
        known_submitter=(known_submitter := is_known(version, patch)),
    )
    result = judge(patch, gate, version, situation)
    decision = Decision(
        decision_id=decision_id,
        alias=submission.alias,
        patch=patch,
        priority=urgency,
        confidence=-1 if patch.ml_confidence is None else patch.ml_confidence,
        policy_version=version,
        trace=as_rows(result.trace),
        would_auto_approve=result.would,
        required_approvals=version.required_approvals,
        required_groups=required_groups(version, known_submitter),
        created_at=now,
        expire_action=version.expire_action,
        **(clocks_of(version, now) if clocks else {}),
    )
    if gate:
        tighten(decision, gate, now)
    if replaced:
        _inherit(decision, replaced)
    plan_reminders(decision, now)
    if result.does:
        context.approved.add(decision_id)
    return decision


def _other_candidates(patch: Patch, context: IntakeContext, replaced: Decision | None) -> int:
    """Count the other pending candidates under any of the vulnerability's names, without the revision replaced."""
    replaced_ids = set(replaced.patch.vulnerability_ids) if replaced else set()
    return max((context.cves[cve].pending - (cve in replaced_ids) for cve in patch.vulnerability_ids), default=0)


def _inherit(decision: Decision, replaced: Decision) -> None:
    """Keep the clocks of the revision replaced, so that a producer cannot restart a clock by sending again."""
    for clock in CLOCKS:
        setattr(decision, clock, min(getattr(decision, clock), getattr(replaced, clock)))
    for name in ("escalation_level", "escalation_next", "asked"):
        setattr(decision, name, getattr(replaced, name))
    if replaced.expire_action == ExpireAction.EXPIRE or decision.expire_action == ExpireAction.APPROVE:
        decision.expire_action = ExpireAction.EXPIRE  # no other period; time approves only what waited all of it
    if decision.escalation_level:
        decision.escalate_at = replaced.escalate_at  # when the next level is due


def _write(rows: list[Fresh], context: IntakeContext, now: datetime) -> None:
    if not rows:
        return
    insert([patch for _, patch, _, _ in rows])
    if contents := [PatchContent(patch=patch, diff=sent.diff) for sent, patch, _, _ in rows if not sent.gate]:
        insert(contents)
    if gates := [as_row(sent.gate, patch) for sent, patch, _, _ in rows if sent.gate]:
        insert(gates)
    entries = []
    for _, patch, decision, actor in rows:
        decision.patch = patch  # again, now that the patch has its key
        history = context.decisions.get(patch.patch_id)
        if history and history[-1].status == Status.PENDING:  # locked by _lock_replaced
            entries.append(supersede(history[-1], patch, actor=actor, now=now))
    wake = bool(entries)  # not for new patches alone: their commits would wait for each other
    insert([decision for _, _, decision, _ in rows])
    for submission, patch, decision, actor in rows:
        entries.append(_submitted(submission, patch, decision, actor))
        if decision.decision_id in context.approved and (entry := approve_by_policy(decision, now=now)):
            entries.append(entry)
    record_all(entries, at=now, wake=wake)


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
