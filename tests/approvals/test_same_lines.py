"""Patches that change the same lines: what card, page and list say of them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from approvals.models import Decision, Review, User
from tests.cast import DIFF, Api
from tests.html import one_line

pytestmark = pytest.mark.django_db

Make = Callable[..., Decision]
WORDS = f"Backport for another branch.\n\n{DIFF}"
SPACED = DIFF.replace("+query =", "+query  =")


def words_of(client: Any, address: str, **query: str) -> str:
    """Return a page as it reads, without its markup."""
    text = re.sub(r"<[^>]*>", " ", client.get(address, query).content.decode())
    return " ".join(text.split()).replace(" ,", ",")


def page(decision: Decision) -> str:
    return reverse("patch-detail", args=[decision.decision_id])


def test_card_and_page_say_how_many_others_change_the_same_lines_and_what_one_approved(
    make_patch: Make, approve: Callable[..., Decision], sign_in: Callable[[User], Any], alice: User, bob: User
) -> None:
    one, two, three = make_patch(), make_patch(diff=WORDS), make_patch()
    make_patch(diff=DIFF.replace("%s", "%d"), title="Another change")
    approve(two, alice)
    sentence = "same lines as 2 others, you approved 1 today"
    assert words_of(sign_in(alice), "/").count(sentence) == 2
    assert f"The {sentence}" in words_of(sign_in(alice), page(one))
    assert "1 of them waits" in words_of(sign_in(alice), page(three))
    assert words_of(sign_in(bob), "/").count("same lines as 2 others") == 2
    assert "you approved" not in words_of(sign_in(bob), "/")
    assert "The same lines as 2 others" in words_of(sign_in(alice), page(two))


def test_a_patch_alone_without_lines_or_replaced_says_nothing(
    make_patch: Make, make_gate: Make, sign_in: Callable[[User], Any], alice: User
) -> None:
    first = make_patch(patch_id="A", cve_id="CVE-2024-0001")
    make_patch(patch_id="A", cve_id="CVE-2024-0001", diff=WORDS)
    mode = "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n"
    empty = [make_patch(diff=mode, title="E1"), make_patch(diff=mode, title="E2")]
    make_gate()
    client = sign_in(alice)
    assert "same lines" not in words_of(client, "/")
    assert "same lines" not in words_of(client, page(empty[0]))
    assert "The same lines as 1 other" in words_of(client, page(first))  # the newest revision, which waits


def test_the_page_counts_apart_what_differs_in_whitespace_alone(
    make_patch: Make, sign_in: Callable[[User], Any], alice: User
) -> None:
    one = make_patch()
    make_patch(diff=SPACED)
    client = sign_in(alice)
    assert "Others that differ from this one in whitespace alone: 1." in words_of(client, page(one))
    assert "same lines as" not in words_of(client, "/")


def test_the_queue_shows_those_of_the_same_lines(
    make_patch: Make, sign_in: Callable[[User], Any], api_of: Callable[[User], Api], alice: User
) -> None:
    one = make_patch(title="Patch A")
    make_patch(title="Patch B", diff=WORDS)
    make_patch(title="Patch C", diff=SPACED)
    make_patch(title="Patch D", diff=DIFF.replace("%s", "%d"))
    client, patch = sign_in(alice), one.patch

    def shown(text: str) -> set[str]:
        return set(re.findall(r"Patch ([ABCD])\b", text))

    exact = words_of(client, "/", lines=str(patch.change_sha256))
    assert shown(exact) == {"A", "B"}
    assert "Only patches that add and delete the same lines" in exact
    assert shown(words_of(client, "/", lines=str(patch.change_spaceless_sha256))) == {"A", "B", "C"}
    assert shown(words_of(client, "/", lines="no digest")) == {"A", "B", "C", "D"}
    assert 'name="lines"' in client.get("/", {"lines": patch.change_sha256}).content.decode()  # other filters keep it
    api = api_of(alice)
    assert len(api.get("/hitl/patches/pending", lines=patch.change_sha256).json()) == 2
    assert api.get("/hitl/patches/pending", lines="no digest").status_code == 422


def test_the_link_of_a_card_leads_to_them(make_patch: Make, sign_in: Callable[[User], Any], alice: User) -> None:
    decision = make_patch()
    make_patch()
    assert f'href="/?lines={decision.patch.change_sha256}"' in sign_in(alice).get("/").content.decode()


def test_the_same_cve_section_counts_all_and_shows_package_size_and_a_comparison(
    make_patch: Make, sign_in: Callable[[User], Any], alice: User
) -> None:
    one = make_patch(cve_id="CVE-2024-0001")
    others = [make_patch(cve_id="CVE-2024-0001", package_name="werkzeug", diff=WORDS) for _ in range(12)]
    make_patch(cve_id="CVE-2024-0001", diff=DIFF.replace("%s", "%d"), title="Another change")
    client = sign_in(alice)
    html, words = client.get(page(one)).content.decode(), words_of(client, page(one))
    assert "13 in all: other candidates and earlier decisions. Shown are the newest 10" in words
    assert "Same vulnerability 13" in words
    section = html[html.index('id="others"') :]
    assert section.count("werkzeug") >= 9
    assert "<ins>+1</ins><del>−1</del>" in section
    assert section.count("same lines</span>") == 9
    assert reverse("patch-compare-patches", args=[one.decision_id, others[-1].decision_id]) in section


def test_few_others_are_counted_without_a_word_of_more(
    make_patch: Make, sign_in: Callable[[User], Any], alice: User
) -> None:
    one = make_patch(cve_id="CVE-2024-0001")
    make_patch(cve_id="CVE-2024-0001")
    words = words_of(sign_in(alice), page(one))
    assert "1 in all: other candidates and earlier decisions Side by side Status" in words
    assert "Shown are the newest" not in words


def test_two_patches_are_compared_like_revisions(
    make_patch: Make, make_gate: Make, sign_in: Callable[[User], Any], alice: User
) -> None:
    one, two = make_patch(title="One"), make_patch(title="Two", diff=WORDS)
    three = make_patch(title="Three", diff=DIFF.replace("%s", "%d"))
    client = sign_in(alice)

    def compared(first: Decision, second: Decision) -> str:
        return words_of(client, reverse("patch-compare-patches", args=[first.decision_id, second.decision_id]))

    assert "Both add and delete the same lines" in compared(one, two)
    assert "The older is One" in compared(two, one)
    differing = compared(one, three)
    assert "Both add and delete the same lines" not in differing
    assert re.search(r"select\s*%\s*d", differing)
    for wrong in (one, make_gate()):
        address = reverse("patch-compare-patches", args=[one.decision_id, wrong.decision_id])
        assert client.get(address).status_code == 404


BULK = {"verdict": "approve", "confirmed": "1"}


def statuses(*decisions: Decision) -> list[str]:
    return [Decision.objects.get(pk=decision.pk).status for decision in decisions]


def test_once_one_was_read_the_others_are_one_step_with_their_own_digests(
    make_patch: Make, sign_in: Callable[[User], Any], alice: User
) -> None:
    one, two, three = make_patch(), make_patch(diff=WORDS), make_patch(diff=f"Again.\n\n{DIFF}")
    critical, marked = make_patch(severity="critical"), make_patch(vulnerable_locations=[{"file": "other.py"}])
    spaced = make_patch(diff=SPACED)
    client = sign_in(alice)
    assert "Approve those with the same lines" in words_of(client, page(one))
    asked = client.get("/bulk", {"verdict": "approve", "same_lines": str(one.decision_id)})
    asked = one_line(asked)
    items = re.findall(r'name="items" value="([^"]+)"', asked)
    assert items == [f"{other.decision_id}:{other.patch.sha256}" for other in (two, three)]
    assert "on its page" in asked  # the critical one
    assert "Open the patch first" in asked
    every = [f"{other.decision_id}:{other.patch.sha256}" for other in (two, three, critical, marked, spaced)]
    client.post("/bulk", {**BULK, "items": every})
    assert statuses(one, two, three, critical, marked, spaced) == ["pending", "approved", "approved", *["pending"] * 3]
    given = Review.objects.order_by("id").values_list("decision_id", "patch_sha256", "displayed", "channel")
    assert list(given) == [(other.pk, other.patch.sha256, "card", "bulk") for other in (two, three)]


def test_whoever_read_none_of_them_approves_none_in_bulk(
    make_patch: Make, sign_in: Callable[[User], Any], alice: User, bob: User
) -> None:
    one, two = make_patch(), make_patch(diff=WORDS)
    sign_in(bob).get(page(one))
    client = sign_in(alice)
    assert "Open the patch first" in words_of(client, "/bulk", verdict="approve", same_lines=str(one.decision_id))
    client.post("/bulk", {**BULK, "items": [f"{two.decision_id}:{two.patch.sha256}"]})
    assert statuses(two) == ["pending"]


def test_what_tools_read_differently_is_never_read_elsewhere(
    make_patch: Make, sign_in: Callable[[User], Any], alice: User
) -> None:
    one, two = (
        make_patch(
            diff="*** a/x\n--- b/x\n***************\n*** 1,2 ****\n  1\n- 2\n--- 1,3 ----\n  1\n+ two\n"
            f"+{added}\n"  # GNU patch adds it, and it is not written as an added line is
        )
        for added in ("three", "exec")
    )
    assert one.patch.change_sha256 == two.patch.change_sha256
    client = sign_in(alice)
    client.get(page(one))
    client.post("/bulk", {**BULK, "items": [f"{two.decision_id}:{two.patch.sha256}"]})
    assert statuses(two) == ["pending"]


def test_the_step_of_a_patch_that_is_not_there_is_not_found(sign_in: Callable[[User], Any], alice: User) -> None:
    assert sign_in(alice).get("/bulk", {"verdict": "approve", "same_lines": "nothing"}).status_code == 404
