"""The admin's actions on decisions: a reason first, then one answer an item; groups decide who may."""

import pytest

from approvals.admin.decisions import MOST
from approvals.models import Decision, Status
from audit.models import Entry

pytestmark = pytest.mark.django_db

LIST = "/admin/approvals/decision/"
REASON = "The producer sent it by mistake."


@pytest.fixture
def lead_page(staff):
    """A client of a lead of the staff."""
    return staff("leo", groups=("security-leads",))


def act(client, action, *decisions, reason=REASON, query=""):
    data = {"action": action, "_selected_action": [decision.pk for decision in decisions]}
    if reason is not None:
        data["reason"] = reason
    return client.post(f"{LIST}{query}", data, follow=reason is not None)


def told(response):
    return [str(message) for message in response.context["messages"]]


def state(decision):
    row = Decision.objects.get(pk=decision.pk)
    return row.status, row.escalation_level


@pytest.mark.parametrize("action", ["cancel", "escalate", "revoke"])
def test_each_action_asks_for_a_reason_first(lead_page, make_patch, entries, action):
    first, second = make_patch(), make_patch()
    written = len(entries())
    response = act(lead_page, action, first, second, reason=None)
    page = response.content.decode()
    assert response.status_code == 200
    assert str(first.decision_id) in page
    assert str(second.decision_id) in page
    assert state(first) == state(second) == ("pending", 0)
    assert len(entries()) == written


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001])
def test_without_words_or_with_too_many_nothing_happens(lead_page, make_patch, entries, reason):
    decision = make_patch()
    written = len(entries())
    response = act(lead_page, "cancel", decision, reason=reason)
    assert response.status_code == 422
    assert response.context["form"].errors["reason"]
    assert state(decision) == ("pending", 0)
    assert len(entries()) == written


def test_cancelling_ends_each_and_is_one_entry_each(lead_page, make_patch, entries):
    first, second = make_patch(), make_patch()
    response = act(lead_page, "cancel", first, second)
    assert [message.endswith("cancelled.") for message in told(response)] == [True, True]
    row = Decision.objects.get(pk=first.pk)
    assert (row.status, row.decided_by, row.channel) == ("cancelled", "leo", "admin")
    assert row.reason
    assert row.reason.body == REASON
    assert len(entries("decision.cancelled")) == 2


def test_escalating_raises_the_level_and_is_one_entry(lead_page, make_patch, entries):
    decision = make_patch()
    response = act(lead_page, "escalate", decision)
    assert "escalated to the security leads" in told(response)[0]
    assert state(decision) == ("pending", 1)
    assert len(entries("decision.escalated")) == 1


def test_revoking_takes_an_approval_back_and_is_one_entry(lead_page, make_patch, approve, alice, entries):
    decision = approve(make_patch(), alice)
    response = act(lead_page, "revoke", decision)
    assert "revoked" in told(response)[0]
    assert state(decision) == ("revoked", 0)
    assert Decision.objects.get(pk=decision.pk).revocation.revoked_by == "leo"
    assert len(entries("decision.revoked")) == 1


def test_each_item_is_reported_and_one_that_cannot_be_stops_no_other(lead_page, make_patch, approve, alice, entries):
    done, waiting = approve(make_patch(), alice), make_patch()
    response = act(lead_page, "cancel", done, waiting)
    first, second = told(response)
    assert "not done. Approved by alice" in first
    assert "Nothing was changed" in first
    assert second.endswith("cancelled.")
    assert (state(done)[0], state(waiting)[0]) == (Status.APPROVED, Status.CANCELLED)
    assert len(entries("decision.cancelled")) == 1


def test_an_item_decided_after_the_reason_page_opened_is_still_reported(lead_page, make_patch, approve, alice):
    decision = make_patch()
    asked = act(lead_page, "cancel", decision, reason=None, query="?status__exact=pending").content.decode()
    assert f'action="{LIST}"' in asked  # not the filtered list, which would leave the item out
    approve(decision, alice)
    assert "Approved by alice" in told(act(lead_page, "cancel", decision))[0]


@pytest.mark.parametrize(("action", "end"), [("cancel", "pending"), ("revoke", "approved")])
@pytest.mark.parametrize("group", ["reviewer", "policy-admin"])
def test_only_leads_cancel_and_revoke(staff, make_patch, approve, alice, entries, action, end, group):
    client, decision = staff("sam", groups=(group,)), make_patch()
    if end == "approved":
        approve(decision, alice)
    before = Entry.objects.count()
    (message,) = told(act(client, action, decision))
    assert "security lead" in message
    assert state(decision)[0] == end
    assert [refused["attempt"] for refused in entries("decision.refused")] == [action]
    assert Entry.objects.count() == before + 1


def test_a_superuser_who_is_no_lead_is_refused(admin_page, make_patch, entries):
    decision = make_patch()
    before = Entry.objects.count()
    for action in ("cancel", "escalate", "revoke"):
        assert "not done." in told(act(admin_page, action, decision))[0]
    assert state(decision) == ("pending", 0)
    assert [refused["attempt"] for refused in entries("decision.refused")] == ["cancel", "escalate", "revoke"]
    assert Entry.objects.count() == before + 3


def test_staff_who_may_not_see_decisions_run_no_action(staff, make_patch):
    client, decision = staff("una"), make_patch()
    assert act(client, "cancel", decision).status_code == 403
    assert state(decision) == ("pending", 0)


def test_a_lead_who_is_not_staff_stays_out(sign_in, lena, make_patch):
    decision = make_patch()
    assert act(sign_in(lena), "cancel", decision).status_code == 403
    assert state(decision) == ("pending", 0)


def test_a_get_changes_nothing(lead_page, make_patch):
    decision = make_patch()
    lead_page.get(LIST, {"action": "cancel", "_selected_action": decision.pk, "reason": REASON})
    assert state(decision) == ("pending", 0)


def test_more_than_a_hundred_at_once_are_refused(lead_page, make_patch, monkeypatch):
    assert MOST == 100
    monkeypatch.setattr("approvals.admin.decisions.MOST", 1)
    first, second = make_patch(), make_patch()
    assert "at most 1 " in told(act(lead_page, "cancel", first, second))[0]
    assert state(first) == state(second) == ("pending", 0)


def test_what_a_reason_says_is_escaped(lead_page, make_patch):
    response = act(lead_page, "cancel", make_patch(), reason="x" * 2000 + "<script>")
    assert "x<script>" not in response.content.decode()
    assert "x&lt;script&gt;" in response.content.decode()


def test_the_list_shows_the_kind_and_is_narrowed_by_it(lead_page, make_patch, make_gate):
    patch, gate = make_patch(), make_gate()
    for kind, shown, hidden in (("gate", gate, patch), ("patch", patch, gate)):
        page = lead_page.get(LIST, {"kind": kind}).content.decode()
        assert (str(shown.decision_id) in page, str(hidden.decision_id) in page) == (True, False)
    page = lead_page.get(LIST).content.decode()
    assert '<td class="field-kind">Workflow gate</td>' in page
    assert '<td class="field-kind">Patch</td>' in page
