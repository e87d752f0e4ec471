"""Find patches and decisions by the ids that callers use, and read what the page or answer about one shows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from approvals.errors import Conflict, NotFound
from approvals.models import Comment, Decision, Patch, Producer, Review, Status, Text
from postgresql.row_reader import Joined, RowReader
from postgresql.statements import query_prepared

from .people import USERS
from .policies import version_of
from .tokens import PRODUCERS

RELATED = ("patch__producer", "policy_version__policy", "reason", "decided_by_user")
DECISIONS, TEXTS = RowReader(Decision), RowReader(Text)
# Plain SQL for what every patch page reads: composing these queries through the ORM costs a good part of its time.
DECISION_SQL = Joined(
    """
select {columns}, version.sha256, policy.name
from approvals_decision decision
join approvals_policyversion version on version.id = decision.policy_version_id
join approvals_policy policy on policy.id = version.policy_id
join approvals_patch patch on patch.id = decision.patch_id
join approvals_producer producer on producer.id = patch.producer_id
left join approvals_text reason on reason.id = decision.reason_id
left join approvals_user decider on decider.id = decision.decided_by_user_id
where decision.decision_id = %s
""",
    decision=DECISIONS,
    patch=RowReader(Patch),
    producer=PRODUCERS,
    reason=TEXTS,
    decider=USERS,
)
REVIEWS_SQL = Joined(
    """
select {columns}
from approvals_review review
join approvals_user reviewer on reviewer.id = review.reviewer_id
left join approvals_user absent on absent.id = review.delegated_from_id
left join approvals_text text on text.id = review.text_id
where review.decision_id = %s order by review.id
""",
    review=RowReader(Review),
    reviewer=USERS,
    absent=USERS,
    text=TEXTS,
)
NEWEST = 2**63 - 1
"""Above every key."""
COMMENTS_SQL = Joined(
    """
select {columns}
from approvals_comment comment
left join approvals_user author on author.id = comment.author_id
join approvals_text text on text.id = comment.text_id
where comment.decision_id = %(decision)s and comment.id < %(before)s
order by comment.created_at desc, comment.id desc limit %(most)s
""",
    comment=RowReader(Comment),
    author=USERS,
    text=TEXTS,
)
REVISIONS_SQL = """
select revision, decision_id, sha256, status, approvals, approvals_decision.created_at
from approvals_patch join approvals_decision on approvals_decision.patch_id = approvals_patch.id
where producer_id = %s and approvals_patch.patch_id = %s order by revision desc
"""
# The vulnerability's patches first: with a limit alone PostgreSQL may go back through the whole history to find them.
OTHER_CANDIDATES_SQL = Joined(
    """
with same as materialized (
    select id from approvals_patch where vulnerability_ids && %(names)s::varchar[]
)
select {columns}
from same
join approvals_patch patch on patch.id = same.id
join approvals_decision decision on decision.patch_id = patch.id
join approvals_producer producer on producer.id = patch.producer_id
where decision.status <> 'superseded' and (patch.producer_id, patch.patch_id) <> (%(producer)s, %(patch)s)
order by decision.id desc limit %(limit)s
""",
    decision=RowReader(Decision, "id", "decision_id", "patch", "status", "created_at"),
    patch=RowReader(
        Patch,
        "id",
        "producer",
        "revision",
        "sha256",
        "title",
        "package_name",
        "repository",
        "current_version",
        "target_version",
        "ml_prediction",
        "wargaming",
        "additions",
        "deletions",
        "change_sha256",
    ),
    producer=PRODUCERS,
)


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of a patch, as the list of revisions shows it."""

    revision: int
    decision_id: UUID
    sha256: str
    status: str
    approvals: int
    created_at: datetime


def by_id(decision_id: str, asker: Producer | None = None) -> Decision:
    """Return a decision by our id or by a producer's alias, with its patch and what both refer to.

    Raise NotFound, or Conflict if several producers use the alias; a producer that asks gets its own.
    """
    own_id = as_uuid(decision_id)
    # Two queries: one with OR takes PostgreSQL far longer to plan.
    rows = DECISION_SQL.read([own_id]) if own_id else []
    rows = rows or DECISION_SQL.read([uuid_of_alias(decision_id, asker)])
    [(decision, decision.patch, decision.patch.producer, decision.reason, decision.decided_by_user, sha256, policy)] = (
        rows
    )
    decision.policy_version = version_of(decision.policy_version_id, sha256, policy)
    return decision  # type: ignore[no-any-return]


def decision_id_of(decision_id: str, asker: Producer | None = None) -> UUID:
    """Return our id of a decision, by our id or by a producer's alias. Raise as `by_id` does."""
    own_id = as_uuid(decision_id)
    if own_id and query_prepared(DECISION_EXISTS_SQL, [own_id]):
        return own_id
    return uuid_of_alias(decision_id, asker)


DECISION_EXISTS_SQL = "select from approvals_decision where decision_id = %s"
DECISIONS_BY_ALIAS_SQL = """
select decision_id, producer.id, producer.name
from approvals_decision join approvals_producer producer on producer.id = alias_producer_id
where alias = %s order by approvals_decision.id
"""


