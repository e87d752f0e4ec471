"""The commands of docs/adapters.md, run as they stand against the product, and what each answers."""

import json
import re
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from approvals.models import ApiToken, Decision, DeploymentResult
from approvals.services.deployments import Report, report_outcome
from tests.approvals.adapters.fake_github import SECRET
from tests.cast import SYSTEM

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "adapters.md"
COMMANDS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


@pytest.fixture
def run(live_server, token_for, settings):
    """Return a function that runs commands and returns what they printed, JSON by JSON."""
    settings.GITHUB_WEBHOOK_SECRET = SECRET
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HITL": live_server.url,
        "PATCHGEN": token_for("producer"),
        "ARGO": token_for("deployer", "argo"),
        "GITHUB_WEBHOOK_SECRET": SECRET,
    }

    def these(commands: str) -> list[Any]:
        done = subprocess.run(["bash", "-euc", commands], env=environment, check=True, capture_output=True, text=True)
        found, text = [], done.stdout
        while text:
            value, end = json.JSONDecoder().raw_decode(text)
            found.append(value)
            text = text[end:].lstrip()
        return found

    return these


def test_every_command_answers_what_the_page_says(run, make_patch, approve, alice):
    sarif_in, sarif_out, vex, github, names = COMMANDS
    log4j = {"cve_id": "GHSA-jfh8-c2jp-5v3q", "aliases": ["CVE-2021-44228", "OSV-2021-1"]}
    decision = approve(make_patch(package_name="requests", ecosystem="PyPI", target_version="2.31.0", **log4j), alice)
    now = timezone.now()
    report = Report(decision.patch.sha256, DeploymentResult.DEPLOYED, now + timedelta(seconds=1))
    report_outcome(decision, report, token=ApiToken.objects.get(name="argo"), actor=SYSTEM, now=now)
    waiting = make_patch(**log4j)

    [taken] = run(sarif_in)
    assert [fix["status"] for fix in taken["fixes"]] == [201]
    pushed = Decision.objects.select_related("patch").get(decision_id=taken["fixes"][0]["decision_id"])
    assert pushed.patch.vulnerability == "CVE-2024-9999"
    [log] = run(sarif_out)
    assert [result["kind"] for result in log["runs"][0]["results"]] == ["informational"]
    openvex, csaf, cyclonedx = run(vex)
    assert openvex["statements"][0]["vulnerability"]["name"] == "CVE-2021-44228"
    assert csaf["vulnerabilities"][0]["product_status"] == {"fixed": ["PRODUCT-1"]}
    assert cyclonedx["components"][0]["purl"] == "pkg:pypi/requests@2.31.0"
    [asked] = run(github)
    assert (asked["state"], asked["status"]) == ("asked", "pending")
    [rows] = run(names)
    assert [row["decision_id"] for row in rows] == [str(waiting.decision_id)]
