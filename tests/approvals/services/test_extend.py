"""More time to decide: who gives it, how far, and what the record says."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.errors import Conflict, Invalid, NotAllowed
from approvals.models import NO_DEADLINE, Decision
from approvals.services import lifecycle, timers
from audit.models import Entry
from audit.queries import body_of
from tests.cast import actor_for

pytestmark = pytest.mark.django_db
DAY = 86_400


def extend(decision, user, seconds=DAY, reason="The exploit is being rebuilt.", now=None):
    now = now or timezone.now()
    return lifecycle.extend(decision.decision_id, seconds, reason, user=user, actor=actor_for(user), now=now)


def test_a_lead_moves_the_end_and_the_entry_has_old_and_new(make_patch, lena):
    decision = make_patch()
    before = decision.expire_at
    done = extend(decision, lena)
    assert done.expire_at == before + timedelta(days=1)
    entry = body_of(Entry.objects.get(type="decision.extended"))["data"]
    assert (entry["seconds"], entry["from"] < entry["to"]) == (DAY, True)
    assert timers.expire_due(before) == 0
    assert timers.expire_due(done.expire_at) == 1


def test_reminders_begin_again_with_the_new_end(make_patch, lena):
    start = timezone.now()
    decision = make_patch(severity="critical", now=start)  # a day
    late = start + timedelta(hours=23)
    while timers.remind_due(late):
        pass
    extend(decision, lena, now=late)
    row = Decision.objects.get(pk=decision.pk)
    assert (row.reminders, row.remind_at) == (0, start + timedelta(days=1))  # half of two days


def test_nobody_but_a_lead_gives_time(make_patch, alice):
    decision = make_patch()
    with pytest.raises(NotAllowed):
        extend(decision, alice)
    assert Decision.objects.get(pk=decision.pk).expire_at == decision.expire_at
    assert Entry.objects.filter(type="decision.refused").count() == 1


@pytest.mark.parametrize("seconds", [0, -5, 24 * DAY])
def test_the_end_lies_at_most_30_days_from_now(make_patch, lena, seconds):
    decision = make_patch()  # seven days already
    with pytest.raises(Invalid, match="at most 30 days from now"):
        extend(decision, lena, seconds)
    assert extend(decision, lena, 22 * DAY).expire_at > decision.expire_at


def test_time_that_is_over_is_not_given_back(make_patch, lena):
    decision = make_patch(now=timezone.now() - timedelta(days=8))
    with pytest.raises(Conflict, match="The time to decide ended"):
        extend(decision, lena)


def test_without_a_limit_there_is_nothing_to_extend(make_patch, lena):
    with pytest.raises(Conflict, match="no time limit"):
        extend(make_patch(clocks=False), lena)
    assert Decision.objects.get().expire_at == NO_DEADLINE


def test_a_decided_patch_gets_no_time(make_patch, approve, lena, bob):
    decision = approve(make_patch(), bob)
    with pytest.raises(Conflict, match="Approved by bob"):
        extend(decision, lena)


def test_a_reason_is_required(make_patch, lena):
    with pytest.raises(Invalid, match="a reason is required"):
        extend(make_patch(), lena, reason=" ")


def test_the_page_offers_it_to_leads_alone(make_patch, sign_in, alice, lena):
    decision = make_patch()
    address, form = reverse("patch-detail", args=[decision.decision_id]), "Give more time"
    assert form not in sign_in(alice).get(address).content.decode()
    client = sign_in(lena)
    assert form in client.get(address).content.decode()
    sent = {"seconds": "86400", "reason": "The exploit is being rebuilt."}
    answer = client.post(reverse("patch-extend", args=[decision.decision_id]), sent, follow=True)
    assert "gave more time, until" in answer.content.decode()
    assert Decision.objects.get().expire_at == decision.expire_at + timedelta(days=1)


def test_the_page_keeps_the_words_of_a_form_that_was_wrong(make_patch, sign_in, lena):
    decision = make_patch()
    sent = {"seconds": "5", "reason": "Half <b>typed"}
    answer = sign_in(lena).post(reverse("patch-extend", args=[decision.decision_id]), sent)
    assert answer.status_code == 422
    assert "Half &lt;b&gt;typed" in answer.content.decode()
    assert Decision.objects.get().expire_at == decision.expire_at


def test_the_api_answers_with_the_new_end(make_patch, api_of, lena, alice, producer_api):
    decision = make_patch()
    path = f"/hitl/patches/{decision.patch.patch_id}/extend"
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256, "seconds": DAY}
    assert api_of(lena).post(path, body).status_code == 422
    body["reason"] = "The exploit is being rebuilt."
    assert api_of(alice).post(path, body).status_code == 403
    assert producer_api.post(path, body).status_code == 403
    assert api_of(lena).post(path, body | {"patch_sha256": "0" * 64}).status_code == 409
    assert api_of(lena).post(path, body | {"seconds": 31 * DAY}).status_code == 422
    answer = api_of(lena).post(path, body).json()
    assert (answer["status"], answer["decision_id"]) == ("pending", str(decision.decision_id))
    assert answer["expire_at"] > decision.expire_at.isoformat()
