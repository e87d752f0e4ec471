"""The same webhook at the same moment counts once, and two workers tell GitHub once."""

import json

import pytest
from django.test import Client
from django.utils import timezone

from approvals.adapters.github import answer_due
from approvals.models import Decision, DeploymentRequest
from audit.models import Entry
from tests.approvals.adapters.fake_github import SECRET, GitHub, payload, pem, running, sent

from .together import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def github(settings):
    settings.GITHUB_WEBHOOK_SECRET, settings.GITHUB_APP_ID, settings.GITHUB_APP_KEY = SECRET, "12345", pem()
    with running() as address:
        settings.GITHUB_API_URL, settings.OUTBOUND_ALLOW = address, ["127.0.0.1"]
        yield address


def test_of_one_body_sent_at_once_under_many_ids_one_counts(github):
    body = json.dumps(payload(github)).encode()
    statuses = at_once(*[lambda: sent(Client(), body).status_code] * 6)
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]
    assert DeploymentRequest.objects.count() == Entry.objects.filter(type="decision.deployment_asked").count() == 1


def test_runs_that_ask_at_once_share_a_gate_and_two_workers_tell_each_once(github, approve, alice):
    statuses = at_once(*[lambda run=run: sent(Client(), payload(github, run)).status_code for run in range(1, 5)])
    assert statuses == [200] * 4
    approve(Decision.objects.get(), alice)
    at_once(*[lambda: answer_due(timezone.now())] * 3)
    assert sorted(path.split("/")[6] for path, _, _ in GitHub.told) == ["1", "2", "3", "4"]
    assert set(DeploymentRequest.objects.values_list("state", flat=True)) == {"answered"}
