"""Which other patches change the same lines, and what this person did with them; the queue lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from approvals.models import Decision, Patch, Status
from approvals.policy.rules import Change
from postgresql.statements import query, query_prepared

from .queue import COUNT_LIMIT

# One statement for a page of cards. Each digest is looked up once, and counted no further than is shown.
SAME_LINES_SQL = """
select wanted.digest, count(*), count(*) filter (where few.status = 'pending'),
       array_agg(few.id) filter (where few.mine)
from unnest(%(digests)s::text[]) wanted (digest), lateral (
    select decision.id, decision.status, exists (
        select from approvals_review review
        where review.decision_id = decision.id and review.reviewer_id = %(user)s and review.verdict = 'approve'
          and review.withdrawn_at is null and review.created_at >= %(today)s
    ) as mine
    from approvals_patch patch
    join approvals_decision decision on decision.patch_id = patch.id
    where patch.change_sha256 = wanted.digest and decision.status <> 'superseded'
    order by decision.id desc limit %(limit)s
) few
group by wanted.digest
"""
SPACED_OTHERWISE_SQL = """
select count(*) from (
    select from approvals_patch patch
    join approvals_decision decision on decision.patch_id = patch.id
    where patch.change_spaceless_sha256 = %(spaceless)s and patch.change_sha256 <> %(exact)s
      and decision.status <> 'superseded'
    limit %(limit)s
) few
"""

READ_ALIKE_SQL = """
select distinct seen.change_sha256, seen.change_files_sha256, seen.mark_codes
from approvals_patch seen
join approvals_patchview opened on opened.patch_id = seen.id and opened.user_id = %(user)s
where seen.mark_codes is not null and (seen.change_sha256, seen.change_files_sha256) in (
    select change_sha256, change_files_sha256 from approvals_patch where id = any(%(patches)s)
)
"""
# A revision of the same patch, or the same lines, whatever spaces are in them and in whichever file. Of these a limited
# number, in any order, because each intake would read all copies of a change that is sent very often.
REFUSED_BEFORE_SQL = """
select wanted.place
from unnest(%(patches)s::text[], %(producers)s::bigint[], %(lines)s::text[])
    with ordinality wanted (patch_id, producer_id, lines, place)
where exists (
    select from (
        select id from approvals_patch where patch_id = wanted.patch_id and producer_id = wanted.producer_id
        union
        (select id from approvals_patch where change_spaceless_sha256 = wanted.lines limit %(limit)s)
    ) alike
    join approvals_decision decision on decision.patch_id = alike.id
    where decision.status in ('rejected', 'changes_requested', 'revoked')
       or decision.status = 'cancelled' and decision.decided_by_kind = 'human'
       or exists (
        select from approvals_review review
        where review.decision_id = decision.id and review.verdict <> 'approve' and review.withdrawn_at is null
    )
)
"""
MOST_COPIES = 200


@dataclass(frozen=True, slots=True)
class Alike:
    """How many other patches change the same lines, how many are pending, and how many this person approved today.

    A superseded revision does not count. Numbers are exact up to 1,000.
    """

    others: int
    waiting: int
    approved_today: int


def alike(decisions: Sequence[Decision], user_id: int, now: datetime) -> dict[int, Alike]:
    """Return, by decision key, the other patches that change the same lines, if there are some; one query at most."""
    digests = {digest for decision in decisions if (digest := decision.patch.change_sha256)}
    if not digests:
        return {}
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    parameters = {"digests": sorted(digests), "user": user_id, "today": today, "limit": COUNT_LIMIT + 2}
    counts_by_digest = {digest: counts for digest, *counts in query_prepared(SAME_LINES_SQL, parameters)}
    return {
        decision.pk: others
        for decision in decisions
        if (counts := counts_by_digest.get(decision.patch.change_sha256))
        and (others := _without_itself(decision, *counts)).others
    }


def _without_itself(decision: Decision, total: int, pending_count: int, approved_keys: list[int] | None) -> Alike:
    """Return the counts without the decision itself."""
    counted, pending = decision.status != Status.SUPERSEDED, decision.status == Status.PENDING
    return Alike(total - counted, pending_count - pending, len(set(approved_keys or ()) - {decision.pk}))


def spaced_otherwise(decision: Decision) -> int:
    """Return how many other patches differ from this one in whitespace only; exact up to 1,000."""
    patch = decision.patch
    if patch.change_sha256 is None:
        return 0
    parameters = {"spaceless": patch.change_spaceless_sha256, "exact": patch.change_sha256, "limit": COUNT_LIMIT + 1}
    [(count,)] = query_prepared(SPACED_OTHERWISE_SQL, parameters)
    return int(count)


def read_alike(patch_ids: Sequence[int], user_id: int) -> tuple[Change, ...]:
    """Return the changes this person has opened that change the same lines as these patches, in the same files."""
    rows = query(READ_ALIKE_SQL, {"patches": list(patch_ids), "user": user_id})
    return tuple(Change(lines, files, frozenset(codes)) for lines, files, codes in rows)


def waiting_alike(patch_id: int, limit: int) -> list[tuple[UUID, str]]:
    """Return the other pending decisions on the same lines as a patch, the oldest first, each with its digest."""
    digest = Patch.objects.filter(pk=patch_id).values("change_sha256")[:1]
    others = Decision.objects.filter(status=Status.PENDING, patch__change_sha256=digest).exclude(patch=patch_id)
    return list(others.order_by("pk").values_list("decision_id", "patch__sha256")[:limit])


def refused_before(patches: Sequence[Patch]) -> list[Patch]:
    """Return those of these patches of which people refused, cancelled or revoked a revision, or one of MOST_COPIES
    others that change the same lines; one query, none for no patches."""
    if not patches:
        return []
    parameters = {
        "patches": [patch.patch_id for patch in patches],
        "producers": [patch.producer_id for patch in patches],
        "lines": [patch.change_spaceless_sha256 for patch in patches],
        "limit": MOST_COPIES,
    }
    return [patches[place - 1] for (place,) in query_prepared(REFUSED_BEFORE_SQL, parameters)]
