"""Webhooks tell what the feed tells: the same items in the same order, to whom may read them, signed, and again where a
receiver fails."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from standardwebhooks import Webhook, WebhookVerificationError

from approvals import jobs
from approvals.accounts.services import tokens
from approvals.errors import Conflict, Invalid, NotFound
from approvals.metrics import DatabaseCollector
from approvals.models import Decision, User, Verdict
from approvals.services import endpoints, webhooks
from approvals.services.dispatch import dispatch
from approvals.services.endpoints import Wanted
from approvals.services.producers import ensure_producer
from audit.models import Entry
from notifications.models import Delivery, Endpoint
from notifications.services import deliveries
from tests.cast import SYSTEM, Api
from tests.notifications.receiver import Came, Receiver, answering, receiving

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def loopback_allowed(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def decide(
    make_patch: Callable[..., Decision], approve: Callable[..., Decision], alice: User
) -> Callable[..., list[Decision]]:
    """Return a function that has so many patches decided and placed in the feed."""

    def go(number: int = 1, verdict: Verdict = Verdict.APPROVE, **more: Any) -> list[Decision]:
        decided = [approve(make_patch(**more), alice, verdict) for _ in range(number)]
        while dispatch():
            pass
        return decided

    return go


def added(url: str, audience: str = "deployer:argo", after: int | None = 0, **more: Any) -> tuple[Endpoint, str]:
    wanted = Wanted(more.get("name", "Argo"), url, more.get("format", "standard"), audience)
    return endpoints.add(wanted, after, actor=SYSTEM, now=timezone.now())


def tell(later: timedelta = timedelta()) -> None:
    """Do what the jobs do: make deliveries, then send all that is due."""
    while webhooks.tell_endpoints(timezone.now()):
        pass
    while deliveries.deliver_due(timezone.now() + later):
        pass


def data_of(came: list[Came]) -> list[dict[str, Any]]:
    return [json.loads(one.body)["data"] for one in came]


def test_a_webhook_brings_what_the_feed_says_in_its_order(receiver: Receiver, decide: Any, deployer_api: Api) -> None:
    _, secret = added(receiver.url)
    decide(2)
    decide(1, Verdict.REJECT)
    tell()
    decide(1)
    tell()
    feed = deployer_api.get("/hitl/decisions").json()
    assert data_of(receiver.came) == feed
    assert [item["position"] for item in feed] == [1, 2, 3, 4]
    for one, item in zip(receiver.came, feed, strict=True):
        said = Webhook(secret).verify(one.body, one.headers)
        assert (said["type"], said["timestamp"]) == (f"decision.{item['status']}", item["at"])
    assert len({one.headers["webhook-id"] for one in receiver.came}) == 4
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(receiver.came[0].body + b" ", receiver.came[0].headers)


def test_the_job_tells_and_asks_for_the_one_that_sends_once(decide: Any, deployer_api: Api) -> None:
    added("https://example.org/")
    jobs.tell_endpoints(0)
    assert not ProcrastinateJob.objects.filter(task_name="notifications.jobs.deliver").exists()
    for _ in range(2):
        decide(1)
        jobs.tell_endpoints(0)
    assert ProcrastinateJob.objects.filter(task_name="notifications.jobs.deliver").count() == 1
    assert Delivery.objects.count() == 2


def test_nothing_is_told_twice_and_an_endpoint_begins_where_it_is_told_to(
    receiver: Receiver, decide: Any, deployer_api: Api
) -> None:
    decide(3)
    added(receiver.url, after=1, name="from 1")
    added(receiver.url, after=None, name="from now on")
    tell()
    tell()
    assert [item["position"] for item in data_of(receiver.came)] == [2, 3]
    with pytest.raises(Invalid, match="from 0 to 3"):
        added(receiver.url, after=4, name="too far")


def test_a_producer_hears_of_its_own_patches_alone(
    receiver: Receiver, decide: Any, producer_api: Api, token_for: Any
) -> None:
    token_for("producer", "other")
    other = ensure_producer("other", actor=SYSTEM, now=timezone.now())
    added(receiver.url, "producer:patchgen")
    decide(1)
    decide(2, by=other)
    decide(1, Verdict.REJECT)
    tell()
    feed = producer_api.get("/hitl/decisions").json()
    assert data_of(receiver.came) == [item for item in feed if item["producer"] == "patchgen"]
    assert [item["position"] for item in data_of(receiver.came)] == [1, 4]
    assert Endpoint.objects.get().position == 4


def test_a_deployer_without_diffs_is_told_no_more_than_it_reads(
    receiver: Receiver, decide: Any, token_for: Any
) -> None:
    api = Api(token_for("deployer", "argo", scopes=["decisions:read"]))
    added(receiver.url)
    decide(1)
    tell()
    assert data_of(receiver.came) == api.get("/hitl/decisions").json()


def test_whose_token_is_revoked_is_told_nothing_and_loses_nothing(
    receiver: Receiver, decide: Any, token_for: Any, token_row: Any
) -> None:
    token = token_row(token_for("deployer", "argo"))
    added(receiver.url)
    tokens.revoke_token(token, actor=SYSTEM, now=timezone.now())
    decide(2)
    tell()
    assert receiver.came == []
    with pytest.raises(Invalid, match="No token of this name"):
        added(receiver.url, name="late")
    token_for("deployer", "argo")
    tell()
    assert [item["position"] for item in data_of(receiver.came)] == [1, 2]


def test_while_a_secret_is_replaced_both_verify(receiver: Receiver, decide: Any, deployer_api: Api) -> None:
    endpoint, old = added(receiver.url)
    _, new = endpoints.replace_secret(endpoint.pk, actor=SYSTEM, now=timezone.now())
    decide(1)
    tell()
    [one] = receiver.came
    assert one.headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        Webhook(secret).verify(one.body, one.headers)
    endpoints.end_old_secret(endpoint.pk, actor=SYSTEM, now=timezone.now())
    decide(1)
    tell()
    Webhook(new).verify(receiver.came[1].body, receiver.came[1].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(receiver.came[1].body, receiver.came[1].headers)
    assert old not in str(Endpoint.objects.values())
    assert new not in str(Endpoint.objects.values())


def test_a_failure_keeps_the_order_and_the_id(receiver: Receiver, decide: Any, deployer_api: Api) -> None:
    added(receiver.url)
    decide(3)
    receiver.answer = answering(503)
    tell()
    assert len(receiver.came) == 1, "nothing goes past the one that failed"
    receiver.answer = answering(204)
    tell(timedelta(hours=1))
    assert [item["position"] for item in data_of(receiver.came)] == [1, 1, 2, 3]
    ids = [one.headers["webhook-id"] for one in receiver.came]
    assert (ids[0], len(set(ids))) == (ids[1], 3)
    assert Endpoint.objects.get().delivered_at is not None


def test_a_receiver_that_is_gone_is_disabled_with_an_entry_and_goes_on_when_enabled(
    receiver: Receiver, decide: Any, deployer_api: Api
) -> None:
    endpoint, _ = added(receiver.url)
    decide(2)
    receiver.answer = answering(410)
    tell()
    decide(1)
    tell()
    assert len(receiver.came) == 1
    assert [webhooks.note_disabled(timezone.now()) for _ in range(2)] == [1, 0]
    [entry] = Entry.objects.filter(type="endpoint.disabled")
    assert "It answered that it is gone." in bytes(entry.body).decode()
    receiver.answer = answering(204)
    Delivery.objects.update(give_up_at=timezone.now() - timedelta(days=2))
    endpoints.enable(endpoint.pk, actor=SYSTEM, now=timezone.now())
    tell()
    assert [item["position"] for item in data_of(receiver.came)] == [1, 1, 2, 3]


def test_a_receiver_says_when_to_come_again(receiver: Receiver, decide: Any, deployer_api: Api) -> None:
    added(receiver.url)
    decide(1)
    receiver.answer = answering(429, Retry_After="600")
    tell()
    waiting = Delivery.objects.get()
    assert waiting.due_at - timezone.now() > timedelta(seconds=590)
    assert (waiting.last_status, waiting.last_error) == (429, "It answered 429 Too Many Requests.")


def test_a_receiver_that_takes_a_little_at_a_time_is_not_failing_for_days(
    receiver: Receiver, decide: Any, deployer_api: Api
) -> None:
    added(receiver.url)
    decide(2)
    Endpoint.objects.update(state="failing", failing_since=timezone.now() - timedelta(days=5))
    answers = [answering(204), answering(429)]
    receiver.answer = lambda handler: answers.pop(0)(handler)
    tell()
    endpoint = Endpoint.objects.get()
    assert endpoint.state == "failing"
    assert endpoint.failing_since is not None
    assert timezone.now() - endpoint.failing_since < timedelta(hours=1)


def test_beyond_a_thousand_that_wait_items_stay_in_the_feed(
    receiver: Receiver, decide: Any, deployer_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_PENDING", 2)
    added(receiver.url)
    decide(5)
    while webhooks.tell_endpoints(timezone.now(), limit=1):
        pass
    assert Delivery.objects.count() == 2
    tell()
    tell()
    assert [item["position"] for item in data_of(receiver.came)] == [1, 2, 3, 4, 5]


def test_the_reference_apis_callback(receiver: Receiver, decide: Any, deployer_api: Api) -> None:
    added(f"http://127.0.0.1:{receiver.port}/", format="s1")
    [yes] = decide(1, patch_id="a:b+c@1")
    [no] = decide(1, Verdict.REJECT, patch_id="PATCH-9")
    tell()
    first, second = receiver.came
    assert first.path == "/api/patches/a%3Ab%2Bc%401/approved"
    assert second.path == "/api/patches/PATCH-9/rejected"
    said = json.loads(first.body)
    assert (said["decision_id"], said["approved_by"], "T" in said["timestamp"]) == (str(yes.decision_id), "alice", True)
    said = json.loads(second.body)
    assert (said["decision_id"], said["rejected_by"], said["reason"]) == (str(no.decision_id), "alice", "rejected")


def test_the_message_of_workflow_approvals(receiver: Receiver, decide: Any, deployer_api: Api, settings: Any) -> None:
    settings.BASE_URL = "https://hitl.example.org"
    _, secret = added(receiver.url, format="s3")
    [decided] = decide(1)
    tell()
    [one] = receiver.came
    said = json.loads(one.body)
    assert said["event"] == "approval.approved"
    assert said["data"] == {
        "notificationId": one.headers["webhook-id"],
        "approvalRequestId": str(decided.decision_id),
        "recipient": "argo",
        "subject": f"{decided.patch.patch_id}: approved",
        "body": f"{decided.patch.patch_id} is approved.",
        "approvalUrl": f"https://hitl.example.org/patches/{decided.decision_id}",
    }
    Webhook(secret).verify(one.body, one.headers)
    assert len(one.headers["x-webhook-signature"]) == 64


@pytest.mark.parametrize("format", ["standard", "s1", "s3"])
def test_a_test_goes_before_all_that_waits_and_is_tried_once(
    receiver: Receiver, decide: Any, deployer_api: Api, format: str
) -> None:
    endpoint, secret = added(receiver.url, format=format)
    decide(1)
    webhooks.tell_endpoints(timezone.now())
    tried = [endpoints.send_test(endpoint.pk, actor=SYSTEM, now=timezone.now()) for _ in range(2)]
    assert [one.position for one in tried] == [-1, -2]
    receiver.answer = answering(500)
    tell()
    assert [one.state for one in Delivery.objects.order_by("position")] == ["dead", "dead", "pending"]
    receiver.answer = answering(204)
    endpoints.send_test(endpoint.pk, actor=SYSTEM, now=timezone.now())
    tell()
    assert "HITL-TEST" in receiver.came[-2].body.decode()
    Webhook(secret).verify(receiver.came[-2].body, receiver.came[-2].headers)
    endpoints.disable(endpoint.pk, actor=SYSTEM, now=timezone.now())
    with pytest.raises(Conflict, match="enable it first"):
        endpoints.send_test(endpoint.pk, actor=SYSTEM, now=timezone.now())


def test_what_was_given_up_is_sent_again_with_its_id(receiver: Receiver, decide: Any, deployer_api: Api) -> None:
    added(receiver.url)
    decide(2)
    receiver.answer = answering(400)
    webhooks.tell_endpoints(timezone.now())
    Delivery.objects.update(give_up_at=timezone.now())
    tell()
    assert {one.state for one in Delivery.objects.all()} == {"dead"}
    receiver.answer = answering(204)
    keys = [one.pk for one in Delivery.objects.all()]
    assert endpoints.replay(keys, actor=SYSTEM, now=timezone.now()) == 2
    assert endpoints.replay(keys, actor=SYSTEM, now=timezone.now()) == 0
    tell()
    assert [one.headers["webhook-id"] for one in receiver.came[-2:]] == [str(key) for key in sorted(keys)]
    assert Entry.objects.filter(type="delivery.replayed").count() == 1


def test_what_is_removed_is_called_no_more_and_leaves_its_name(
    receiver: Receiver, decide: Any, deployer_api: Api
) -> None:
    endpoint, _ = added(receiver.url)
    decide(1)
    webhooks.tell_endpoints(timezone.now())
    endpoints.remove(endpoint.pk, actor=SYSTEM, now=timezone.now())
    decide(1)
    tell()
    assert receiver.came == []
    gone = Delivery.objects.get()
    assert (gone.state, gone.last_error) == ("dropped", "The endpoint was removed.")
    assert Endpoint.objects.get().secrets == []
    added(receiver.url)
    with pytest.raises(NotFound):
        endpoints.enable(endpoint.pk, actor=SYSTEM, now=timezone.now())


def test_the_metrics_say_what_waits_and_who_fails(receiver: Receiver, decide: Any, deployer_api: Api) -> None:
    def counted(name: str) -> dict[str, float]:
        [metric] = [metric for metric in DatabaseCollector().collect() if metric.name == name]
        return {":".join(sample.labels.values()): sample.value for sample in metric.samples if sample.value}

    endpoint, _ = added(receiver.url)
    decide(3)
    webhooks.tell_endpoints(timezone.now())
    Delivery.objects.update(due_at=timezone.now() - timedelta(minutes=10))
    assert counted("hitl_deliveries") == {"webhook:pending": 3}
    assert counted("hitl_delivery_oldest_due_seconds")[""] == pytest.approx(600, abs=60)
    assert counted("hitl_endpoints") == {"active": 1}
    Delivery.objects.filter(position=2).update(state="dead", ended_at=timezone.now())
    answers = [answering(204), answering(410)]
    receiver.answer = lambda handler: answers.pop(0)(handler)
    tell()
    assert counted("hitl_deliveries") == {"webhook:pending": 1, "webhook:dead": 1, "webhook:delivered": 1}
    assert counted("hitl_delivery_oldest_due_seconds") == {}, "what a disabled endpoint has is not due"
    assert counted("hitl_endpoints") == {"disabled": 1}
    Delivery.objects.filter(state="delivered").update(ended_at=timezone.now() - timedelta(hours=2))
    assert counted("hitl_deliveries") == {"webhook:pending": 1, "webhook:dead": 1}
    endpoints.enable(endpoint.pk, actor=SYSTEM, now=timezone.now())
    endpoints.disable(endpoint.pk, actor=SYSTEM, now=timezone.now())
    assert counted("hitl_endpoints") == {"off": 1}
