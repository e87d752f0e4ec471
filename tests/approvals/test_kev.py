"""KEV data that arrives later raises what waits."""

import pytest
from django.utils import timezone

from approvals.models import Decision, Priority
from approvals.services.kev import import_catalogue
from tests.cast import SYSTEM

pytestmark = pytest.mark.django_db

CATALOGUE = {
    "catalogVersion": "2026.11.20",
    "vulnerabilities": [
        {
            "cveID": "CVE-2024-0001",
            "vulnerabilityName": "Flask path traversal",
            "dateAdded": "2026-11-19",
            "dueDate": "2026-12-10",
            "knownRansomwareCampaignUse": "Known",
        }
    ],
}


def test_a_listed_cve_puts_a_high_patch_under_the_critical_policy(make_patch):
    decision = make_patch(severity="high")
    due = decision.sla_due_at
    assert import_catalogue(CATALOGUE, actor=SYSTEM, now=timezone.now()) == (1, 1)
    raised = Decision.objects.select_related("policy_version__policy", "patch").get(pk=decision.pk)
    assert raised.priority == Priority.CRITICAL
    assert raised.policy_version.policy.name == "critical-two-person"
    assert (raised.required_approvals, raised.required_groups) == (2, ["security-leads"])
    assert raised.patch.known_exploited
    assert raised.sla_due_at < due
    row = next(row for row in raised.trace if row["text"] == "Not known to be exploited")
    assert (row["value"], row["outcome"]) == ("listed", "fail")


def test_an_import_without_clocks_gets_none(make_patch):
    decision = make_patch(severity="high", clocks=False)
    import_catalogue(CATALOGUE, actor=SYSTEM, now=timezone.now())
    raised = Decision.objects.get(pk=decision.pk)
    assert raised.priority == Priority.CRITICAL
    assert raised.sla_due_at.year == 9999
    assert raised.expire_at.year == 9999


def test_importing_the_same_catalogue_again_changes_nothing(make_patch):
    make_patch(severity="high")
    import_catalogue(CATALOGUE, actor=SYSTEM, now=timezone.now())
    assert import_catalogue(CATALOGUE, actor=SYSTEM, now=timezone.now()) == (0, 0)
