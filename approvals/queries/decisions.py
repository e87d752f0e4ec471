"""Find patches and decisions by the ids callers know, and read what one answer shows."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from approvals.errors import Conflict, NotFound
from approvals.models import Comment, Decision, Producer, Review
from audit.statements import prepared

RELATED = ("patch__producer", "policy_version__policy", "reason", "decided_by_user")


def by_id(decision_id: str) -> Decision:
    """Return a decision by our id or by the producer's alias. Raise NotFound."""
    ours, rows = as_uuid(decision_id), Decision.objects.select_related(*RELATED)
    # One name after the other: this OR that took ten times as long to plan.
    found = (list(rows.filter(decision_id=ours)) if ours else []) or list(rows.filter(alias=decision_id))
    if not found:
        raise NotFound("There is no such decision.")
    return found[0]


def ours_of(decision_id: str) -> UUID:
    """Return our id of a decision, by our id or by the producer's alias. Raise NotFound."""
    found = prepared(OURS, {"ours": as_uuid(decision_id), "alias": decision_id})
    if not found:
        raise NotFound("There is no such decision.")
    [(ours,)] = found
    return ours  # type: ignore[no-any-return]


OURS = """
select decision_id from approvals_decision where decision_id = %(ours)s
union all select decision_id from approvals_decision where alias = %(alias)s limit 1
"""


def used_names(aliases: Collection[str]) -> set[str]:
    """Return those of these aliases that already name a decision, as its alias or as our id in any spelling."""
    if not aliases:
        return set()
    spelled = {alias: ours for alias in aliases if (ours := as_uuid(alias))}
    rows = Decision.objects.filter(Q(alias__in=aliases) | Q(decision_id__in=spelled.values()))
    taken = {name for row in rows.values_list("alias", "decision_id") for name in row}
    return {alias for alias in aliases if alias in taken or spelled.get(alias) in taken}


def ids_of(decision_id: str, patch_id: str, limit: int = 1000) -> list[str] | None:
    """Return our ids of the decisions of a patch_id or of that name, newest first; None when neither is given."""
    if not (decision_id or patch_id):
        return None
    rows = Decision.objects.filter(_named(decision_id)) if decision_id else Decision.objects.all()
    if patch_id:
        rows = rows.filter(patch__patch_id=patch_id)
    return [str(ours) for ours in rows.order_by("-id").values_list("decision_id", flat=True)[:limit]]


def by_patch_id(patch_id: str, *, owner: Producer | None, producer: str | None, revision: int | None) -> Decision:
    """Return the decision of a patch's newest (or given) revision. Raise NotFound, or Conflict when two producers
    use the id and the caller names none; a producer's own patch comes first."""
    rows = Decision.objects.select_related(*RELATED).filter(patch__patch_id=patch_id)
    if owner is not None and producer is None:
        rows = rows.filter(patch__producer=owner)
    elif producer is not None:
        rows = rows.filter(patch__producer__name=producer)
    if revision is not None:
        rows = rows.filter(patch__revision=revision)
    newest = list(rows.order_by("patch__producer", "-patch__revision").distinct("patch__producer"))
    if not newest:
        raise NotFound("There is no such patch or revision.")
    if len(newest) > 1:
        ids = ", ".join(f"{found.decision_id} ({found.patch.producer.name})" for found in newest)
        raise Conflict(f"{len(newest)} producers use this patch_id; name one with ?producer=. Decisions: {ids}.")
    return newest[0]


def revisions(decision: Decision) -> list[Decision]:
    """Return every revision of the same patch, newest first; one query."""
    return list(
        Decision.objects.filter(patch__producer=decision.patch.producer_id, patch__patch_id=decision.patch.patch_id)
        .select_related("patch")
        .defer("patch__wargaming_log")  # up to 1 MiB a row
        .order_by("-patch__revision")
    )


def with_reviews(decision: Decision) -> list[Review]:
    """Return every review of a decision, withdrawn ones too, oldest first."""
    return list(decision.reviews.select_related("reviewer", "delegated_from", "text").order_by("id"))


def comments(decision: Decision) -> list[Comment]:
    """Return the discussion, oldest first."""
    return list(decision.comments.select_related("author", "text").order_by("id"))


def for_same_cves(decision: Decision, limit: int = 10) -> list[Decision]:
    """Return other patches' newest decisions for any of the same CVEs: waiting ones first."""
    if not decision.patch.cve_ids:
        return []
    rows = (
        Decision.objects.filter(patch__cve_ids__overlap=decision.patch.cve_ids)
        .exclude(patch__producer=decision.patch.producer_id, patch__patch_id=decision.patch.patch_id)
        .exclude(status="superseded")
        .select_related("patch__producer")
        .order_by("-id")
    )
    return sorted(rows[:limit], key=lambda other: other.status != "pending")


def _named(decision_id: str) -> Q:
    ours = as_uuid(decision_id)
    return Q(decision_id=ours) | Q(alias=decision_id) if ours else Q(alias=decision_id)


def as_uuid(text: str) -> UUID | None:
    """Return an id in any spelling, or None for what is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
