"""Two people approve two candidates for one vulnerability at the same moment: one is approved, the other ends."""

import pytest
from django.utils import timezone

from approvals.errors import Conflict
from approvals.models import Decision, Policy, User
from approvals.services.lifecycle import raise_priorities
from tests.cast import SYSTEM, republish
from tests.races.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
SAME = {"package_name": "flask", "severity": "medium"}


def test_one_wins_and_the_other_hears_why(make_patch, approve, alice: User, bob: User, lena: User) -> None:
    republish(Policy.objects.get(name="medium"), supersede_candidates=True)
    for number in range(4):
        three = [make_patch(**SAME, cve_id=f"CVE-2024-{number}") for _ in range(3)]

        def give(decision: Decision, user: User) -> str:
            try:
                return str(approve(decision, user).status)
            except Conflict as refused:
                return refused.detail

        people = zip(three, (alice, bob, lena), strict=True)
        said = at_once(*[lambda pair=pair: give(*pair) for pair in people])
        statuses = [Decision.objects.get(pk=one.pk).status for one in three]
        assert sorted(statuses) == ["approved", "superseded", "superseded"]
        won = statuses.index("approved")
        told = f"Another candidate was approved: {three[won].patch.patch_id}. Nothing was changed."
        assert said.pop(won) == "approved"
        assert all(told in words for words in said), said


def test_it_waits_for_whoever_locks_the_others_in_order(make_patch, approve, alice: User) -> None:
    republish(Policy.objects.get(name="medium"), supersede_candidates=True)
    three = [make_patch(**SAME, cve_id="CVE-2024-1") for _ in range(3)]
    at_once(
        lambda: approve(three[2], alice),
        lambda: raise_priorities(["CVE-2024-1"], actor=SYSTEM, now=timezone.now()),
    )
    assert Decision.objects.get(pk=three[2].pk).status == "approved"
