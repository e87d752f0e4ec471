"""Every byte of a patch is on its page, or behind a link there."""

import random
import re

import pytest
from django.urls import reverse

from tests.mutations import SAMPLES, mutated, samples

pytestmark = pytest.mark.django_db
CHANGE = "--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-a\n+b\n"


def page(client, decision, name="patch-detail", *more, **query):
    return client.get(reverse(name, args=[decision.decision_id, *more]), query)


def test_the_words_before_the_first_file_stand_open_and_their_rest_unfolds(sign_in, alice, make_patch):
    words = "".join(f"word {number} of it\n" for number in range(1, 400))
    decision, client = make_patch(diff=words + CHANGE.format("x")), sign_in(alice)
    html = page(client, decision).content.decode()
    assert html.index("word 12 of it") < html.index("The rest of these words") < html.index("word 13 of it")
    assert html.index("word 212 of it") < html.index('class="dfile"')
    assert "word 213 of it" not in html
    [address] = re.findall(r'href="(/[^"]*/text/words-0\?from=\d+)', html)
    for headers in ({}, {"HX-Request": "true"}):
        more = client.get(address, headers=headers).content.decode()
        assert "word 213 of it" in more
        assert "word 399 of it" in more
        assert ("<html" in more) == (not headers)


def test_words_stand_where_they_were_sent(sign_in, alice, make_patch):
    diff = (
        CHANGE.format("x") + "From 1234567 Mon Sep 17\nSubject: a second mail\n\n" + CHANGE.format("y") + "-- \n2.39\n"
    )
    html = page(sign_in(alice), make_patch(diff=diff)).content.decode()
    assert (
        html.index('aria-label="Changes in x"') < html.index("a second mail") < html.index('aria-label="Changes in y"')
    )
    assert html.index('aria-label="Changes in y"') < html.index("-- \n2.39\n")


def test_words_between_a_header_and_its_hunk_are_open_and_other_headers_unfold(sign_in, alice, make_patch):
    head = "diff --git a/x b/x\nindex 1111111..2222222 100644\n--- a/x\n+++ b/x\n"
    hunk = "@@ -1 +1 @@\n-a\n+b\n"
    client = sign_in(alice)
    plain = page(client, make_patch(diff=head + hunk)).content.decode()
    assert "index 1111111..2222222 100644" in plain
    assert '<details class="dfile__note" open>' not in plain
    stray = page(client, make_patch(diff=head + "words in the way\n" + hunk)).content.decode()
    assert "words in the way" in stray
    assert '<details class="dfile__note" open>' in stray


@pytest.mark.parametrize("view", ["unified", "split"])
def test_a_line_too_long_to_draw_is_read_whole_behind_a_link(sign_in, alice, make_patch, view):
    long = "a" * 3_000 + "the end"
    diff = f"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n-b\n+{long}\n"
    client = sign_in(alice)
    html = page(client, make_patch(diff=diff), view=view).content.decode()
    assert "the end" not in html
    [address] = re.findall(r'class="wholeline" href="([^"]*)"', html)
    answer = client.get(address)
    assert answer.context["excerpt"].raw == f"+{long}\n".encode()


def test_what_is_odd_about_a_line_is_said_at_it(sign_in, alice, make_patch):
    diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n a\n+b\n c\n@@ -9,5 +10,5 @@\n d\n-e\n+f\n g\n"
    html = page(sign_in(alice), make_patch(diff=diff)).content.decode()
    at = html.index("@@ -9,5 +10,5 @@</span>")
    assert "announces 5 old and 5 new" in html[at : at + 600]


def test_files_whose_names_begin_with_one_digest_are_each_on_the_page(sign_in, alice, make_patch):
    names = ["tests/fixtures/case-04715c0.json", "tests/fixtures/case-0a4bc9a.json"]  # c991b5b0dc27 both
    change = "--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-true\n+{1}\n"
    decision = make_patch(diff=change.format(names[0], "7357135711") + change.format(names[1], "9246924622"))
    client = sign_in(alice)
    answer = page(client, decision)
    html = answer.content.decode()
    assert [html.count(f'aria-label="Changes in {name}"') for name in names] == [1, 1]
    assert (html.count("7357135711"), html.count("9246924622")) == (1, 1)
    for file, text in zip(answer.context["diff"].files, (b"+7357135711\n", b"+9246924622\n"), strict=True):
        assert text in page(client, decision, "patch-text", file.key).context["excerpt"].raw


def test_an_address_of_nothing_is_not_there(sign_in, alice, make_patch):
    decision, client = make_patch(), sign_in(alice)
    assert page(client, decision, "patch-text", "words-99").status_code == 404
    assert page(client, decision, "patch-text", "sent").status_code == 404
    assert page(client, decision, "patch-text", "whole", **{"from": "99999999"}).status_code == 200
    assert page(client, decision, "patch-text", "whole", **{"from": "x"}).context["excerpt"].start == 0
    assert client.post(reverse("patch-text", args=[decision.decision_id, "whole"])).status_code == 405


def test_a_stranger_reads_nothing_of_it(client, make_patch):
    assert page(client, make_patch(), "patch-text", "whole").status_code == 302


def bytes_of(client, decision, part, start=0):
    """Return what the excerpts of a part show when one follows them."""
    found = b""
    while start is not None:
        shown = page(client, decision, "patch-text", part, **{"from": str(start)}).context["excerpt"]
        found, start = found + shown.raw, shown.next
    return found


def all_shown(client, decision):
    """Return the bytes of all parts of a page in order, those behind its links too."""
    diff = page(client, decision).context["diff"]
    found = []
    for item in [*diff.message, *diff.parts]:
        words = item.get("words")
        if words is None:
            found.append(bytes_of(client, decision, item["file"].key))
            continue
        last = words["rest"] or words["head"]
        more = bytes_of(client, decision, words["part"], last.next) if last.next else b""
        found.append(words["head"].raw + (words["rest"].raw if words["rest"] else b"") + more)
    found += [bytes_of(client, decision, item["part"]) for item in diff.more]
    return b"".join(found), diff


@pytest.mark.sample_data
@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data in {SAMPLES} (set HITL_SAMPLE_DATA)")
def test_what_all_parts_of_a_page_show_is_what_was_sent(sign_in, alice, make_patch):
    chance, client = random.Random(13), sign_in(alice)
    real = list(samples(12_000))
    for number in range(16):
        sent = chance.choice(real) if number % 2 else mutated(chance.choice(real), chance)
        decision = make_patch(diff=sent)
        shown, diff = all_shown(client, decision)
        if diff.sent is None:
            assert shown == sent.encode()
        assert bytes_of(client, decision, "whole") == sent.encode()
