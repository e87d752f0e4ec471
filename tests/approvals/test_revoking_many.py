"""Many approvals taken back at once: by whom, from what list, and what the record says."""

from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals.models import Decision, PolicyVersion, Producer, Revocation, Status
from approvals.queries import revocable
from approvals.services import lifecycle, revocations
from approvals.services.dispatch import dispatch
from audit.models import Entry
from audit.queries import body_of
from tests.cast import actor_for
from tests.html import one_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def approved(make_patch, approve, bob):
    """Return a function that makes approved patches of a model version."""

    def make(count: int = 1, model: str = "rf_v1", **changes: Any) -> list[Decision]:
        scored = {"model_version": model, "confidence": 0.9, "prediction": True}
        made = [make_patch(ml_prediction=scored, **changes) for _ in range(count)]
        return [approve(decision, bob) for decision in made]

    return make


def look(client, **fields):
    """Open the preview; return its page and the fields its form would send."""
    page = client.get(reverse("revoke"), fields)
    names = ("digest", "count", "shown_at")
    return page, {name: unescape(str(page.context[name])) for name in names if name in page.context}


def send(client, seen, reason="The model was trained on the wrong data.", **fields):
    return client.post(f"{reverse('revoke')}?{urlencode(fields)}", seen | {"reason": reason})


def statuses() -> set[str]:
    return set(Decision.objects.values_list("status", flat=True))


def test_what_was_shown_is_what_is_revoked(approved, sign_in, lena):
    mine, other = approved(3), approved(1, model="rf_v2")[0]
    client = sign_in(lena)
    page, seen = look(client, model_version="rf_v1")
    body = one_line(page)
    assert "3 approvals are revoked if you confirm" in body
    assert mine[0].patch.cve_id in body
    assert other.patch.cve_id not in body
    answer = send(client, seen, model_version="rf_v1")
    assert answer.status_code == 302
    assert "3 approvals are revoked" in one_line(client.get(answer.url))
    rows = Decision.objects.in_bulk([decision.pk for decision in mine])
    assert {row.status for row in rows.values()} == {Status.REVOKED}
    assert Decision.objects.get(pk=other.pk).status == Status.APPROVED
    assert Entry.objects.filter(type="decision.revoked").count() == 3
    made = body_of(Entry.objects.get(type="revocation.made"))["data"]
    assert (made["revoked"], made["criteria"]) == (3, {"model_version": "rf_v1"})
    assert str(Revocation.objects.first().reason) == "The model was trained on the wrong data."
    dispatch()
    assert mine[0].feed.filter(status="revoked").exists()


def test_it_is_narrowed_to_a_policy_version_a_producer_a_reviewer_and_days(approved, make_patch, approve, alice):
    long_ago = timezone.now() - timedelta(days=3)
    [one] = approved(by=Producer.objects.create(name="other", created_at=long_ago))
    old = approve(make_patch(now=long_ago, severity="high"), alice, now=long_ago)
    version = PolicyVersion.objects.get(policy__name="high")

    def found(**fields) -> list[int]:
        return revocable.listed(revocable.Approvals(**fields)).keys

    assert found(producer=one.patch.producer_id) == [one.pk]
    assert found(policy_version=version.pk) == [old.pk]
    assert found(reviewer=alice.pk) == [old.pk]
    assert found(reviewer=alice.pk, since=timezone.now() - timedelta(days=1)) == []
    assert found(reviewer=alice.pk, until=timezone.now() - timedelta(days=1)) == [old.pk]


def test_a_list_that_changed_is_refused_with_what_changed(approved, sign_in, lena):
    first, second = approved(2)
    client = sign_in(lena)
    _, seen = look(client, model_version="rf_v1")
    [third] = approved(1)
    lifecycle.revoke(second.decision_id, "Off.", user=lena, actor=actor_for(lena), now=timezone.now())
    answer = send(client, seen, model_version="rf_v1")
    body = unescape(one_line(answer))
    assert answer.status_code == 409
    assert "You looked at 2 approvals, now 2 match." in body
    assert f"Approved since: {third.patch.cve_id}." in body
    assert f"Revoked since: {second.patch.cve_id}." in body
    assert "The model was trained on the wrong data.</textarea>" in body
    assert Decision.objects.get(pk=first.pk).status == Status.APPROVED
    _, again = look(client, model_version="rf_v1")
    assert send(client, again, model_version="rf_v1").status_code == 302
    assert statuses() == {Status.REVOKED}


def test_without_a_reason_nothing_is_revoked(approved, sign_in, lena):
    approved(1)
    client = sign_in(lena)
    _, seen = look(client, model_version="rf_v1")
    answer = send(client, seen, reason=" ", model_version="rf_v1")
    assert answer.status_code == 422
    assert "Say why." in one_line(answer)
    assert statuses() == {Status.APPROVED}


@pytest.mark.parametrize("fields", [{}, {"since": "2026-01-01"}, {"reviewer": "nobody"}, {"producer": "999"}])
def test_something_must_be_named(approved, sign_in, lena, fields):
    approved(1)
    client = sign_in(lena)
    page, _ = look(client, **fields)
    assert "preview" not in page.context
    assert (
        send(client, {"digest": "0" * 64, "count": 1, "shown_at": "2026-01-01T00:00:00Z"}, **fields).status_code == 422
    )
    assert statuses() == {Status.APPROVED}


def test_only_leads_come_here(approved, sign_in, alice, lena):
    approved(1)
    client = sign_in(alice)
    assert client.get(reverse("revoke")).status_code == 403
    assert send(client, {}, model_version="rf_v1").status_code == 403
    assert reverse("revoke") not in one_line(client.get(reverse("history")))
    assert reverse("revoke") in sign_in(lena).get(reverse("history")).content.decode()
    assert statuses() == {Status.APPROVED}


def test_a_long_list_is_shown_in_part_and_revoked_whole(approved, sign_in, lena, monkeypatch):
    monkeypatch.setattr(revocable, "SHOWN", 2)
    monkeypatch.setattr(revocations, "CHUNK", 2)
    approved(5)
    client = sign_in(lena)
    page, seen = look(client, model_version="rf_v1")
    assert "The newest 2 are shown, and 3 more." in one_line(page)
    assert send(client, seen, model_version="rf_v1").status_code == 302
    assert Entry.objects.filter(type="decision.revoked").count() == 5
    assert Entry.objects.filter(type="revocation.made").count() == 1


def test_too_many_are_refused_before_anything_is_revoked(approved, sign_in, lena, monkeypatch):
    approved(3)
    client = sign_in(lena)
    _, seen = look(client, model_version="rf_v1")
    monkeypatch.setattr(revocable, "MOST", 2)
    monkeypatch.setattr(revocations, "MOST", 2)
    assert "Choose a shorter time" in look(client, model_version="rf_v1")[0].content.decode()
    assert send(client, seen, model_version="rf_v1").status_code == 422
    assert statuses() == {Status.APPROVED}


def test_a_chunk_takes_the_same_queries_whatever_its_size(approved, lena):
    counts = []
    for number in (1, 8):
        approved(number)
        wanted = revocable.Approvals(model_version="rf_v1")
        found = revocable.listed(wanted)
        shown = revocations.ShownApprovals(found.digest, number, timezone.now())
        with CaptureQueriesContext(connection) as queries:
            done = revocations.revoke_all(
                wanted, "Off.", shown=shown, criteria={}, user=lena, actor=actor_for(lena), now=timezone.now()
            )
        assert done.revoked == number
        counts.append(len(queries))
    assert counts[0] == counts[1]
