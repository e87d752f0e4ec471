"""What stands in deploy/prometheus/: rules, their cases, runbooks and routes, in part by promtool and amtool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from django.urls import get_resolver

from approvals.api import decisions, workflow_gates
from tests.hitl.test_serve import ROOT

from .watching import PROMETHEUS, replaced

RULES, CASES = sorted((PROMETHEUS / "rules").glob("*.yml")), sorted((PROMETHEUS / "tests").glob("*.yml"))
RECEIVERS = sorted((PROMETHEUS / "receivers").glob("*.yml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = ["What it means", "What users notice", "Look here first", "Fix", "When to wake whom"]
OF_THE_REFERENCE = {
    "HITLServiceDown",
    "HITLHighPendingPatches",
    "HITLDecisionLag",
    "HITLLowAutoApprovalRate",
    "HITLMLAccuracyDrop",
    "HITLHighErrorRate",
    "HITLDatabaseConnectionFailed",
}
"""The names that S1's users route by."""


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def rules() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in load(path)["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


NAMES = {rule["alert"] for rule in alerts()}


def test_the_reference_systems_alerts_are_there_under_their_names():
    assert NAMES >= OF_THE_REFERENCE


def test_each_alert_has_its_cases_and_its_runbook_and_nothing_else_has():
    """promtool passes `exp_alerts: []` for a name that no rule has."""
    cases = [case for path in CASES for test in load(path)["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == NAMES
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == NAMES
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == NAMES
    index = (ROOT / "docs" / "monitoring.md").read_text()
    assert set(re.findall(r"\(runbooks/(\w+)\.md\)", index)) == NAMES


def test_each_alert_is_tried_after_a_restart():
    """By the name of a case: its series end and begin again, or fall to 0."""
    tried = {
        case["alertname"]
        for path in CASES
        for test in load(path)["tests"]
        if re.search("restart|rollout", test["name"])
        for case in test["alert_rule_test"]
    }
    assert tried == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_runbook_can_be_followed_at_night(name):
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", text, re.M) == SECTIONS
    first = text.split("## Look here first")[1].split("## Fix")[0]
    for where in ("Compose", "Kubernetes", "A plain server"):
        assert where in first, f"no commands for {where}"
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (RUNBOOKS / target).exists(), f"{target} is not there"


def test_each_alert_says_how_bad_it_is_and_where_to_look():
    for rule in alerts():
        name, said = rule["alert"], rule["annotations"]
        assert rule["labels"].keys() == {"severity"}, name
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert set(said) == {"summary", "runbook_url", "dashboard"}, name
        assert said["runbook_url"].endswith(f"/runbooks/{name}.md"), name
        assert re.search(r"/d/hitl-(operations|review)$", said["dashboard"]), name
        assert re.search(r"\d|\$value", said["summary"]), f"{name} says no number"


def test_no_rule_names_an_instance_and_each_is_parsed_by_another_parser():
    for rule in rules():
        promql_parser.parse(rule["expr"])
        assert not re.search(r"\b(?:instance|pod|container)\b", rule["expr"]), rule["expr"]


def test_what_waits_on_purpose_does_not_count_as_slow():
    """Every view that is told how long to wait, and every one that is left out is there."""
    left_out = {name for rule in rules() for text in re.findall(r'view!~"([^"]+)"', rule["expr"]) for name in [text]}
    [pattern] = left_out
    names = set(view_names(get_resolver()))
    found = {name for name in names if re.fullmatch(pattern, name)}
    assert found >= {"hitl-api:events", "hitl-api:decision", "hitl-api:decision_feed", "hitl-api:gate", "history-csv"}
    parts = pattern.removeprefix("hitl-api:(").replace(")|", "|").split("|")
    assert len(found) == len(parts), "a name is left out that no view has"
    waiting = [
        view.__name__ for module in (decisions, workflow_gates) for view in vars(module).values() if waits(view, module)
    ]
    assert len(waiting) == 3, f"{waiting}: is a new one left out?"


def waits(view: Any, module: Any) -> bool:
    return getattr(view, "__module__", "") == module.__name__ and "wait" in getattr(view, "__annotations__", {})


def view_names(resolver: Any, namespace: str = "") -> Any:
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from view_names(pattern, inner)
        else:
            yield f"{namespace}{pattern.name}"


@pytest.mark.ops("promtool")
def test_promtool_checks_rules_and_configuration(tmp_path):
    token = tmp_path / "token"
    token.write_text("x" * 32)
    changes = {"/run/secrets/metrics_token": str(token), "/etc/prometheus/rules": str(PROMETHEUS / "rules")}
    (tmp_path / "prometheus.yml").write_text(replaced((PROMETHEUS / "prometheus.yml").read_text(), changes))
    done = run("promtool", "check", "config", "--lint-fatal", str(tmp_path / "prometheus.yml"))
    assert done.stdout.count("rules found") == len(RULES), done.stdout


@pytest.mark.ops("promtool")
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_must_and_only_then(path):
    run("promtool", "test", "rules", str(path))


@pytest.mark.ops("amtool")
@pytest.mark.parametrize("path", [PROMETHEUS / "alertmanager.yml", *RECEIVERS], ids=lambda path: path.stem)
def test_each_way_to_be_told_is_a_whole_configuration_with_the_same_routes(path):
    run("amtool", "check-config", str(path))
    ours, given = load(PROMETHEUS / "alertmanager.yml"), load(path)
    assert (given["route"], given["inhibit_rules"]) == (ours["route"], ours["inhibit_rules"])
    for severity, receiver in (("critical", "page"), ("warning", "team"), ("info", "quiet")):
        done = run("amtool", "config", "routes", "test", f"--config.file={path}", f"severity={severity}")
        assert done.stdout.split() == [receiver]


def test_the_examples_hold_no_secret():
    for path in RECEIVERS:
        keys = re.findall(r"^\s*(?:- )?(\w*(?:url|key|password|secret)\w*): (.*)$", path.read_text(), re.M)
        secret = {name: value for name, value in keys if not name.endswith("_file")}
        assert set(secret) <= {"runbook_url"}, path.name
        assert any(name.endswith("_file") and value.startswith("/run/secrets/") for name, value in keys), path.name


def test_what_is_inhibited_are_alerts_of_ours():
    for rule in load(PROMETHEUS / "alertmanager.yml")["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            name, sign, value = re.fullmatch(r'(\w+)(=~|!~|=|!=)"(.*)"', matcher).groups()
            if name == "alertname" and sign != "!=":
                assert any(re.fullmatch(value, alert) for alert in NAMES), matcher


def test_a_full_disk_is_told_though_it_has_taken_the_service_down():
    """Nobody would look for it otherwise."""
    [down] = [
        rule
        for rule in load(PROMETHEUS / "alertmanager.yml")["inhibit_rules"]
        if rule["source_matchers"] == ['alertname="HITLServiceDown"']
    ]
    left_out = next(one.split('!~"')[1].rstrip('"') for one in down["target_matchers"] if "!~" in one)
    assert {name for name in NAMES if re.fullmatch(left_out, name)} == {"HITLServiceDown", "HITLDiskFilling"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