def uuid_of_alias(alias: str, asker: Producer | None) -> UUID:
    """Return our id of the decision with this alias. Raise NotFound or Conflict."""
    can_be = "\x00" not in alias  # which no text in PostgreSQL has
    rows = query_prepared(DECISIONS_BY_ALIAS_SQL, [alias]) if can_be else []
    own_rows = [row for row in rows if asker and row[1] == asker.pk]
    if not rows:
        raise NotFound("There is no such decision.")
    if len(rows) > 1 and not own_rows:
        raise ambiguous("decision_id; use ours", [(decision_id, name) for decision_id, _, name in rows])
    return (own_rows or rows)[0][0]  # type: ignore[no-any-return]


def ambiguous(name: str, decisions: Sequence[tuple[UUID, str]]) -> Conflict:
    """Return the 409 for a name that several producers use, listing the decisions with their producers."""
    listed = ", ".join(f"{decision_id} ({producer})" for decision_id, producer in decisions)
    return Conflict(
        f"{len(decisions)} producers use this {name}. Decisions: {listed}.",
        decision_ids=[decision_id for decision_id, _ in decisions],
    )


def used_names(aliases: Collection[str], producer: Producer) -> set[str]:
    """Return those of these aliases that already name a decision: as an alias of this producer, or as our id in any
    notation."""
    if not aliases:
        return set()
    uuids = {alias: own_id for alias in aliases if (own_id := as_uuid(alias))}
    same_alias = Q(alias__in=aliases, alias_producer=producer)
    rows = Decision.objects.filter(same_alias | Q(decision_id__in=uuids.values()))
    used = {name for row in rows.values_list("alias", "decision_id") for name in row}
    return {alias for alias in aliases if alias in used or uuids.get(alias) in used}


def ids_of(decision_id: str, patch_id: str, limit: int = 1000) -> list[str] | None:
    """Return our ids of the decisions with this patch_id, or this id or alias, newest first; None without either.

    Raise Conflict if several producers use the alias.
    """
    if not (decision_id or patch_id):
        return None
    rows = Decision.objects.filter(by_either_id(decision_id)) if decision_id else Decision.objects.all()
    if patch_id:
        rows = rows.filter(patch__patch_id=patch_id)
    ids = list(rows.order_by("-id").values_list("decision_id", "patch__producer__name")[:limit])
    if decision_id and len(ids) > 1:
        raise ambiguous("decision_id; use ours", ids)
    return [str(own_id) for own_id, _ in ids]


def by_patch_id(patch_id: str, *, owner: Producer | None, producer: str | None, revision: int | None) -> Decision:
    """Return the decision of a patch's newest (or given) revision. Raise NotFound, or Conflict when two producers
    use the id and the caller names none; a producer's own patch comes first."""
    rows = Decision.objects.select_related(*RELATED).defer("patch__wargaming_log").filter(patch__patch_id=patch_id)
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
        decisions = [(decision.decision_id, decision.patch.producer.name) for decision in newest]
        raise ambiguous("patch_id; name one with ?producer=", decisions)
    return newest[0]


def revisions(decision: Decision) -> list[Revision]:
    """Return every revision of the same patch, newest first; one query."""
    patch = decision.patch
    return [Revision(*row) for row in query_prepared(REVISIONS_SQL, [patch.producer_id, patch.patch_id])]


def revision_of(decision: Decision, number: int) -> Decision | None:
    """Return another revision of the same patch, with the patch."""
    patch = decision.patch
    rows = Decision.objects.filter(patch__producer=patch.producer_id, patch__patch_id=patch.patch_id)
    return rows.select_related("patch").filter(patch__revision=number).first()


def with_reviews(decision: Decision) -> list[Review]:
    """Return every review of a decision, withdrawn ones too, oldest first."""
    reviews = []
    for review, review.reviewer, review.delegated_from, review.text in REVIEWS_SQL.read([decision.pk]):
        review.decision = decision
        reviews.append(review)
    return reviews


def comments(decision: Decision, most: int | None = None, before: int = NEWEST) -> list[Comment]:
    """Return the discussion, or its newest comments before the one with this key, oldest first."""
    discussion = []
    asked = {"decision": decision.pk, "before": before, "most": most}
    for comment, comment.author, comment.text in COMMENTS_SQL.read(asked):
        comment.decision = decision
        discussion.append(comment)
    return discussion[::-1]


def for_same_cves(decision: Decision, limit: int) -> list[Decision]:
    """Return other patches' newest decisions for the same vulnerability, by any of its names: pending ones first."""
    patch = decision.patch
    if not patch.vulnerability_ids:
        return []
    parameters = {
        "names": patch.vulnerability_ids,
        "producer": patch.producer_id,
        "patch": patch.patch_id,
        "limit": limit,
    }
    decisions = []
    for other, other.patch, other.patch.producer in OTHER_CANDIDATES_SQL.read_planned(parameters):
        decisions.append(other)
    return sorted(decisions, key=lambda other: other.status != Status.PENDING)


def count_for_same_cves(decision: Decision, limit: int) -> int:
    """Count the other patches' newest decisions for the same vulnerability, up to a limit."""
    patch = decision.patch
    same_cves = Decision.objects.filter(patch__vulnerability_ids__overlap=patch.vulnerability_ids)
    others = same_cves.exclude(patch__producer=patch.producer_id, patch__patch_id=patch.patch_id)
    return others.exclude(status=Status.SUPERSEDED)[:limit].count()


def by_either_id(decision_id: str) -> Q:
    """Match decisions by our id or by any producer's alias."""
    own_id = as_uuid(decision_id)
    return Q(decision_id=own_id) | Q(alias=decision_id) if own_id else Q(alias=decision_id)


def as_uuid(text: str) -> UUID | None:
    """Return the UUID that a text stands for in any notation; None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
