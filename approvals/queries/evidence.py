"""What earlier patches say about one: their usual size, and how people decided where the model scored alike."""

from bisect import bisect_right
from dataclasses import dataclass
from statistics import median

from django.db.models import QuerySet

from approvals.models import Patch, Status
from postgresql.statements import query

LATEST, FEWEST = 200, 10  # how many earlier patches define the usual size, at most and at least
FOUND = 3_000  # of more patches of a weakness, the latest are soon met
BANDS = (0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1)
RECENT = 5_000  # decisions read for a track record: no index finds those of one model, and old ones say little


@dataclass(frozen=True, slots=True)
class UsualSize:
    """How many lines the latest approved patches of one weakness changed (median), and how many patches they are."""

    cwe: str
    lines: float
    patches: int


def usual_sizes(patch: Patch) -> list[UsualSize]:
    """Return the usual size for each of the patch's weaknesses that has enough approved patches; one query each."""
    usual = []
    for cwe in patch.cwe_ids[:5]:
        latest = (
            _of_weakness(cwe)
            .filter(decision__status__in=[Status.APPROVED, Status.AUTO_APPROVED])
            .exclude(producer=patch.producer_id, patch_id=patch.patch_id)
            .order_by("-id")
            .values_list("additions", "deletions")[:LATEST]
        )
        sizes = [additions + deletions for additions, deletions in latest]
        if len(sizes) >= FEWEST:
            usual.append(UsualSize(cwe, median(sizes), len(sizes)))
    return usual


def _of_weakness(cwe: str) -> QuerySet[Patch]:
    """Return the patches of a weakness; few are found first, for which PostgreSQL would go back through the history."""
    patches = Patch.objects.filter(cwe_ids__contains=[cwe])
    few = patches.order_by().values("pk")[: FOUND + 1]
    return Patch.objects.filter(pk__in=few) if few.count() <= FOUND else patches


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """What people decided on earlier patches that the same model scored about the same: from `low` to `high`."""

    low: float
    high: float
    decided: int
    approved: int

    @property
    def among(self) -> int:
        """Return how many of the latest decisions were looked at."""
        return RECENT

    @property
    def enough(self) -> bool:
        return self.decided >= FEWEST

    @property
    def refused(self) -> int:
        return self.decided - self.approved

    @property
    def approved_share(self) -> float | None:
        return self.approved / self.decided if self.decided else None


def track_record(patch: Patch) -> TrackRecord | None:
    """Return how the model version did in this confidence band, of the latest decisions; one query, None for a model
    without a version. A revoked approval counts as decided, not as approved."""
    confidence = patch.ml_confidence
    if confidence is None or not patch.ml_model_version:
        return None
    number = max(0, min(bisect_right(BANDS, confidence), len(BANDS) - 1) - 1)
    low, high = BANDS[number], BANDS[number + 1]
    parameters = {"recent": RECENT, "low": low, "high": high if high < 1 else 2, "patch": patch.pk}
    [(decided, approved)] = query(TRACK_RECORD_SQL, parameters | {"model": patch.ml_model_version})
    return TrackRecord(low, high, decided, approved)


TRACK_RECORD_SQL = """
select count(*), count(*) filter (where status = 'approved')
from (
    select status, decided_by_kind, confidence, patch_id
    from approvals_decision where status <> 'pending' order by decided_at desc, id desc limit %(recent)s
) latest
join approvals_patch patch on patch.id = latest.patch_id
where decided_by_kind = 'human' and status in ('approved', 'revoked', 'rejected', 'changes_requested')
  and confidence >= %(low)s and confidence < %(high)s
  and patch.ml_model_version = %(model)s and patch.id <> %(patch)s
"""
