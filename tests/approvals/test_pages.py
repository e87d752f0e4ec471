"""Pages as people use them, with and without htmx: what they see, what they may do, what a refusal says."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import Decision, PatchView, Status, Verdict
from approvals.services import lifecycle, timers
from audit.models import Entry
from tests.cast import PASSWORD, actor_for, opened
from tests.html import one_line

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def url(name, decision, *more):
    return reverse(name, args=[decision.decision_id, *more])


def decide(client, decision, verdict="approve", headers=None, **more):
    body = {"verdict": verdict, "patch_sha256": decision.patch.sha256, "displayed": "page", **more}
    return (opened(client, decision) if body["displayed"] == "page" else client).post(
        url("patch-decide", decision), body, headers=headers
    )


def test_signed_out_every_page_leads_to_the_sign_in(client, make_patch):
    decision = make_patch()
    pages = [reverse("queue"), reverse("history"), reverse("analytics"), reverse("audit:entries")]
    for page in [*pages, url("patch-detail", decision), url("patch-raw", decision)]:
        answer = client.get(page)
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("login"))


def test_the_queue_shows_critical_first_then_by_sla(sign_in, alice, make_patch):
    make_patch(severity="low", title="Low one")
    make_patch(severity="critical", title="Critical one")
    make_patch(severity="high", title="High one")
    text = one_line(sign_in(alice).get(reverse("queue")))
    assert text.index("Critical one") < text.index("High one") < text.index("Low one")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("priority=critical", {"A"}),
        ("severity=low", {"B"}),
        ("cwe=CWE-79", {"B"}),
        ("ecosystem=npm", {"B"}),
        ("confidence_min=0.9", {"A"}),
        ("wargaming=not_run", {"B"}),
        ("q=sqlal", {"A"}),
        ("q=CVE-2024-0001", {"A"}),
        ("q=cve-2024-000", {"A", "B"}),
        ("q=zzz", set()),
        ("sla=none", {"B"}),
        ("mine=on", {"B"}),
        ("", {"A", "B"}),
    ],
)
def test_filters_narrow_the_queue(sign_in, alice, make_patch, query, shown):
    passed = {"phase1_success": True, "phase2_success": True, "validation_passed": True}
    make_patch(
        severity="critical",
        title="Patch A",
        package_name="sqlalchemy",
        cwe_ids=["CWE-89"],
        ml_prediction={"confidence": 0.95, "prediction": True},
        wargaming_result=passed,
        submitted_by="alice",
    )
    make_patch(severity="low", title="Patch B", package_name="lodash", ecosystem="npm", cwe_ids=["CWE-79"])
    text = one_line(sign_in(alice).get(f"{reverse('queue')}?{query}"))
    assert {name for name in ("A", "B") if f"Patch {name}" in text} == shown


def test_paging_forward_and_back_shows_every_patch_once(sign_in, alice, make_patch):
    for number in range(60):
        make_patch(severity="medium", title=f"Title {number:03}")
    client, seen, address = sign_in(alice), [], reverse("queue")
    while address:
        page = client.get(address)
        seen.append(re.findall(r"Title \d{3}", page.content.decode()))
        address = page.context["next_url"]
    shown = [title for page in seen for title in dict.fromkeys(page)]
    assert len(shown) == len(set(shown)) == 60
    back = client.get(page.context["previous_url"])
    assert list(dict.fromkeys(re.findall(r"Title \d{3}", back.content.decode()))) == list(dict.fromkeys(seen[-2]))


def test_a_forged_cursor_starts_over(sign_in, alice, make_patch):
    make_patch()
    assert sign_in(alice).get(reverse("queue") + "?cursor=bm90LW91cnM").status_code == 302


def test_opening_a_patch_is_remembered(sign_in, alice, make_patch):
    decision = make_patch()
    answer = sign_in(alice).get(url("patch-detail", decision))
    assert answer.status_code == 200
    assert decision.patch.sha256[:8] in one_line(answer)
    assert PatchView.objects.filter(user=alice, patch=decision.patch).exists()


def test_without_script_an_approval_leads_to_the_next_patch(sign_in, alice, make_patch):
    first, second = make_patch(severity="high"), make_patch(severity="medium")
    answer = decide(sign_in(alice), first, text="Checked the call sites.")
    assert answer.status_code == 302
    assert answer["Location"] == url("patch-detail", second)
    assert Decision.objects.get(pk=first.pk).status == Status.APPROVED


def test_with_htmx_an_approval_redirects_the_browser(sign_in, alice, make_patch):
    decision = make_patch()
    answer = decide(sign_in(alice), decision, headers=HTMX)
    assert answer.status_code == 204
    assert answer["HX-Redirect"] == reverse("queue")


def test_a_rejection_without_words_keeps_the_form_and_says_what_is_missing(sign_in, alice, make_patch):
    decision = make_patch()
    answer = decide(sign_in(alice), decision, "reject", headers=HTMX, text="")
    assert answer.status_code == 422
    text = one_line(answer)
    assert "<html" not in text
    assert "nothing was sent" in text
    assert Decision.objects.get(pk=decision.pk).status == Status.PENDING


def test_the_loser_of_a_race_reads_who_decided_and_keeps_their_words(sign_in, alice, bob, make_patch, approve):
    decision = make_patch()
    approve(decision, bob, Verdict.REJECT)
    answer = decide(sign_in(alice), decision, headers=HTMX, text="I had checked this.")
    text = one_line(answer)
    assert answer.status_code == 409
    assert "Already rejected by Bob" in text
    assert "I had checked this." in text


def test_a_new_revision_meanwhile_is_told(sign_in, alice, make_patch):
    old = make_patch(patch_id="PATCH-X")
    make_patch(patch_id="PATCH-X", title="Second try")
    answer = decide(sign_in(alice), old)
    assert answer.status_code == 409
    assert "Superseded" in one_line(answer)


def test_the_submitter_reads_why_not_and_who_can(sign_in, alice, bob, make_patch):
    decision = make_patch(submitted_by="alice@example.org")
    text = one_line(sign_in(alice).get(url("patch-detail", decision)))
    assert "You submitted this patch, so another person must approve it." in text
    assert "Bob" in text
    answer = decide(sign_in(alice), decision)
    assert answer.status_code == 403
    assert "another person must approve it" in one_line(answer)


def test_a_card_approves_only_what_its_page_showed(sign_in, alice, make_patch):
    decision, client = make_patch(severity="medium"), sign_in(alice)
    refused = decide(client, decision, displayed="card")
    assert refused.status_code == 403
    assert "Open the patch first" in one_line(refused)
    client.get(url("patch-detail", decision))
    assert decide(client, decision, displayed="card").status_code == 302
    assert Decision.objects.get(pk=decision.pk).channel == "card"


def test_a_low_patch_may_be_approved_from_its_card_at_once(sign_in, alice, make_patch):
    decision = make_patch(severity="low")
    assert decide(sign_in(alice), decision, displayed="card").status_code == 302


@pytest.mark.parametrize("action", ["approve", "reject", "comment"])
def test_each_card_action_has_a_page(sign_in, alice, make_patch, action):
    decision = make_patch(severity="low")
    answer = sign_in(alice).get(url("card-action", decision, action))
    assert answer.status_code == 200
    assert decision.patch.sha256[:8] in one_line(answer)


def test_an_unknown_card_action_is_not_found(sign_in, alice, make_patch):
    assert sign_in(alice).get(url("card-action", make_patch(), "explode")).status_code == 404


def test_a_viewer_sees_but_cannot_act(sign_in, carol, make_patch):
    decision, client = make_patch(), sign_in(carol)
    text = one_line(client.get(url("patch-detail", decision)))
    assert "Only reviewers and security leads decide" in text
    assert "Approve revision" not in text
    assert decide(client, decision).status_code == 403
    assert client.post(url("patch-comment", decision), {"text": "hello"}).status_code == 403
    assert client.get(url("patch-raw", decision)).status_code == 403
    assert client.get(reverse("audit:entries")).status_code == 403


def test_a_comment_is_shown_escaped(sign_in, alice, make_patch):
    decision, client = make_patch(), sign_in(alice)
    client.post(url("patch-comment", decision), {"text": "<script>alert(1)</script> see https://example.org/x"})
    text = one_line(client.get(url("patch-detail", decision)))
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert 'href="https://example.org/x"' in text


def test_comments_are_allowed_after_the_decision(sign_in, alice, make_patch, approve):
    decision = make_patch()
    approve(decision, alice)
    answer = sign_in(alice).post(url("patch-comment", decision), {"text": "For the record."})
    assert answer.status_code == 302


@pytest.mark.parametrize(("name", "status"), [("patch-cancel", "cancelled"), ("patch-revoke", "revoked")])
def test_a_lead_cancels_and_revokes_with_a_reason(sign_in, lena, alice, make_patch, approve, name, status):
    decision, client = make_patch(), sign_in(lena)
    if status == "revoked":
        approve(decision, alice)
    assert client.post(url(name, decision), {"reason": " "}).status_code == 422
    assert client.post(url(name, decision), {"reason": "Wrong branch."}).status_code == 302
    assert Decision.objects.get(pk=decision.pk).status == status
    assert client.post(url(name, decision), {"reason": "Again."}).status_code == 409


@pytest.mark.parametrize("name", ["patch-cancel", "patch-revoke"])
def test_a_reviewer_is_no_lead(sign_in, bob, alice, make_patch, approve, name):
    decision = make_patch()
    if name == "patch-revoke":
        approve(decision, alice)
    before = Decision.objects.get(pk=decision.pk).status
    assert sign_in(bob).post(url(name, decision), {"reason": "I would like to."}).status_code == 403
    assert Decision.objects.get(pk=decision.pk).status == before


def test_escalation_is_counted_and_shown(sign_in, alice, make_patch):
    decision, client = make_patch(), sign_in(alice)
    assert client.post(url("patch-escalate", decision), {"reason": "I do not know this code."}).status_code == 302
    assert Decision.objects.get(pk=decision.pk).escalation_level == 1
    assert "Escalated" in one_line(client.get(url("patch-detail", decision)))


@pytest.mark.parametrize("name", ["patch-decide", "patch-comment", "patch-escalate", "patch-cancel", "patch-revoke"])
def test_acting_takes_post_only(sign_in, alice, make_patch, name):
    decision = make_patch()
    assert sign_in(alice).get(url(name, decision)).status_code == 405
    assert Decision.objects.get(pk=decision.pk).status == Status.PENDING


def test_a_post_without_the_csrf_token_changes_nothing(alice, make_patch):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    decision = make_patch()
    answer = decide(client, decision)
    assert answer.status_code == 403
    assert "nothing was changed" in one_line(answer)
    assert Decision.objects.get(pk=decision.pk).status == Status.PENDING


def test_history_shows_who_decided_and_filters_by_status(sign_in, alice, bob, make_patch, approve):
    approve(make_patch(title="Good one"), alice)
    approve(make_patch(title="Bad one"), bob, Verdict.REJECT)
    client = sign_in(alice)
    text = one_line(client.get(reverse("history")))
    assert "Good one" in text
    assert "Bad one" in text
    only = one_line(client.get(reverse("history") + "?status=rejected"))
    assert "Bad one" in only
    assert "Good one" not in only
    by_bob = one_line(client.get(reverse("history") + "?reviewer=bob"))
    assert "Bad one" in by_bob
    assert "Good one" not in by_bob


def test_analytics_counts_what_was_decided(sign_in, alice, make_patch, approve):
    approve(make_patch(), alice)
    approve(make_patch(), alice, Verdict.REJECT)
    make_patch()
    answer = sign_in(alice).get(reverse("analytics") + "?days=7")
    tiles = {tile["label"]: tile["value"] for tile in answer.context["kpis"]}
    assert (tiles["Patches"], tiles["Approved by people"], tiles["Rejected"]) == ("3", "1", "1")
    assert "Show as table" in one_line(answer)


def test_the_audit_list_filters_and_opens_an_entry(sign_in, audrey, alice, make_patch, approve):
    decision = make_patch()
    approve(decision, alice)
    client = sign_in(audrey)
    page = client.get(reverse("audit:entries") + "?action=decision.approved")
    (entry,) = page.context["entries"]
    assert entry["actor_label"] == "alice"
    detail = one_line(client.get(reverse("audit:entry", args=[entry["uuid"]])))
    assert str(decision.decision_id) in detail
    assert entry["leaf_hash"][:8] in detail


def test_sign_in_works_by_mail_or_name_and_is_recorded(client, alice):
    assert client.post(reverse("login"), {"username": "ALICE@example.org", "password": "wrong"}).status_code == 422
    answer = client.post(reverse("login"), {"username": "ALICE@example.org", "password": PASSWORD})
    assert answer.status_code == 302
    types = list(Entry.objects.filter(type__startswith="login.").order_by("id").values_list("type", flat=True))
    assert types == ["login.failed", "login.succeeded"]
    body = b"".join(bytes(entry.body) for entry in Entry.objects.filter(type="login.failed"))
    assert b"wrong" not in body


def test_the_theme_is_kept_and_never_leads_elsewhere(sign_in, alice):
    client = sign_in(alice)
    answer = client.post(reverse("theme"), {"theme": "light", "next": "https://evil.example/"})
    assert answer["Location"] == reverse("queue")
    assert 'data-theme="light"' in one_line(client.get(reverse("queue")))


def test_an_expired_patch_cannot_be_approved_before_the_worker_wrote_it(sign_in, alice, make_patch):
    long_ago = timezone.now() - timedelta(days=9)
    decision = make_patch(severity="low", now=long_ago)
    answer = decide(sign_in(alice), decision)
    assert answer.status_code == 409
    assert "time to decide ended" in one_line(answer)
    assert timers.expire_due(timezone.now()) == 1
    assert Decision.objects.get(pk=decision.pk).status == Status.EXPIRED


def test_every_page_has_one_heading_and_no_inline_code(sign_in, lena, make_patch):
    decision, client = make_patch(), sign_in(lena)
    pages = [reverse(name) for name in ("queue", "history", "analytics", "audit:entries")]
    for page in [*pages, url("patch-detail", decision), url("card-action", decision, "reject")]:
        text = one_line(client.get(page))
        assert len(re.findall(r"<h1[ >]", text)) == 1, page
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=\"|<script(?![^>]*\bsrc=)[^>]*>", text), page


def test_cancelling_needs_the_lead_at_this_moment(lena, make_patch):
    decision = make_patch()
    lena.groups.clear()
    with pytest.raises(lifecycle.NotAllowed):
        lifecycle.cancel(
            decision.decision_id, "x", actor=actor_for(lena), now=timezone.now(), channel="page", user=lena
        )


def test_single_keys_can_be_switched_off_and_on(sign_in, alice):
    client = sign_in(alice)
    assert "data-no-single-keys" not in one_line(client.get(reverse("queue")))
    client.post(reverse("keys"), {"single_keys": "", "next": "/history"})
    assert "data-no-single-keys" in one_line(client.get(reverse("queue")))
    client.post(reverse("keys"), {"single_keys": "on"})
    assert "data-no-single-keys" not in one_line(client.get(reverse("queue")))


@pytest.mark.parametrize("files", [60, 150, 1_200])
@pytest.mark.parametrize("view", ["unified", "split"])
def test_a_page_stays_small_however_many_files_a_patch_has(sign_in, alice, make_patch, files, view):
    name = "src/package/module_{0}/file.py"
    one = f"--- a/{name}\n+++ b/{name}\n@@ -1,2 +1,2 @@\n a = {{0}}\n-b = 1\n+b = 2\n"
    decision = make_patch(diff="".join(one.format(number) for number in range(files)))
    page = sign_in(alice).get(f"/patches/{decision.decision_id}?view={view}").content
    assert len(page) < 300_000, len(page)
    assert files == 60 or f"{files - 60} more files" in page.decode()
