"""How far each deployer is in the feed, and the alarm for what none of them fetched."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import ApiToken, DeployerCursor, RaisedAlarm
from approvals.services import deployers
from approvals.services.deployments import alarm_never_fetched, record_fetch
from approvals.services.dispatch import dispatch
from audit.models import Entry
from tests.approvals.test_deployments_page import words_of
from tests.cast import Api
from tests.hitl.test_ops import samples

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_memory(monkeypatch):
    """As in a process that has kept nothing yet."""
    monkeypatch.setattr(deployers, "kept", {})


@pytest.fixture
def decide(make_patch, approve, alice):
    """Return a function that has so many patches approved, so many hours ago."""

    def make(number: int = 1, hours: float = 0):
        at = timezone.now() - timedelta(hours=hours)
        made = [approve(make_patch(severity="low", now=at - timedelta(hours=1)), alice, now=at) for _ in range(number)]
        while dispatch():
            pass
        return made

    return make


@pytest.fixture
def metrics():
    """Return a function that scrapes the metrics: each value by its name and what its labels say."""

    def scrape():
        found = samples(Client().get("/metrics"))
        return {(name, *(value for _, value in labels)): number for (name, *labels), number in found.items()}

    return scrape


def panel(client):
    page = words_of(client.get("/deployments"))
    return page[page.index("Deployers Deployer") : page.index("Not deployed")]


def test_a_deployer_is_behind_by_what_it_has_not_read(deployer_api, decide, sign_in, carol, metrics):
    decide(3, hours=2)
    deployer_api.get("/hitl/decisions?after=1&limit=1")
    assert "argo 2 positions, 2 h" in panel(sign_in(carol))
    found = metrics()
    assert found["hitl_deployer_lag_positions", "argo"] == 2
    assert found["hitl_deployer_lag_seconds", "argo"] == pytest.approx(7200, abs=60)
    assert found["hitl_deployer_last_seen_seconds", "argo"] < 60


def test_one_that_has_come_to_the_end_is_behind_nothing_at_once(deployer_api, decide, sign_in, carol, metrics):
    decide(3)
    for after in range(4):
        deployer_api.get(f"/hitl/decisions?after={after}&limit=1")
    assert DeployerCursor.objects.get().read == 3
    assert "argo Nothing read up to 3" in panel(sign_in(carol))
    assert metrics()["hitl_deployer_lag_positions", "argo"] == 0


def test_what_was_acknowledged_counts_as_read(deployer_api, decide):
    first, second = decide(2)
    deployer_api.get("/hitl/decisions?after=0")
    for decision, position in ((second, 2), (first, 1)):
        deployer_api.post(f"/hitl/decisions/{decision.decision_id}/acknowledge", {"position": position})
    cursor = DeployerCursor.objects.get()
    assert (cursor.read, cursor.acknowledged) == (0, 2)


def test_a_poll_that_says_nothing_new_asks_the_database_for_nothing_more(deployer_api, decide):
    decide()
    counts = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as captured:
            deployer_api.get("/hitl/decisions?after=1")
        counts.append(sum("approvals_deployercursor" in query["sql"] for query in captured))
    assert counts == [1, 0, 0]


def test_one_that_reads_page_after_page_is_kept_every_few_seconds(token_for, token_row):
    token, now = token_row(token_for("deployer", "argo")), timezone.now()
    kept = []
    for second in range(12):
        deployers.keep_read(token, second, caught_up=False, now=now + timedelta(seconds=second))
        kept.append(DeployerCursor.objects.get().read)
    assert kept == [0] * 5 + [5] * 5 + [10] * 2


def test_only_deployers_whose_token_was_not_revoked_are_watched(token_for, token_row, decide, sign_in, carol, metrics):
    decide()
    for kind in ("auditor", "deployer"):
        Api(token_for(kind, f"an {kind}")).get("/hitl/decisions?after=0")
    assert [cursor.deployer for cursor in DeployerCursor.objects.all()] == ["an deployer"]
    gone = Api(secret := token_for("deployer", "gone"))
    gone.get("/hitl/decisions?after=0")
    ApiToken.objects.filter(pk=token_row(secret).pk).update(revoked_at=timezone.now())
    assert "gone" not in panel(sign_in(carol))
    assert ("hitl_deployer_lag_positions", "gone") not in metrics()


def test_one_that_never_read_the_feed_is_behind_nothing(token_for, decide, sign_in, carol, metrics):
    token_for("deployer", "hooked")
    decide()
    assert "hooked Does not read the feed" in panel(sign_in(carol))
    found = metrics()
    assert ("hitl_deployer_lag_positions", "hooked") not in found
    assert found["hitl_deployer_last_seen_seconds", "hooked"] == float("inf")


# --- Approved, and never fetched --------------------------------------------------------------------------------------


@pytest.fixture
def fetches_known(db):
    """As long after the release that began to keep who fetches."""
    with connection.cursor() as cursor:
        cursor.execute("update django_migrations set applied = '2020-01-01' where name = '0049_outcomes'")


@pytest.fixture
def long_known(fetches_known, token_for, token_row):
    return token_row(token_for("deployer", "argo", now=timezone.now() - timedelta(days=40)))


def alarmed() -> int:
    found = alarm_never_fetched(timezone.now())
    assert RaisedAlarm.objects.count() == Entry.objects.filter(type="decision.deployment_alarmed").count()
    return found


def test_what_nobody_fetched_in_a_day_raises_one_alarm(long_known, decide, sign_in, carol, metrics):
    fetched, forgotten, _ = decide(2, hours=30) + decide(hours=2)
    record_fetch(fetched, token=long_known, now=timezone.now())
    assert [alarmed(), alarmed()] == [1, 0]
    assert RaisedAlarm.objects.get().decision == forgotten
    assert metrics()["hitl_deploy_mismatches_total", "never_fetched"] == 1
    client = sign_in(carol)
    page = words_of(client.get("/deployments?show=alarms"))
    assert "Alarms 1" in page
    assert "Approved, never fetched" in page[page.index("Digest") :]
    assert "Approved, never fetched" in words_of(client.get(f"/patches/{forgotten.decision_id}"))


def test_no_deployer_no_alarm(fetches_known, decide, token_for, token_row):
    decide(hours=30)
    assert alarmed() == 0
    secret = token_for("deployer", "argo")
    assert alarmed() == 0, "it was approved before there was anybody to fetch it"
    token = token_row(secret)
    ApiToken.objects.filter(pk=token.pk).update(
        created_at=timezone.now() - timedelta(days=9), expires_at=timezone.now()
    )
    assert alarmed() == 1, "a token that has run out is why nobody comes"
    decide(hours=30)
    ApiToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
    assert alarmed() == 0


def test_what_was_fetched_before_that_was_kept_raises_none(token_for, decide):
    token_for("deployer", "argo", now=timezone.now() - timedelta(days=40))
    decide(hours=30)
    assert alarmed() == 0


def test_the_timeline_tells_each_alarm_in_words(deployer_api, make_patch, sign_in, carol):
    decision = make_patch()
    said = {"deployed_sha256": decision.patch.sha256, "result": "deployed", "at": timezone.now().isoformat()}
    deployer_api.post(f"/hitl/patches/{decision.patch.patch_id}/outcome", said)
    page = words_of(sign_in(carol).get(f"/patches/{decision.decision_id}"))
    assert re.search(r"argo reported: deployed\. Deployed without approval", page)
