"""Auto-approval only if all conditions hold; missing is never a pass. No database."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest

from approvals.models import Priority
from approvals.policy.evaluate import Situation, as_rows, auto_approval, covering
from approvals.policy.sampling import drawn

SHADOW, OFF, ENFORCE = (
    SimpleNamespace(
        auto_approval=mode,
        auto_approve_threshold=Decimal("0.95"),
        spot_check_percent=0,
        location_slack=25,
        allowed_marks=["lockfile"],
        known_submitter=False,
    )
    for mode in ("shadow", "off", "enforce")
)


@dataclass(frozen=True)
class Perfect:
    """A patch for which every condition holds."""

    ml_confidence: float | None = 0.97
    ml_prediction: bool | None = True
    wargaming: str = "passed"
    effective_severity: str = "low"
    known_exploited: bool = False
    risk_level: str = "low"
    requires_manual_review: bool = False
    file_count: int = 1
    parsed: bool = True
    additions: int = 1
    deletions: int = 1
    ambiguous: str = ""
    marks: list[str] = field(default_factory=list)
    vulnerable_locations: list[dict[str, Any]] = field(default_factory=lambda: [{"file": "app.py"}])


AROUND = Situation(
    trusted_for_ml=True,
    trusted_for_wargaming=True,
    other_candidates=0,
    urgency=Priority.LOW,
    unusual="",
    touched=((("app.py",), ((10, 12),)),),
    stopped_by="",
    floor=Decimal("0.95"),
)


def lacking(patch: Perfect | None = None, around: Situation = AROUND, version: Any = SHADOW) -> dict[str, str]:
    """Return the conditions that do not pass, but for the mode."""
    conditions, would, does = auto_approval(patch or Perfect(), version, around)
    open_ones: dict[str, str] = {
        c.text: c.outcome for c in conditions if c.outcome != "pass" and c.text != "The policy is enforced"
    }
    assert would == (not open_ones and version is SHADOW)
    assert does == (not open_ones and version is ENFORCE)
    return open_ones


def test_a_perfect_patch_would_be_approved_where_the_policy_watches():
    assert lacking() == {}
    assert not auto_approval(Perfect(), OFF, AROUND).would


def test_nothing_is_approved_without_a_person_in_shadow_mode():
    conditions, _, does = auto_approval(Perfect(), SHADOW, AROUND)
    assert not does
    assert [(c.text, c.value, c.outcome) for c in conditions if c.outcome != "pass"] == [
        ("The policy is enforced", "shadow", "fail")
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ml_confidence": 0.9499}, {"ML confidence is at least 0.95": "fail"}),
        ({"ml_prediction": False}, {"ML predicts success": "fail", "ML and wargaming agree": "fail"}),
        (
            {"ml_confidence": None, "ml_prediction": None},
            {
                "ML predicts success": "absent",
                "ML confidence is at least 0.95": "absent",
                "ML and wargaming agree": "absent",
            },
        ),
        ({"wargaming": "not_run"}, {"Wargaming passed in both phases": "absent", "ML and wargaming agree": "absent"}),
        ({"wargaming": "failed"}, {"Wargaming passed in both phases": "fail", "ML and wargaming agree": "fail"}),
        (
            {"wargaming": "inconclusive"},
            {"Wargaming passed in both phases": "fail", "ML and wargaming agree": "absent"},
        ),
        ({"wargaming": "error"}, {"Wargaming passed in both phases": "fail", "ML and wargaming agree": "absent"}),
        ({"effective_severity": "critical"}, {"Severity is known and not critical": "fail"}),
        ({"effective_severity": "unknown"}, {"Severity is known and not critical": "absent"}),
        ({"known_exploited": True}, {"Not known to be exploited": "fail"}),
        ({"risk_level": "high"}, {"Risk level is low or medium": "fail"}),
        ({"risk_level": "critical"}, {"Risk level is low or medium": "fail"}),
        ({"risk_level": ""}, {"Risk level is low or medium": "absent"}),
        ({"requires_manual_review": True}, {"No manual review was asked for": "fail"}),
        ({"file_count": 0}, {"The diff is not empty and parses": "fail"}),
        ({"parsed": False}, {"The diff is not empty and parses": "fail"}),
        ({"additions": 0, "deletions": 0}, {"It changes lines of text and nothing else": "fail"}),
        ({"ambiguous": "git apply refuses it."}, {"Every common tool applies the same change": "fail"}),
        ({"marks": ["lockfile", "network"]}, {"No mark asks for a look": "fail"}),
        ({"vulnerable_locations": [{"file": "app.py", "start": 38}]}, {"Only declared locations are changed": "fail"}),
        (
            {"vulnerable_locations": [{"file": "app.py", "start": 50, "end": 90}]},
            {"Only declared locations are changed": "fail"},
        ),
        ({"vulnerable_locations": []}, {"Only declared locations are changed": "absent"}),
        ({"vulnerable_locations": [{"file": "b.py"}]}, {"Only declared locations are changed": "fail"}),
    ],
)
def test_each_condition_alone_keeps_a_person_in(change, expected):
    assert lacking(replace(Perfect(), **change)) == expected


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"trusted_for_ml": False}, "The producer is trusted for ML"),
        ({"trusted_for_wargaming": False}, "The producer is trusted for wargaming"),
        ({"other_candidates": 1}, "No other candidate for the CVE waits"),
        ({"touched": ((("app.py",), ()), (("ci.yml",), ()))}, "Only declared locations are changed"),
        ({"touched": ((("auth.py", "app.py"), ()),)}, "Only declared locations are changed"),  # a rename
        ({"unusual": "a symbolic link"}, "It changes lines of text and nothing else"),
        ({"urgency": Priority.CRITICAL}, "Priority is not critical"),
        ({"stopped_by": "setting"}, "Automatic approval is switched on"),
    ],
)
def test_each_circumstance_alone_keeps_a_person_in(change, text):
    assert lacking(around=replace(AROUND, **change)) == {text: "fail"}


@pytest.mark.parametrize(
    "change",
    [
        {"effective_severity": "high"},
        {"risk_level": "medium"},
        {"ml_confidence": 0.95},
        {"marks": ["lockfile"]},
        {"vulnerable_locations": [{"file": "app.py", "start": 35, "end": 37}]},
        {"vulnerable_locations": [{"file": "app.py", "start": 1, "end": None}]},
        {"vulnerable_locations": [{"file": "app.py", "start": 90, "end": 91}, {"file": "app.py"}]},
    ],
)
def test_the_borders_are_inside(change):
    assert lacking(replace(Perfect(), **change)) == {}


def test_the_settings_threshold_is_a_floor_under_the_policys():
    text = "ML confidence is at least 0.98 (set for all policies; this one says 0.95)"
    assert lacking(around=replace(AROUND, floor=Decimal("0.98"))) == {text: "fail"}
    strict = SimpleNamespace(**vars(SHADOW) | {"auto_approve_threshold": Decimal("0.990")})
    conditions, would, _ = auto_approval(Perfect(), strict, AROUND)
    assert not would
    assert "ML confidence is at least 0.99" in [condition.text for condition in conditions]


def test_an_enforced_policy_approves_what_meets_every_condition():
    assert auto_approval(Perfect(), ENFORCE, AROUND).does
    assert not auto_approval(Perfect(), ENFORCE, AROUND).would, "that is for shadow mode"
    assert lacking(Perfect(ml_confidence=None), version=ENFORCE)
    assert lacking(around=replace(AROUND, stopped_by="Lena"), version=ENFORCE) == {
        "Automatic approval is switched on": "fail"
    }


def test_a_patch_that_is_drawn_goes_to_a_person():
    checked = SimpleNamespace(**vars(ENFORCE) | {"spot_check_percent": 10})
    assert auto_approval(Perfect(), checked, AROUND).does
    trace, _, does = auto_approval(Perfect(), checked, replace(AROUND, drawn=True))
    assert not does
    assert ("Not drawn for a spot check", "10 % are drawn", "fail") in [(c.text, c.value, c.outcome) for c in trace]


def test_the_draw_follows_the_digest_and_its_share():
    digests = [sha256(str(number).encode()).hexdigest() for number in range(4_000)]
    assert not any(drawn(digest, 0) for digest in digests)
    assert all(drawn(digest, 100) for digest in digests)
    assert 300 < sum(drawn(digest, 10) for digest in digests) < 500
    assert drawn(digests[0], 10) == drawn(digests[0], 10)


def test_the_trace_says_how_far_a_score_is_from_the_threshold():
    rows = {row["text"]: row["value"] for row in as_rows(auto_approval(Perfect(ml_confidence=0.93), SHADOW, AROUND)[0])}
    assert rows["ML confidence is at least 0.95"] == "0.93, 0.02 short"


def test_the_trace_shows_the_value_beside_the_question():
    rows = {row["text"]: row["value"] for row in as_rows(auto_approval(Perfect(), SHADOW, AROUND)[0])}
    assert rows["ML confidence is at least 0.95"] == "0.97, 0.02 above"
    assert rows["No other candidate for the CVE waits"] == "0 waiting"
    assert rows["The diff is not empty and parses"] == "1 file"


def test_the_first_policy_that_matches_covers_a_patch():
    versions = [SimpleNamespace(match=text) for text in ("broken (", "kev > 1", "priority == 'low'", "true")]
    assert covering(versions, {"priority": "low", "kev": True}) is versions[2]
    assert covering(versions, {"priority": "high", "kev": True}) is versions[3]
    with pytest.raises(LookupError):
        covering(versions[:2], {"priority": "low", "kev": True})
