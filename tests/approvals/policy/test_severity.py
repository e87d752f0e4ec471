"""Severity and priority, as tables. No database."""

import pytest

from approvals.models import Priority, Severity
from approvals.policy.severity import cvss_band, effective_severity, priority

UNKNOWN, LOW, MEDIUM, HIGH, CRITICAL = Severity.UNKNOWN, Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL


@pytest.mark.parametrize(
    ("score", "band"),
    [
        (None, UNKNOWN),
        (0.0, UNKNOWN),
        (0.1, LOW),
        (3.9, LOW),
        (3.99, LOW),
        (4.0, MEDIUM),
        (6.9, MEDIUM),
        (7.0, HIGH),
        (8.9, HIGH),
        (9.0, CRITICAL),
        (10.0, CRITICAL),
    ],
)
def test_a_cvss_score_has_its_band(score, band):
    assert cvss_band(score) == band


@pytest.mark.parametrize(
    ("stated", "score", "earlier", "effective"),
    [
        (LOW, None, [], LOW),
        (LOW, 9.8, [], CRITICAL),
        (CRITICAL, 2.0, [], CRITICAL),
        (LOW, None, [MEDIUM, HIGH], HIGH),
        (UNKNOWN, None, [], UNKNOWN),
        (UNKNOWN, None, [LOW], LOW),
        (UNKNOWN, 0.0, [UNKNOWN], UNKNOWN),
        (HIGH, None, [UNKNOWN], HIGH),
    ],
)
def test_the_highest_word_counts(stated, score, earlier, effective):
    assert effective_severity(stated, score, earlier) == effective


@pytest.mark.parametrize(
    ("severity", "exploited", "expected"),
    [
        (UNKNOWN, False, "medium"),
        (LOW, False, "low"),
        (MEDIUM, False, "medium"),
        (HIGH, False, "high"),
        (CRITICAL, False, "critical"),
        (UNKNOWN, True, "critical"),
        (LOW, True, "high"),
        (MEDIUM, True, "high"),
        (HIGH, True, "critical"),
        (CRITICAL, True, "critical"),
    ],
)
def test_severity_and_exploitation_give_the_priority(severity, exploited, expected):
    assert priority(severity, known_exploited=exploited).name.lower() == expected


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("exploited", [True, False])
@pytest.mark.parametrize("asked", ["low", "medium", "high", "critical"])
def test_asking_can_only_raise(severity, exploited, asked):
    derived = priority(severity, known_exploited=exploited)
    assert priority(severity, known_exploited=exploited, requested=asked) == max(derived, Priority[asked.upper()])
