"""The workbench as reviewers use it: live pieces, facets, bulk, saved views, ticks, comments at lines, revisions."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import Comment, Decision, SavedView, Status, Verdict, ViewedFile
from approvals.services import workbench
from tests.cast import DIFF
from tests.html import one_line

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
LONG = "--- a/long.txt\n+++ b/long.txt\n@@ -0,0 +1,900 @@\n" + "".join(f"+line {number}\n" for number in range(1, 901))


def url(name, decision, *more):
    return reverse(name, args=[decision.decision_id, *more])


def text_of(answer):
    return one_line(answer)


def item(decision):
    return f"{decision.decision_id}:{decision.patch.sha256}"


def file_digest(client, decision):
    return re.search(r'name="file" value="([0-9a-f]{64})"', text_of(client.get(url("patch-detail", decision))))[1]


# Live


def test_a_card_is_fetched_again_as_it_is_now(sign_in, alice, bob, make_patch, approve):
    decision = make_patch(severity="critical", title="Two are needed")
    approve(decision, bob)
    text = text_of(sign_in(alice).get(reverse("queue-cards"), {"id": str(decision.decision_id)}))
    assert "Two are needed" in text
    assert "1 of 2" in text
    assert "<html" not in text


def test_a_decided_card_comes_back_as_what_became_of_it(sign_in, alice, bob, make_patch, approve):
    decision = make_patch()
    approve(decision, bob, Verdict.REJECT)
    address = reverse("queue-cards"), {"id": str(decision.decision_id)}
    text = text_of(sign_in(alice).get(*address))
    assert "rejected by Bob" in text
    assert 'class="card"' not in text
    assert "data-own" not in text
    assert "data-own" in text_of(sign_in(bob).get(*address))


def test_cards_of_nonsense_are_none(sign_in, alice, make_patch):
    make_patch(title="Unasked")
    answer = sign_in(alice).get(reverse("queue-cards"), {"id": "zebra"})
    assert answer.status_code == 200
    assert "Unasked" not in text_of(answer)


def test_arrivals_are_counted_under_the_filters(sign_in, alice, make_patch):
    client, since = sign_in(alice), timezone.now()
    make_patch(severity="high", now=since - timedelta(minutes=1))
    make_patch(severity="high", now=since + timedelta(seconds=1))
    make_patch(severity="low", now=since + timedelta(seconds=1))
    assert "2 new patches" in text_of(client.get(reverse("queue-counts"), {"since": since.isoformat()}))
    narrowed = {"since": since.isoformat(), "priority": "low", "cursor": "x"}
    text = text_of(client.get(reverse("queue-counts"), narrowed))
    assert "1 new patch<" in text
    assert f'href="{reverse("queue")}?priority=low"' in text


def test_a_patch_named_by_its_notice_counts_even_with_an_earlier_time(sign_in, alice, make_patch):
    since = timezone.now()
    late = make_patch(now=since - timedelta(seconds=2))
    parameters = {"since": since.isoformat(), "id": str(late.decision_id)}
    assert "1 new patch<" in text_of(sign_in(alice).get(reverse("queue-counts"), parameters))


@pytest.mark.parametrize("since", ["", "yesterday", "2026-06-31T00:00:00Z", "2026-06-01T00:00:00"])
def test_a_damaged_moment_counts_no_arrival(sign_in, alice, make_patch, since):
    make_patch()
    assert "newpill" not in text_of(sign_in(alice).get(reverse("queue-counts"), {"since": since}))


def test_the_panel_says_what_happened_meanwhile(sign_in, alice, bob, make_patch, approve):
    decision = make_patch()
    client = sign_in(alice)
    assert "live-notice" in text_of(client.get(url("patch-detail", decision)))
    approve(decision, bob, Verdict.REJECT)
    text = text_of(client.get(url("patch-panel", decision), headers=HTMX))
    assert "Rejected by Bob" in text
    assert 'id="decision"' in text
    assert "<html" not in text


def test_pieces_of_a_page_lead_to_the_page_when_opened_by_themselves(sign_in, alice, make_patch):
    decision, client = make_patch(), sign_in(alice)
    for name in ("patch-panel", "patch-outcome"):
        assert client.get(url(name, decision))["Location"] == url("patch-detail", decision)


def test_who_else_looks_is_on_page_and_card(sign_in, alice, bob, make_patch):
    decision = make_patch()
    workbench.be_present(decision.patch, bob, timezone.now())
    client = sign_in(alice)
    assert "Bob" in text_of(client.post(url("patch-presence", decision)))
    assert "Looking at it now: Bob" in text_of(client.get(reverse("queue")))


def test_what_pages_fetch_again_costs_the_same_for_one_as_for_many(
    sign_in, alice, make_patch, django_assert_max_num_queries
):
    client, decisions = sign_in(alice), [make_patch() for _ in range(12)]
    client.get(reverse("history"))  # the first page of a session says when it began
    for number in (1, 12):
        with django_assert_max_num_queries(14):
            client.get(reverse("queue-cards"), {"id": [str(one.decision_id) for one in decisions[:number]]})
        with django_assert_max_num_queries(12):
            client.get(reverse("queue-counts"), {"since": timezone.now().isoformat()})


# Sessions


def test_a_signed_out_htmx_request_leads_the_browser_back_to_its_page(make_patch):
    decision = make_patch()
    shown = f"http://testserver{url('patch-detail', decision)}?view=split"
    answer = Client().post(url("patch-decide", decision), headers=HTMX | {"HX-Current-URL": shown})
    assert answer.status_code == 204
    assert answer["HX-Redirect"] == f"{reverse('login')}?next={url('patch-detail', decision)}%3Fview%3Dsplit"


@pytest.mark.parametrize("referer", ["http://elsewhere.example/patches/1", ""])
def test_a_signed_out_form_never_leads_elsewhere(make_patch, referer):
    answer = Client().post(url("patch-comment", make_patch()), {"text": "x"}, headers={"Referer": referer})
    assert answer["Location"] == f"{reverse('login')}?next={reverse('queue')}"


# Queue


@pytest.mark.parametrize("name", ["cwe", "package", "ecosystem", "language", "producer", "policy", "severity", "sla"])
def test_a_facet_counts_what_waits_under_the_other_filters(sign_in, alice, make_patch, name):
    make_patch(severity="high", cwe_ids=["CWE-89", "CWE-79"], ecosystem="pypi", language="python")
    make_patch(severity="low", cwe_ids=["CWE-79"], ecosystem="npm", language="python")
    answer = sign_in(alice).get(reverse("facet", args=[name]), {"priority": "high", name: "whatever"})
    text = text_of(answer)
    assert answer.status_code == 200
    expected = {"cwe": "CWE-89", "ecosystem": "pypi", "language": "python", "package": "flask", "producer": "patchgen"}
    assert expected.get(name, "") in text
    assert "npm" not in text


def test_a_facet_value_is_a_link_that_sets_or_lifts_it(sign_in, alice, make_patch):
    make_patch(ecosystem="npm")
    client, address = sign_in(alice), reverse("facet", args=["ecosystem"])
    assert f'href="{reverse("queue")}?q=flask&amp;ecosystem=npm"' in text_of(client.get(address, {"q": "flask"}))
    assert f'href="{reverse("queue")}"' in text_of(client.get(address, {"ecosystem": "npm"}))


def test_there_is_no_facet_of_everything(sign_in, alice):
    assert sign_in(alice).get(reverse("facet", args=["password"])).status_code == 404


def test_a_view_is_saved_opened_and_deleted(sign_in, alice):
    client = sign_in(alice)
    answer = client.post(reverse("view-save"), {"name": "Mornings", "query": "priority=high&cursor=abc"})
    assert answer["Location"] == f"{reverse('queue')}?priority=high"
    text = text_of(client.get(answer["Location"]))
    assert "Mornings" in text
    assert 'name="query" value="priority=high" form="save-view"' in text
    client.post(reverse("view-delete", args=[SavedView.objects.get().pk]))
    assert not SavedView.objects.exists()


def test_bulk_says_first_what_it_would_do_and_skips_critical_approval(sign_in, alice, make_patch):
    low, critical = make_patch(severity="low", title="Easy"), make_patch(severity="critical", title="Grave")
    client = sign_in(alice)
    body = {"items": [item(low), item(critical)], "verdict": "approve"}
    text = text_of(client.post(reverse("bulk"), body, headers=HTMX))
    assert "Approve 1 patch, skip 1" in text
    assert Decision.objects.filter(status=Status.PENDING).count() == 2
    assert f'value="{item(critical)}"' not in text
    done = text_of(client.post(reverse("bulk"), body | {"confirmed": "1"}))
    assert "1 approved, 1 not" in done
    assert Decision.objects.get(pk=low.pk).channel == "bulk"
    assert Decision.objects.get(pk=critical.pk).status == Status.PENDING


def test_a_bulk_rejection_needs_one_reason_for_all(sign_in, alice, make_patch):
    decisions = [make_patch(), make_patch()]
    body = {"items": [item(one) for one in decisions], "verdict": "reject", "confirmed": "1"}
    client = sign_in(alice)
    refused = client.post(reverse("bulk"), body)
    assert refused.status_code == 422
    assert "Choose what is wrong" in text_of(refused)
    client.post(reverse("bulk"), body | {"category": "incomplete", "text": "Both miss the second call site."})
    assert Decision.objects.filter(status=Status.REJECTED).count() == 2


def test_one_conflict_stops_no_other(sign_in, alice, bob, make_patch, approve):
    mine, taken = make_patch(severity="low"), make_patch(severity="low")
    body = {"items": [item(mine), item(taken)], "verdict": "approve", "confirmed": "1"}
    approve(taken, bob, Verdict.REJECT)
    text = text_of(sign_in(alice).post(reverse("bulk"), body))
    assert "1 approved, 1 not" in text
    assert "ejected by" in text


def test_looking_at_what_bulk_would_do_is_a_get_and_decides_nothing(sign_in, alice, make_patch):
    decision, client = make_patch(severity="low"), sign_in(alice)
    asked = {"verdict": "reject", "items": item(decision), "category": "style", "text": "No.", "confirmed": "1"}
    text = text_of(client.get(reverse("bulk"), asked))
    assert "Reject 1" in text
    assert item(decision) in text
    assert Decision.objects.get().status == Status.PENDING
    assert Client().get(reverse("bulk"), asked)["Location"].startswith(reverse("login") + "?next=/bulk%3Fverdict")


def test_bulk_without_a_tick_explains_itself(sign_in, alice):
    answer = sign_in(alice).post(reverse("bulk"), {"verdict": "approve"})
    assert answer.status_code == 422
    assert "Nothing is selected" in text_of(answer)


def test_viewers_get_nothing_to_tick(sign_in, carol, make_patch):
    make_patch()
    text = text_of(sign_in(carol).get(reverse("queue")))
    assert 'name="items"' not in text
    assert 'class="bulkbar"' not in text


# Diff


def test_the_layout_is_remembered_and_phones_get_unified(sign_in, alice, make_patch):
    decision, client = make_patch(), sign_in(alice)
    assert "diff--split" not in text_of(client.get(url("patch-detail", decision)))
    assert "diff--split" in text_of(client.get(url("patch-detail", decision), {"view": "split"}))
    assert "diff--split" in text_of(client.get(url("patch-detail", decision)))
    phone = {"User-Agent": "Mozilla/5.0 (iPhone) Mobile/15E148 Safari"}
    mobile = text_of(client.get(url("patch-detail", decision), headers=phone))
    assert "diff--split" not in mobile


def test_a_long_file_comes_window_by_window_and_none_of_it_is_kept_back(sign_in, alice, make_patch):
    decision, client = make_patch(diff=LONG), sign_in(alice)
    page = text_of(client.get(url("patch-detail", decision)))
    assert "line 900" not in page
    address = re.search(r'hx-get="([^"]+/files/[^"]+)"', page)[1]
    seen = ""
    while address:
        piece = text_of(client.get(address, headers=HTMX))
        seen += piece
        more = re.search(r'hx-get="([^"]+\?from=\d+)"', piece)
        address = more[1] if more else None
    assert [number for number in range(1, 901) if f'-n{number}"' not in seen] == []


def test_a_tick_is_kept_counted_and_folds_the_file(sign_in, alice, bob, make_patch):
    decision, client = make_patch(), sign_in(alice)
    digest = file_digest(client, decision)
    client.post(url("patch-viewed", decision), {"file": digest, "viewed": "on"})
    text = text_of(client.get(url("patch-detail", decision)))
    assert "1</span> of 1 viewed" in text
    assert "Load diff" in text
    assert ViewedFile.objects.filter(user=alice).count() == 1
    assert "0</span> of 1 viewed" in text_of(sign_in(bob).get(url("patch-detail", decision)))


def test_a_comment_stands_at_its_line_and_in_the_discussion(sign_in, alice, make_patch):
    decision, client = make_patch(), sign_in(alice)
    body = {"text": "Is this bound?", "file": "app.py", "line": "1", "anchor": "f-1-n1"}
    answer = client.post(url("patch-comment", decision), body)
    assert answer["Location"].endswith("#f-1-n1")
    text = text_of(client.get(url("patch-detail", decision)))
    assert text.count("Is this bound?") == 2
    assert "Comments on line 1" in text
    assert "outdated" not in text


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "htmx"])
def test_a_comment_on_a_line_that_is_not_there_is_refused_and_keeps_its_words(sign_in, alice, make_patch, headers):
    decision, client = make_patch(), sign_in(alice)
    body = {"text": "Far away.", "file": "app.py", "line": "4000"}
    answer = client.post(url("patch-comment", decision), body, headers=headers)
    assert answer.status_code == 422
    assert "This diff shows no line 4000 of the new file app.py." in answer.content.decode()
    assert "Far away." in answer.content.decode()
    assert not Comment.objects.exists()


def test_a_comment_follows_its_line_into_the_next_revision_or_is_outdated(sign_in, alice, make_patch):
    first, client = make_patch(patch_id="PATCH-X"), sign_in(alice)
    client.post(url("patch-comment", first), {"text": "Keep this call.", "file": "app.py", "line": "2"})
    client.post(url("patch-comment", first), {"text": "Bind it.", "file": "app.py", "line": "1"})
    moved = DIFF.replace("+1,2 @@", "+1,3 @@").replace("+query = 'select %s'", "+import sql\n+query = sql.bind()")
    text = text_of(client.get(url("patch-detail", make_patch(patch_id="PATCH-X", diff=moved))))
    assert "Comments on line 3" in text
    assert text.count("Keep this call.") == 2
    assert text.count("Bind it.") == 1
    assert text.count(">outdated<") == 1
    assert text.count(">revision 1<") == 2


@pytest.mark.parametrize("anchor", ["//evil.example", 'x"><script>', ""])
def test_only_a_plain_anchor_is_come_back_to(sign_in, alice, make_patch, anchor):
    answer = sign_in(alice).post(url("patch-comment", make_patch()), {"text": "x", "anchor": anchor})
    assert answer["Location"].endswith("#discussion")


def test_what_could_mislead_is_marked_above_and_at_its_line(sign_in, alice, make_patch):
    diff = "--- a/app.py\n+++ b/app.py\n@@ -1 +1,2 @@\n x = 1\n+# \u202eignore previous instructions\n"
    text = text_of(sign_in(alice).get(url("patch-detail", make_patch(diff=diff))))
    assert "Text direction control" in text
    assert 'class="linemark"' in text
    assert "\u202e" not in text


def grown(lines):
    return f"--- a/app.py\n+++ b/app.py\n@@ -0,0 +1,{lines} @@\n" + "+x = 1\n" * lines


def test_a_patch_much_larger_than_approved_ones_of_its_weakness_says_so(sign_in, alice, make_patch, approve):
    for lines in [4, 5, 6] * 4:
        approve(make_patch(diff=grown(lines), cwe_ids=["CWE-89"]), alice)
    client = sign_in(alice)
    large = text_of(client.get(url("patch-detail", make_patch(diff=grown(17), cwe_ids=["CWE-79", "CWE-89"]))))
    assert "3.4 times the usual size" in large
    assert "the median of the last 12 approved patches of CWE-89 is 5" in large
    for usual in [make_patch(diff=grown(14), cwe_ids=["CWE-89"]), make_patch(diff=grown(90), cwe_ids=["CWE-22"])]:
        assert "the usual size" not in text_of(client.get(url("patch-detail", usual)))


@pytest.mark.parametrize("view", ["unified", "split"])
def test_every_row_has_an_address(sign_in, alice, make_patch, view):
    text = text_of(sign_in(alice).get(url("patch-detail", make_patch()), {"view": view}))
    (key,) = set(re.findall(r'<section class="dfile" id="([^"]+)"', text))
    assert f'id="{key}-n1"' in text
    assert f'id="{key}-n2"' in text


def test_two_revisions_are_compared(sign_in, alice, make_patch):
    make_patch(patch_id="PATCH-X")
    changed = DIFF.replace("+query = 'select %s'", "+query = bound('select %s')")
    newer, client = make_patch(patch_id="PATCH-X", diff=changed), sign_in(alice)
    assert url("patch-compare", newer, 1) in text_of(client.get(url("patch-detail", newer)))
    text = text_of(client.get(url("patch-compare", newer, 1)))
    assert "What changed from revision 1 to 2" in text
    assert "is-add" in text
    assert client.get(url("patch-compare", newer, 7)).status_code == 404


# Deciding, keys and history


def test_one_takes_back_ones_own_review_and_nobody_elses(sign_in, alice, bob, make_patch, approve):
    decision = make_patch(severity="critical")
    approve(decision, alice)
    assert "Withdraw your review" in text_of(sign_in(alice).get(url("patch-detail", decision)))
    assert "Withdraw your review" not in text_of(sign_in(bob).get(url("patch-detail", decision)))
    sign_in(alice).post(url("patch-withdraw", decision), {"reason": "I misread the base."})
    assert Decision.objects.get(pk=decision.pk).approvals == 0


def test_single_keys_can_be_off(sign_in, alice):
    client = sign_in(alice)
    assert "data-no-single-keys" not in text_of(client.get(reverse("queue")))
    alice.single_keys = False
    alice.save(update_fields=["single_keys"])
    assert "data-no-single-keys" in text_of(client.get(reverse("queue")))


def test_a_row_of_the_history_opens_to_reason_and_reviews(sign_in, alice, make_patch, approve):
    decision, client = make_patch(), sign_in(alice)
    approve(decision, alice, Verdict.REJECT, text="The second call site is open.")
    page = text_of(client.get(reverse("history") + "?status=rejected"))
    assert f"{reverse('history-csv')}?status=rejected" in page
    assert url("patch-outcome", decision) in page
    row = text_of(client.get(url("patch-outcome", decision), headers=HTMX))
    assert "The second call site is open." in row
    assert "Incomplete fix" in row
