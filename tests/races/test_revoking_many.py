"""Two leads who revoke the same list at the same moment: each approval falls once, whoever came to it first."""

from functools import partial

import pytest
from django.utils import timezone

from approvals.errors import Conflict, Invalid
from approvals.models import Decision, Revocation, Status
from approvals.queries import revocable
from approvals.services import lifecycle, revocations
from audit.models import Entry
from tests.cast import actor_for

from .crowd import Member, assert_settled, member
from .together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 24


def revoke_all(lead: Member, wanted: revocable.Approvals, shown: revocations.ShownApprovals) -> int:
    """Return how many this lead's order revoked; 0 when the list had changed before it began."""
    now = timezone.now()
    try:
        done = revocations.revoke_all(
            wanted, "Off.", shown=shown, criteria={}, user=lead.user, actor=actor_for(lead.user), now=now
        )
    except (Conflict, Invalid):
        return 0
    return done.revoked


def revoke_one(lead: Member, decision: Decision) -> int:
    try:
        lifecycle.revoke(decision.decision_id, "Off.", user=lead.user, actor=actor_for(lead.user), now=timezone.now())
    except Conflict:
        return 0
    return 1


def test_two_orders_and_a_single_revocation_revoke_each_approval_once(make_patch, producer, monkeypatch):
    monkeypatch.setattr(revocations, "CHUNK", 5)
    leads = [member(f"lead-{number}", "security-leads") for number in range(3)]
    reviewer = member("alice", "reviewer")
    made = [make_patch() for _ in range(SIZE)]
    for decision in made:
        assert reviewer.by_api(decision, "approve").code == 200
    wanted = revocable.Approvals(producer=producer.pk)
    shown = revocations.ShownApprovals(revocable.listed(wanted).digest, SIZE, timezone.now())
    counted = at_once(
        partial(revoke_all, leads[0], wanted, shown),
        partial(revoke_all, leads[1], wanted, shown),
        partial(revoke_one, leads[2], made[SIZE // 2]),
    )
    left = Decision.objects.filter(status=Status.APPROVED).count()  # all, when the single one came before both looked
    assert sum(counted) + left == SIZE
    assert left in {0, SIZE - 1}
    assert Revocation.objects.count() == Entry.objects.filter(type="decision.revoked").count() == SIZE - left
    assert_settled()
