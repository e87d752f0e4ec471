"""CVSS vectors as producers, OSV and scanners write them. Scores are those of FIRST's and NVD's own examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.policy.cvss import base_score, contradicts

V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V40 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
V2 = "AV:N/AC:L/Au:N/C:C/I:C/A:C"


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        (V31, 9.8),
        (V31.replace("3.1", "3.0"), 9.8),
        (V31.lower(), 9.8),
        (f" {V31} ", 9.8),
        (f"{V31}/", 9.8),
        (f"({V31})", 9.8),
        (f"9.8 {V31}", 9.8),
        (V31.removeprefix("CVSS:3.1/"), 9.8),
        ("CVSS:3.1/A:H/I:H/C:H/S:U/UI:N/PR:N/AC:L/AV:N", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        (V2, 10.0),
        (f"({V2})", 10.0),
        (f"CVSS:2.0/{V2}", 10.0),
        (f"CVSS2#{V2}", 10.0),
        ("AV:N/AC:M/Au:N/C:N/I:P/A:N", 4.3),
        (V40, 9.3),
        (V40.removeprefix("CVSS:4.0/"), 9.3),
        ("CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.3),
        (f"{V2} {V31}", 10.0),
        (f"CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N, {V40}", 9.3),
        (V31.replace(":", "："), 9.8),
        (V31.replace("/", " / "), 9.8),
        (V31.replace("/", ", "), 9.8),
        (V31.removeprefix("CVSS:3.1/").replace("/", " "), 9.8),
        (f"CVSS v3.0: {V31.removeprefix('CVSS:3.1/').replace('/', ' ')}", 9.8),
        (f"{V2.replace('/', ' ')} AV:N/AC:M/Au:N/C:N/I:P/A:N", 10.0),
        (V40.replace("/", "; "), 9.3),
    ],
)
def test_a_vector_has_its_base_score(vector, score):
    assert base_score(vector) == score


@pytest.mark.parametrize(
    ("vector", "more"),
    [
        (V31, "/E:U/RL:O/RC:U"),
        (V31, "/CR:L/IR:L/AR:L/MAV:P/MAC:H/MPR:H/MUI:R/MS:U/MC:N/MI:N/MA:N"),
        (V2, "/E:U/RL:OF/RC:UC/CDP:N/TD:N/CR:L/IR:L/AR:L"),
        (V40, "/E:U/MAV:P/MVC:N/MVI:N/MVA:N/S:N/AU:N/R:U/V:D/RE:L/U:Clear"),
    ],
)
def test_what_is_beside_the_base_metrics_changes_nothing(vector, more):
    expected = base_score(vector)
    assert expected is not None
    assert base_score(vector + more) == expected


@pytest.mark.parametrize(
    "vector",
    ["", "9.8", "high", "CVSS:3.1/", "CVSS:3.1/AV:N", "CVSS:3.1/AV:N/AC:L", V31.replace("AV:N", "AV:Z")]
    + [V31.replace("AV:N", "AV:N/AV:P"), f"CVSS:3.1/{V2}", "CVSS:9.9/AV:N/AC:L", "x" * 255, ":" * 255, "A:B/" * 60],
)
def test_a_broken_vector_has_none(vector):
    assert base_score(vector) is None


@given(st.text(alphabet="CVSS:/.0123456789ANLPRHUIMTE #()", max_size=255) | st.text(max_size=255))
def test_no_text_breaks_the_reading(text):
    score = base_score(text)
    assert score is None or 0 <= score <= 10


def test_a_tenth_is_a_contradiction():
    assert contradicts(9.7, 9.8)
    assert not contradicts(9.8, 9.8)
