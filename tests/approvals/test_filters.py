"""Filters of queue, history and audit log as people type them: percent, names, shortened digests; what they answer."""

import re
from urllib.parse import quote, urlencode

import pytest
from django.urls import reverse

from approvals.models import Verdict
from tests.html import one_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def scored(make_patch):
    """Two patches, A scored at 87 % and B at 50 %."""
    for name, confidence in (("A", 0.87), ("B", 0.5)):
        make_patch(title=f"Patch {name}", ml_prediction={"confidence": confidence, "prediction": True})


def page(client, name, **query):
    return one_line(client.get(reverse(name), query))


def shown(text):
    return set(re.findall(r"Patch ([AB])\b", text))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"confidence_from": "80"}, {"A"}),
        ({"confidence_from": "87"}, {"A"}),
        ({"confidence_to": "87"}, {"A", "B"}),
        ({"confidence_to": "50"}, {"B"}),
        ({"confidence_min": "0.8"}, {"A"}),
        ({"confidence_min": "0"}, {"A", "B"}),
        ({"confidence_max": "0.87"}, {"A", "B"}),
        ({"confidence_max": "1"}, {"A", "B"}),
    ],
)
def test_confidence_is_asked_for_in_percent_and_old_links_go_on(sign_in, alice, scored, query, names):
    assert shown(page(sign_in(alice), "queue", **query)) == names


def test_an_old_link_shows_its_share_in_percent(sign_in, alice, scored):
    text = page(sign_in(alice), "queue", confidence_min="0.29")
    assert 'name="confidence_from" type="text" value="29"' in text
    assert "from 29 %" in text


@pytest.mark.parametrize("wrong", ["180", "-1", "most", "nan"])
def test_a_wrong_confidence_says_so_and_narrows_nothing(sign_in, alice, scored, wrong):
    text = page(sign_in(alice), "queue", confidence_from=wrong)
    assert shown(text) == {"A", "B"}
    assert 'aria-invalid="true"' in text
    assert "A number from 0 to 100" in text
    assert 'id="menu-confidence_from" open' in text


@pytest.mark.parametrize("name", ["queue", "history", "audit:entries"])
def test_a_browser_never_holds_a_filter_form_back(sign_in, lena, name):
    assert re.search(r"<form[^>]*role=\"search\"[^>]* novalidate", page(sign_in(lena), name))


@pytest.mark.parametrize("cut", [lambda d: d[:8], lambda d: f"{d[:8]} {d[8:16]}", lambda d: d[:12].upper(), str])
def test_a_digest_as_the_page_shows_it_finds_its_patch(sign_in, alice, bob, make_patch, approve, cut):
    waiting = make_patch(title="Patch A", diff="--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n")
    ended = make_patch(title="Patch B", diff="--- a/b\n+++ b/b\n@@ -1 +1 @@\n-1\n+3\n")
    approve(ended, bob)
    client = sign_in(alice)
    assert shown(page(client, "queue", q=cut(waiting.patch.sha256))) == {"A"}
    assert shown(page(client, "history", q=cut(ended.patch.sha256))) == {"B"}


def test_words_that_look_like_a_digest_are_still_words(sign_in, alice, make_patch):
    make_patch(title="Patch A of deadbeef")
    make_patch(title="Patch B")
    assert shown(page(sign_in(alice), "queue", q="deadbeef")) == {"A"}


@pytest.fixture
def reviewed(make_patch, approve, alice, bob):
    """A was approved by Alice Abel, B rejected by Bob."""
    alice.last_name = "Abel"
    alice.save()
    approve(make_patch(title="Patch A"), alice)
    approve(make_patch(title="Patch B"), bob, Verdict.REJECT)


@pytest.mark.parametrize("who", ["alice", "Alice Abel", "alice abel", "ALICE@example.org"])
def test_people_are_found_by_any_of_their_names(sign_in, lena, reviewed, who):
    client = sign_in(lena)
    assert shown(page(client, "history", reviewer=who)) == {"A"}
    actors = {entry["actor_label"] for entry in client.get(reverse("audit:entries"), {"actor": who}).context["entries"]}
    assert actors == {"alice"}


