"""The demo's data by itself: diffs, words, documents and the story; no database."""

import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from approvals.api.schemas import IntakeDocument
from approvals.demo.fixes import BUMPS, FIXES
from approvals.demo.gates import GATE, PAST_GATE
from approvals.demo.history import history
from approvals.demo.scenarios import SCENARIOS
from approvals.demo.steps import Arrival
from approvals.diff.parse import parse


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.package)
def test_a_scenario_has_an_instructive_diff_with_tests(scenario: Any) -> None:
    diff = parse(scenario.document(run=1)["diff"].encode())
    assert diff.warnings == ()
    assert 1 <= len(diff.files) <= 4
    assert 20 <= diff.additions + diff.deletions <= 120
    assert any("test" in file.path for file in diff.files)
    assert all(file.hunks for file in diff.files)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.package)
def test_a_scenario_says_what_it_is_where_people_read(scenario: Any) -> None:
    document = scenario.document(run=1)
    metadata, run = document["patch_metadata"], document["wargaming_result"]
    assert metadata["description"].startswith("Synthetic")
    assert metadata["cve_description"].startswith("Synthetic")
    assert "synthetic" in document["ml_prediction"]["model_version"]
    if run:
        assert run["log"].startswith("[synthetic]")
        assert run["exploit_id"].startswith("synthetic")
        assert all(phase["detail"].startswith("Synthetic") for phase in run["phases"])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.package)
def test_a_scenario_declares_files_that_it_changes(scenario: Any) -> None:
    document = scenario.document(run=1)
    changed = {file.path for file in parse(document["diff"].encode()).files}
    assert {place["file"] for place in document["patch_metadata"]["vulnerable_locations"]} <= changed


def test_each_run_is_a_revision_of_its_own() -> None:
    first, second = (IntakeDocument.model_validate(SCENARIOS[0].document(run)) for run in (1, 2))
    assert first.diff == second.diff
    assert first.patch_metadata != second.patch_metadata


@pytest.mark.parametrize(("gate", "version"), [(GATE, "4.12"), (PAST_GATE, "4.11")])
def test_a_gate_says_what_it_is_and_asks_anew_at_each_attempt(gate: Any, version: str) -> None:
    first, second = gate.submission(1), gate.submission(2)
    assert first.columns["title"] == f"Promote payments-api {version} to production"
    assert first.columns["description"].startswith("Synthetic demo gate")
    assert first.columns["patch_id"] == second.columns["patch_id"] == gate.patch_id
    assert first.document_sha256 != second.document_sha256
    assert set(re.findall(r"https?://([^/]+)", str(gate.request(1)))) == {"example.org"}


@pytest.mark.parametrize("fix", [*FIXES, *BUMPS], ids=lambda fix: fix.template)
def test_a_template_leaves_no_placeholder(fix: Any) -> None:
    words = dict.fromkeys(("package", "entity", "field", "function"), "word") | {"old": "1.0.0", "new": "1.0.1"}
    text = fix.diff(words)
    assert not any(f"%{name}%" in text.lower() for name in words)
    assert parse(text.encode()).warnings == ()


def test_the_story_is_the_same_each_time() -> None:
    now = timezone.now()
    assert history(now) == history(now)


@pytest.mark.parametrize("offset", range(0, 168, 11))
def test_the_story_ends_before_now_whatever_the_hour_and_weekday(offset: int) -> None:
    now = timezone.now() + timedelta(hours=offset)
    steps = history(now)
    assert steps == sorted(steps, key=lambda step: step.at)
    assert now - timedelta(days=91) < steps[0].at
    assert steps[-1].at < now
    keys = [
        (step.producer, document["patch_id"])
        for step in steps
        if isinstance(step, Arrival)
        for document in step.documents
    ]
    assert max(Counter(keys).values()) == 2
