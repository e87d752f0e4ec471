"""The dashboards as JSON: what Grafana needs to read them, and what a newcomer does. Their queries are run in
`test_watched.py`."""

import re
from urllib.parse import parse_qsl, urlsplit

import promql_parser
import pytest
import yaml
from django.urls import resolve

from approvals.forms import HistoryForm, QueueForm

from .dashboards import dashboards, expressions, filled, panels
from .watching import GRAFANA

KINDS = {"row", "text", "stat", "timeseries", "bargauge"}


@pytest.fixture(params=dashboards(), ids=lambda dashboard: dashboard["uid"])
def dashboard(request):
    return request.param


def test_grafana_can_provision_it_anywhere(dashboard):
    """No number of another Grafana in it, and its source of data is chosen there."""
    assert "id" not in dashboard
    assert dashboard["schemaVersion"] >= 39
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables.keys() == {"datasource", "namespace", "base_url"}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert variables["base_url"]["type"] == "textbox"
    for panel in dashboard["panels"]:
        for source in [panel, *panel.get("targets", ())]:
            if panel["type"] not in {"row", "text"}:
                assert source["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


def test_every_panel_is_read_by_somebody_who_has_never_seen_it(dashboard):
    """It says what it shows, in which unit, and where it becomes bad; each row begins with a sentence."""
    seen = dashboard["panels"]
    assert {panel["type"] for panel in seen} <= KINDS
    assert len({panel["id"] for panel in seen}) == len(seen)
    for place, panel in enumerate(seen):
        if panel["type"] == "row":
            assert seen[place + 1]["type"] == "text"
            assert seen[place + 1]["options"]["content"].endswith(".")
        elif panel["type"] != "text":
            assert panel["title"]
            assert panel["description"].endswith("."), panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None, panel["title"]


def test_panels_lie_beside_each_other(dashboard):
    taken = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells


def test_links_lead_to_pages_that_are_there(dashboard):
    """With values that their filters know."""
    links = [link for panel in dashboard["panels"] for link in panel.get("links", ())]
    links += [link for link in dashboard["links"] if link["type"] == "link"]
    assert len(links) > 5
    for link in links:
        assert link["url"].startswith("${base_url}/"), link
        parts = urlsplit(link["url"].removeprefix("${base_url}"))
        if parts.path == "/health":
            continue  # answered before the site map
        view = resolve(parts.path).view_name
        if parts.query:
            form = (HistoryForm if view == "history" else QueueForm)(dict(parse_qsl(parts.query)))
            assert form.is_valid(), (link, form.errors)
            assert set(dict(parse_qsl(parts.query))) <= set(form.fields), link


def test_every_query_is_one_and_keeps_to_the_namespace_that_was_chosen():
    assert len(expressions()) > 30
    for panel in panels():
        for target in panel.get("targets", ()):
            promql_parser.parse(filled(target["expr"]))
            selectors = re.findall(r"(?:hitl|django|up|scrape|ALERTS)[\w:]*\{", target["expr"])
            assert target["expr"].count('namespace=~"$namespace"') == len(selectors) > 0, target["expr"]


def test_provisioning_names_what_is_there():
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["uid"], source["url"]) == ("prometheus", "hitl-prometheus", "http://prometheus:9090")
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/hitl.yml").read_text())["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    assert {dashboard["uid"] for dashboard in dashboards()} == {"hitl-operations", "hitl-review"}
