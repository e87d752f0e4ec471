"""The timeline of a patch: what one person repeats pushes nothing else out of it."""

import pytest
from django.utils import timezone

from approvals.policy.visible_fields import Reader
from approvals.services import reviews
from approvals.views.evidence import REPEATED_SHOWN, timeline
from audit.log import Subject, record
from tests.cast import actor_for
from tests.html import one_line

pytestmark = pytest.mark.django_db


def test_refused_tries_and_comments_push_nothing_else_out(sign_in, make_patch, approve, alice, bob, carol):
    now = timezone.now()
    decision = approve(make_patch(severity="critical"), bob)
    address = f"/patches/{decision.decision_id}"
    assert "The audit log has more" not in one_line(sign_in(alice).get(address))
    about = Subject("decision", str(decision.decision_id))
    for _ in range(250):
        record("decision.refused", actor=actor_for(alice), at=now, subject=about, data={"why": "not so"})
    for _ in range(2):
        reviews.comment(decision.decision_id, "Said.", user=alice, actor=actor_for(alice), now=now)
    for person, reader, tries in ((alice, Reader.LEAD, REPEATED_SHOWN), (carol, Reader.VIEWER, 2)):
        steps = [step.what for step in timeline(decision, reader)]
        assert sum(step.startswith(("was refused", "commented")) for step in steps) == tries
        assert any("approved this digest" in step for step in steps)
        assert any(step.startswith("pushed") for step in steps)
        more = "The audit log has more" in one_line(sign_in(person).get(address))
        assert more is (reader == Reader.LEAD)
