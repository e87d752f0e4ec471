"""Names that look like one another are one name to whoever reads them."""

from datetime import UTC, datetime

import pytest

from approvals.policy.lookalikes import lookalikes, mixes_scripts, why_not
from approvals.policy.rules import DecisionFacts, Intent, Reviewer, own_patch

LATIN = "alice"
CYRILLIC_A = "\u0430lice"  # its first letter is Cyrillic
ALL_CYRILLIC = "\u0441\u0430\u0440\u0430"  # reads like 'capa'
CAPITALS = "\u0412\u041e\u0412"  # reads like 'BOB' in capitals, and unlike it in small letters


@pytest.mark.parametrize(
    ("name", "mixed"),
    [
        (LATIN, False),
        ("d\u00fcrer-2", False),
        (CYRILLIC_A, True),
        (ALL_CYRILLIC, False),
        ("\u5c71\u7530\u3072\u304b\u308a", False),  # Han and Hiragana, as Japanese names are written
        ("\u5c71ken", False),
        ("\u03c1aul", True),  # Greek rho
        ("\u5c71\u0430", True),  # Han and Cyrillic
    ],
)
def test_letters_of_scripts_that_are_not_written_together_are_seen(name, mixed):
    assert mixes_scripts(name) is mixed
    assert bool(why_not(name, [])) is mixed


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (ALL_CYRILLIC, "capa"),
        ("capa", ALL_CYRILLIC),
        (ALL_CYRILLIC.upper(), "capa"),
        (CAPITALS, "BOB"),
        (CAPITALS, "bob"),
        ("\u0251nn", "ann"),  # LATIN SMALL LETTER ALPHA: one script, and still another letter
    ],
)
def test_a_name_that_looks_like_somebody_elses_is_refused(name, other):
    sentence = why_not(name, [other])
    assert sentence
    assert "looks like" in sentence
    assert other not in sentence, "who is here is not told"


@pytest.mark.parametrize(
    ("name", "other"), [("dev1", "devl"), ("anna", "ann"), ("d\u00fcrer", "durer"), ("Bob", "bob")]
)
def test_names_that_people_tell_apart_stay(name, other):
    assert why_not(name, [other]) is None


def test_ascii_is_itself():
    assert lookalikes("Bob-1@example.org") == {"bob-1@example.org"}


@pytest.mark.parametrize(
    "given", [CYRILLIC_A, CYRILLIC_A.upper(), f"{CYRILLIC_A}@example.org", f"{CYRILLIC_A}+ci@example.org"]
)
def test_whoever_looks_like_the_submitter_approves_nothing(given):
    facts = DecisionFacts(
        status="pending", outcome="", sha256="", priority=1, expire_at=datetime.now(UTC), people={"submitted_by": given}
    )
    now = datetime.now(UTC)
    alice = Reviewer(1, "alice@example.org", "alice")
    bob = Reviewer(2, "bob@example.org", "bob")
    assert (
        own_patch(facts, alice, Intent("approve", ""), now)
        == "You submitted this patch, so another person must approve it."
    )
    assert own_patch(facts, bob, Intent("approve", ""), now) is None


def test_it_holds_the_other_way_round_too():
    now = datetime.now(UTC)
    facts = DecisionFacts(
        status="pending", outcome="", sha256="", priority=1, expire_at=now, people={"submitted_by": "capa"}
    )
    assert own_patch(facts, Reviewer(1, "s@example.org", ALL_CYRILLIC), Intent("approve", ""), now)