def test_people_are_offered_while_one_types(sign_in, lena, reviewed):
    assert '<option value="Alice Abel">alice@example.org</option>' in page(sign_in(lena), "history")
    assert '<option value="Alice Abel">alice@example.org</option>' in page(sign_in(lena), "audit:entries")


def test_the_number_over_the_history_follows_its_filters(sign_in, lena, reviewed):
    client = sign_in(lena)
    assert "2 decided patches</p>" in page(client, "history")
    text = page(client, "history", reviewer="alice")
    assert "1 decided patch that matches</p>" in text
    assert text.index('id="history"') < text.index("1 decided patch")


def test_weaknesses_have_their_names(sign_in, alice, make_patch):
    make_patch(cwe_ids=["CWE-89", "CWE-99999"])
    text = one_line(sign_in(alice).get(reverse("facet", args=["cwe"])))
    assert ">CWE-89 SQL injection<" in text
    assert ">CWE-99999<" in text


def test_viewers_are_offered_no_selecting(sign_in, carol, alice, make_patch):
    make_patch()
    for person, offered in ((carol, False), (alice, True)):
        text = page(sign_in(person), "queue")
        assert ("select-all" in text) is offered
        assert ("<kbd>X</kbd> select <" in text) is offered


def test_the_headline_says_how_many_need_the_reader(sign_in, alice, carol, make_patch, approve):
    make_patch()
    make_patch(submitted_by="alice")
    assert "1 of them needs you.</a>" in page(sign_in(alice), "queue")
    assert "of them need" not in page(sign_in(carol), "queue")


def test_saved_views_follow_the_filters(sign_in, alice, make_patch):
    make_patch()
    client = sign_in(alice)
    client.post(reverse("view-save"), {"name": "Late ones", "query": "sla=breached"})
    headers = {"HX-Request": "true", "HX-Target": "queue"}
    for query, named in (("sla=breached", True), ("sla=warning", False)):
        text = one_line(client.get(f"{reverse('queue')}?{query}", headers=headers))
        assert 'id="menu-views" hx-swap-oob="true"' in text
        assert ("<span>Late ones</span>" in text) is named
    assert "hx-swap-oob" not in page(client, "queue", sla="breached")


@pytest.mark.parametrize(
    ("verdict", "sentence"), [("reject", "Say what is wrong;"), ("request_changes", "Say what should change;")]
)
def test_a_refusal_without_words_says_which_words_are_missing(sign_in, alice, make_patch, verdict, sentence):
    decision = make_patch()
    body = {"verdict": verdict, "patch_sha256": decision.patch.sha256, "category": "other"}
    answer = sign_in(alice).post(reverse("patch-decide", args=[decision.decision_id]), body)
    assert answer.status_code == 422
    assert sentence in one_line(answer)


def test_the_audit_log_speaks_in_words(sign_in, lena, reviewed):
    client = sign_in(lena)
    text = page(client, "audit:entries")
    assert "1 approval asked for" in text
    assert "incomplete: " in text
    assert '<option value="decision.approved"' not in text
    assert "decision approved</label>" in re.sub(r"\s*\n\s*", "", text)


@pytest.mark.parametrize(
    ("cve", "names"),
    [
        ("CVE-2024-1111", {"A"}),
        ("cve 2024 1111", {"A"}),
        ("log4shell", {"A"}),
        ("CVE-2024-2222", {"B"}),
        ("CVE-1999-0001", set()),
        ("", {"A", "B"}),
    ],
)
def test_the_queue_is_narrowed_by_a_vulnerability_under_any_of_its_names(sign_in, alice, make_patch, cve, names):
    make_patch(title="Patch A", cve_id="CVE-2024-1111", aliases=["Log4Shell"])
    make_patch(title="Patch B", cve_id="CVE-2024-2222")
    client = sign_in(alice)
    text = page(client, "queue", cve=cve)
    assert shown(text) == names
    assert f'name="cve" value="{cve}"' in text or f'name="cve" type="text" value="{cve}"' in text
    assert text.count('name="cve"') == 1
    assert ('<summary class="pill is-active" id="pill-cve">Vulnerability' in text) == bool(cve)
    in_list = f"?list={quote(urlencode({'cve': cve}), safe='')}"  # its patch leads on among these
    assert (in_list in text) == bool(cve)
