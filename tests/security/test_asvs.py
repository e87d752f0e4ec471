"""The walk of OWASP ASVS: each number of levels 1 and 2 once, each place there, each sum right."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WALK = ROOT / "docs/security/asvs.md"
STATES = ["met", "partly", "not met", "not applicable"]
MOST_PARTLY = 15
# Of each section of ASVS 5.0.0 the requirements 1 to n are of levels 1 and 2, and no other.
SECTIONS = """
1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1 4.3:2 4.4:4 5.1:1 5.2:3
5.3:2 5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2 8.1:2 8.2:3 8.3:1 8.4:1 9.1:3
9.2:4 10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3 11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3 12.2:2 12.3:4
13.1:1 13.2:5 13.3:2 13.4:5 14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1 17.2:4
17.3:2
"""
NUMBERS = [
    f"{section}.{number}"
    for section, count in (item.split(":") for item in SECTIONS.split())
    for number in range(1, int(count) + 1)
]
CELLS = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([^|]+) \| ([^|]+) \| (.+) \|$", re.M)
SUMS = re.compile(r"^\| (?:\*\*all\*\*|V(\d+) )[^|]*\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.M)
PLACE = re.compile(r"`([^`]+)`")


def rows():
    return CELLS.findall(WALK.read_text("utf-8"))


def settings():
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    return {
        name for line in text.splitlines() if line.startswith("| `") for name in PLACE.findall(line.split(" | ")[0])
    }


def anchors(path):
    """Return a document's headings as addresses name them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def is_there(place):
    """Tell whether a place is a file, a name defined in one, a document's heading, or a documented setting."""
    if re.fullmatch(r"[A-Z][A-Z_]+", place):
        return place in settings()
    path, _, heading = place.partition("#")
    path, _, name = path.partition("::")
    file = ROOT / path
    if not file.is_file():
        return False
    if heading:
        return heading in anchors(file)
    last = re.escape(name.rpartition(".")[2])
    defined = rf"^\s*(?:(?:async )?def|class) {last}\b|^{last}\b[^=\n]*=|, {last}\b[^=\n]*= "
    return not name or re.search(defined, file.read_text("utf-8"), re.M) is not None


def test_there_are_253_requirements():
    assert len(NUMBERS) == len(set(NUMBERS)) == 253


def test_each_number_stands_once_and_in_order():
    assert [row[0] for row in rows()] == NUMBERS


def test_each_row_has_a_state_and_says_where_or_why():
    for number, asks, state, where in rows():
        assert state in STATES, number
        assert asks.strip(), number
        assert where.strip(), number
        assert len(asks.split()) <= 10, number
        if state in {"met", "partly"}:
            assert PLACE.search(where), f"{number} names no place"


def test_each_place_is_there():
    missing = {(row[0], place) for row in rows() for place in PLACE.findall(row[3]) if not is_there(place)}
    assert not missing, sorted(missing)


@pytest.mark.parametrize("wrong", ["hitl/none.py", "hitl/checks.py::none", "README.md#none", "NO_SUCH_SETTING"])
def test_the_search_for_places_misses_what_is_not_there(wrong):
    assert not is_there(wrong)


def test_the_sums_are_those_of_the_rows():
    found = {(chapter or "all"): tuple(map(int, sums)) for chapter, *sums in SUMS.findall(WALK.read_text("utf-8"))}
    counted = {"all": Counter(row[2] for row in rows())}
    for row in rows():
        counted.setdefault(row[0].partition(".")[0], Counter())[row[2]] += 1
    assert found == {name: tuple(count[state] for state in STATES) for name, count in counted.items()}


def test_little_is_partly_and_nothing_is_not_met():
    count = Counter(row[2] for row in rows())
    assert count["not met"] == 0
    assert count["partly"] <= MOST_PARTLY
