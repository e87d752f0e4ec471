"""Workflow gates on the pages: card, page, history, bulk, filters, counts; nothing on them pretends to be a patch's."""

import csv
import io
import re

import pytest
from django.utils import timezone

from approvals.api.gate_documents import GateRequest
from approvals.models import Channel, Decision, PatchView, Status, Verdict
from approvals.queries.differences import GATE_LABELS
from approvals.services import lifecycle
from tests.cast import SYSTEM, opened
from tests.html import one_line

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>\u202e"


def text_of(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    page = one_line(answer)
    return page[page.index('<main id="main"') : page.index("</main>")]


def page_of(client, decision) -> str:
    return text_of(client.get(f"/patches/{decision.decision_id}"))


def test_a_card_shows_what_a_gate_has_and_nothing_it_has_not(sign_in, alice, make_gate):
    decision = make_gate(context={"image": "shop:7", "replicas": 3, "canary": True, "steps": ["a", "b"]})
    card = text_of(sign_in(alice).get("/"))
    for shown in ("Workflow gate", "Deploy to production", ">deploy<", ">approve<", "shop:7", ">true<", "and 1 more"):
        assert shown in card
    for absent in ("no CVE", "NOT SCORED", "NOT RUN", "Severity unknown", "No signal"):
        assert absent not in card
    assert f'value="{decision.decision_id}:{decision.patch.sha256}"' in card


def test_a_page_shows_the_request_who_decides_and_the_digest(sign_in, alice, bob, make_gate):
    decision = make_gate(
        description="Release 7.\nSee https://ci.example.org/7",
        context={"image": "shop:7", "plan": {"create": 2}},
        metadata={"team": "shop"},
        allowed_approvers=["alice", "bob@example.org"],
        require_all_approvers=True,
        timeout_ms=3_600_000,
        notify_channels=["slack"],
        escalate_to_users=["lena"],
        auto_approve_conditions=[{"field": "config.env", "operator": "eq", "value": "dev"}],
        triggered_by="carol@example.org",
    )
    page = page_of(sign_in(alice), decision)
    for shown in (
        "Workflow gate",
        '<a href="https://ci.example.org/7"',
        "shop:7",
        "&quot;create&quot;: 2",
        "only ",
        "bob@example.org",
        "all of them must",
        "2 approvals",
        "nobody was notified",
        "config.env eq dev",
        "asks a person whatever they come to",
        "carol@example.org",
        decision.patch.sha256[:8],
        "pushed revision 1",
        "Approve revision 1",
        "Cancel this gate" if alice.has_perm("approvals.lead_decision") else "Escalate",
    ):
        assert shown in page, shown
    for absent in ('id="diff"', "ML prediction", "Wargaming", "NOT SCORED", "Advisory", "no CVE", "viewed", "CVSS"):
        assert absent not in page, absent
    assert PatchView.objects.filter(user=alice, patch=decision.patch).exists()


def test_what_a_workflow_sends_is_never_markup(sign_in, alice, make_gate):
    decision = make_gate(
        title=f"T{HOSTILE}",
        description=HOSTILE,
        workflow_id=f"w{HOSTILE}",
        context={HOSTILE: HOSTILE, "in": [HOSTILE]},
        allowed_approvers=["alice", f"x{HOSTILE}"],
        notify_users=[HOSTILE],
        escalate_to_users=[HOSTILE],
    )
    client = sign_in(alice)
    for page in (text_of(client.get("/")), page_of(client, decision)):
        assert "<script>alert" not in page
        assert "\u202e" not in re.sub(r'(title|aria-label)="[^"]*"', "", page)
        assert "&amp;lt;" not in page


def test_who_is_not_named_reads_why_and_may_reject(sign_in, alice, bob, make_gate):
    decision = make_gate(allowed_approvers=["bob"])
    page = page_of(sign_in(alice), decision)
    assert "Only the people this gate names may approve it: bob." in page
    assert "Can approve: Bob." in page
    assert "Approve revision" not in page
    assert "Reject revision 1" in page


def test_a_person_decides_on_its_page(sign_in, alice, make_gate):
    decision = make_gate()
    form = {"verdict": "approve", "patch_sha256": decision.patch.sha256, "displayed": "page"}
    answer = opened(sign_in(alice), decision).post(f"/patches/{decision.decision_id}/decide", form, follow=True)
    assert "Approved: Deploy to production." in answer.content.decode()
    decision.refresh_from_db()
    assert (decision.status, decision.channel) == (Status.APPROVED, "page")
    page = page_of(sign_in(alice), decision)
    assert "The decision covers exactly this content" in page


def test_a_refusal_shows_the_gates_page_again(sign_in, alice, make_gate):
    decision = make_gate()
    client = sign_in(alice)
    form = {"verdict": "reject", "patch_sha256": decision.patch.sha256, "displayed": "page"}
    answer = client.post(f"/patches/{decision.decision_id}/decide", form)
    assert (answer.status_code, "What is asked" in answer.content.decode()) == (422, True)
    answer = client.post(f"/patches/{decision.decision_id}/comments", {"text": ""})
    assert (answer.status_code, "What is asked" in answer.content.decode()) == (422, True)
    client.post(f"/patches/{decision.decision_id}/comments", {"text": "Is the freeze over?"})
    assert "Is the freeze over?" in page_of(client, decision)


def test_a_card_approves_only_what_was_opened_and_by_whom_it_names(sign_in, alice, bob, make_gate):
    decision = make_gate(allowed_approvers=["bob"])
    form = {"verdict": "approve", "patch_sha256": decision.patch.sha256, "displayed": "card"}
    for user in (alice, bob):
        assert sign_in(user).post(f"/patches/{decision.decision_id}/decide", form).status_code == 403
    page_of(sign_in(alice), decision)
    assert sign_in(alice).post(f"/patches/{decision.decision_id}/decide", form).status_code == 403
    page_of(sign_in(bob), decision)
    sign_in(bob).post(f"/patches/{decision.decision_id}/decide", form)
    decision.refresh_from_db()
    assert decision.status == Status.APPROVED


def test_bulk_says_of_each_gate_why_it_is_skipped(sign_in, alice, bob, make_gate, make_patch):
    client = sign_in(alice)
    gates = [make_gate(allowed_approvers=["bob"]), make_gate(), make_patch()]
    for decision in gates:
        page_of(client, decision)
    items = [f"{decision.decision_id}:{decision.patch.sha256}" for decision in gates]
    preview = text_of(client.post("/bulk", {"verdict": "approve", "items": items}))
    assert "Approve 2 patches, skip 1" in preview
    assert "Only the people this gate names" in preview
    done = text_of(client.post("/bulk", {"verdict": "approve", "items": items, "confirmed": "1"}))
    assert "2 approved, 1 not" in done
    assert [decision.status for decision in Decision.objects.order_by("id")] == ["pending", "approved", "approved"]


@pytest.mark.parametrize("path", ["files/f0", "compare/2", "raw"])
def test_there_is_no_diff_to_look_into(path, sign_in, alice, make_gate):
    decision = make_gate()
    assert sign_in(alice).get(f"/patches/{decision.decision_id}/{path}").status_code == 404


def test_history_shows_a_gate_with_its_workflow(sign_in, alice, make_gate, approve):
    approve(make_gate(), alice, Verdict.REJECT)
    row = text_of(sign_in(alice).get("/history"))
    for shown in ("Workflow gate", "Deploy to production", "deploy approve", "Rejected"):
        assert shown in row
    assert "no CVE" not in row


def test_the_history_and_its_csv_are_narrowed_by_kind(sign_in, alice, make_gate, make_patch, approve):
    approve(make_gate(), alice)
    approve(make_patch(title="Bind the name"), alice, Verdict.REJECT)
    client = sign_in(alice)
    for kind, shown, hidden, tab in (
        ("gate", "Deploy to production", "Bind the name", "Approved"),
        ("patch", "Bind the name", "Deploy to production", "Rejected"),
    ):
        page = text_of(client.get("/history", {"kind": kind}))
        assert (shown in page, hidden in page, "1 decided patch that matches" in page) == (True, False, True)
        assert re.search(rf"{tab} <span class=\"count\">1<", page)
        assert f'value="{kind}" checked' in page
        [row] = csv.DictReader(io.StringIO(b"".join(client.get("/history.csv", {"kind": kind})).decode()))
        assert (row["kind"], row["title"]) == (kind, shown)
    both = csv.DictReader(io.StringIO(b"".join(client.get("/history.csv")).decode()))
    assert [row["kind"] for row in both] == ["patch", "gate"]
    assert "2 decided patches" in text_of(client.get("/history", {"kind": "neither"}))


def test_the_queue_is_narrowed_by_kind_and_found_by_words(sign_in, alice, make_gate, make_patch):
    make_gate(workflow_id="nightly-migration")
    make_patch(title="Bind the name")
    client = sign_in(alice)
    gates, patches = text_of(client.get("/?kind=gate")), text_of(client.get("/?kind=patch"))
    assert ("Deploy to production" in gates, "Bind the name" in gates) == (True, False)
    assert ("Deploy to production" in patches, "Bind the name" in patches) == (False, True)
    assert "Deploy to production" in text_of(client.get("/?q=migration"))
    assert '<option value="gate" selected>' in gates


def test_counts_and_needs_my_approval_agree(sign_in, alice, bob, make_gate, make_patch):
    make_gate(allowed_approvers=["bob"])
    make_gate(allowed_approvers=["alice@example.org", "bob"])
    make_gate()
    make_patch()
    for user, needed in ((alice, 3), (bob, 4)):
        page = text_of(sign_in(user).get("/?mine=on"))
        assert page.count('<article class="card"') == needed
        assert f'<span class="count" id="count-all">{needed}</span>' in page
        assert f'id="queue-total">{needed}<' in page


def test_a_replaced_gate_leads_to_the_newest(sign_in, alice, make_gate):
    old = make_gate(execution_id="run", context={"image": "shop:7"})
    new = make_gate(execution_id="run", context={"image": "shop:8"})
    page = page_of(sign_in(alice), old)
    assert "Revision 2 replaced this one" in page
    assert f"/patches/{new.decision_id}" in page


def test_every_field_of_a_request_is_compared_or_names_the_gate():
    compared = {name for labels in GATE_LABELS.values() for name in labels}
    assert GateRequest.model_fields.keys() - compared == {"workflow_id", "job_id", "execution_id"}


def test_two_revisions_of_a_gate_are_compared(sign_in, alice, make_gate):
    same = {"execution_id": "run", "metadata": {"team": "shop"}}
    sent = {"image": "shop:7", "replicas": 3, "plan": {"create": 2, "drop": []}, "canary": None, HOSTILE: "old"}
    old = make_gate(context=sent, description="Release 7.", **same)
    wanted = {"image": "shop:8", "replicas": "3", "plan": {"create": 5, "drop": []}, HOSTILE: "new"}
    new = make_gate(context=wanted, title="Deploy 8", allowed_approvers=["alice"], **same)
    client = sign_in(alice)
    for one, other in ((old, 2), (new, 1)):
        assert f"/patches/{one.decision_id}/compare/{other}" in page_of(client, one)
        page = text_of(client.get(f"/patches/{one.decision_id}/compare/{other}"))
        assert "What changed from revision 1 to 2" in page
        for before, after in (
            ("Deploy to production", "Deploy 8"),
            ("Release 7.", None),
            ("shop:7", "shop:8"),
            ("3", "&quot;3&quot;"),
            ("2", "5"),
            ("null", None),
            (None, "[&quot;alice&quot;]"),
        ):
            cells = [
                f"<{tag}>{text}</{tag}>" if text else '<span class="muted">not given</span>'
                for tag, text in (("del", before), ("ins", after))
            ]
            assert re.search(rf"{re.escape(cells[0])}</td>.{{0,120}}?{re.escape(cells[1])}</td>", page), cells
        assert ">plan.create</th>" in page
        for absent in ("plan.drop", "team", "Metadata", "<script>alert", "Lines with", "Nothing that is applied"):
            assert absent not in page


def test_a_gate_with_one_revision_has_nothing_to_compare(sign_in, alice, make_gate):
    decision = make_gate()
    assert "/compare/" not in page_of(sign_in(alice), decision)


def test_the_same_asked_again_differs_in_nothing(sign_in, alice, lena, make_gate):
    decision = make_gate(execution_id="run")
    lifecycle.cancel(decision.decision_id, "Freeze.", user=lena, actor=SYSTEM, now=timezone.now(), channel=Channel.PAGE)
    again = make_gate(execution_id="run")
    assert "Both ask the same" in text_of(sign_in(alice).get(f"/patches/{again.decision_id}/compare/1"))


def test_a_lead_escalates_and_cancels_a_gate(sign_in, lena, make_gate):
    decision = make_gate()
    lifecycle.escalate(decision.decision_id, "Look.", user=lena, actor=SYSTEM, now=timezone.now())
    client = sign_in(lena)
    assert "Escalated" in page_of(client, decision)
    assert "Cancel this gate" in page_of(client, decision)
    client.post(f"/patches/{decision.decision_id}/cancel", {"reason": "Freeze."})
    decision.refresh_from_db()
    assert decision.status == Status.CANCELLED
    assert "Freeze." in page_of(client, decision)
