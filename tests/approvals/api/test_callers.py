"""Who calls: tokens, sessions and CSRF, scopes, and how often."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from approvals.accounts.services import tokens
from approvals.api import caller
from approvals.api.caller import BURST, Bucket
from approvals.errors import TooMany
from approvals.models import Decision
from tests.cast import SYSTEM, Api, document

PENDING = "/hitl/patches/pending"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header",
    [
        "Bearer hitl_abcdefgh_wrong",
        "Bearer ",
        "Bearer",
        "Bearer x",
        "Bearer hitl_",
        "Bearer hitl__",
        "Basic YWxpY2U6YWxpY2U=",
        "hitl_abcdefgh_secret",
        "Bearer hitl_\u00e4\u00f6\u00fc_x",
    ],
)
def test_a_header_that_is_no_token_is_401(header):
    answer = Client(headers={"Authorization": header}).get(PENDING)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="HITL"'
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 401


@pytest.mark.django_db
def test_nobody_reads_without_a_token_or_a_session(db):
    for path in (PENDING, "/hitl/decisions", "/hitl/decisions/x", "/hitl/patches/x", "/hitl/patches/x/diff"):
        assert Api().get(path).status_code == 401, path
    for path in ("/hitl/analytics/summary", "/hitl/analytics/audit-logs"):
        assert Api().get(path).status_code == 401, path


@pytest.mark.django_db
def test_a_token_is_its_whole_text(token_for):
    secret = token_for()
    assert Api(secret).get(PENDING).status_code == 200
    for wrong in (secret[:-1], secret + "x", secret.swapcase(), secret.replace("_", "_x", 1)):
        assert Api(wrong).get(PENDING).status_code == 401


@pytest.mark.django_db
def test_a_revoked_token_is_refused_at_once(token_for, token_row):
    secret = token_for()
    tokens.revoke_token(token_row(secret), actor=SYSTEM, now=timezone.now())
    assert Api(secret).get(PENDING).status_code == 401


@pytest.mark.django_db
def test_an_expired_token_is_refused(token_for, token_row):
    past = timezone.now() - timedelta(hours=2)
    secret = token_for(now=past, expires_at=past + timedelta(hours=1))
    answer = Api(secret).get(PENDING)
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]


@pytest.mark.django_db
def test_a_wrong_token_never_falls_back_to_the_session(alice):
    client = Client(headers={"Authorization": "Bearer hitl_abcdefgh_wrong"})
    client.force_login(alice)
    assert client.get(PENDING).status_code == 401


@pytest.mark.django_db
def test_a_session_needs_the_csrf_token_to_write_but_not_to_read(alice, make_patch):
    decision = make_patch()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
    path = f"/hitl/patches/{decision.patch.patch_id}/approve"
    assert browser.get(PENDING).status_code == 200
    refused = browser.post(path, body, content_type="application/json")
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    assert "CSRF" in refused.json()["detail"]
    assert Decision.objects.get().status == "pending"
    browser.get("/")  # the queue page sets the cookie
    headers = {"X-CSRFToken": browser.cookies["csrftoken"].value}
    assert browser.post(path, body, content_type="application/json", headers=headers).status_code == 200


@pytest.mark.django_db
def test_a_token_needs_no_csrf_token_even_beside_a_cookie(alice, token_for):
    browser = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token_for()}"})
    browser.force_login(alice)
    assert browser.post("/hitl/patches", document(), content_type="application/json").status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("producer", {"pending", "push", "feed"}),
        ("deployer", {"pending", "feed", "diff"}),
        ("auditor", {"pending", "feed", "diff", "logs", "summary"}),
        ("monitor", {"summary"}),
    ],
)
def test_each_kind_of_token_may_what_the_contract_says(token_for, make_patch, kind, allowed):
    make_patch(patch_id="P")
    api = Api(token_for(kind, "machine"))
    answers = {
        "pending": api.get(PENDING),
        "feed": api.get("/hitl/decisions"),
        "push": api.post("/hitl/patches", document(patch_id="Q")),
        "diff": api.get("/hitl/patches/P/diff", producer="patchgen"),
        "logs": api.get("/hitl/analytics/audit-logs"),
        "summary": api.get("/hitl/analytics/summary"),
    }
    assert {name for name, answer in answers.items() if answer.status_code < 400} == allowed
    assert {answer.status_code for answer in answers.values()} <= {200, 201, 403}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ("carol", {"pending", "summary"}),
        ("alice", {"pending", "summary", "diff"}),
        ("lena", {"pending", "summary", "diff", "logs"}),
        ("audrey", {"pending", "summary", "diff", "logs"}),
    ],
)
def test_a_person_may_what_their_groups_allow(request, api_of, make_patch, who, allowed):
    make_patch(patch_id="P")
    api = api_of(request.getfixturevalue(who))
    answers = {
        "pending": api.get(PENDING),
        "push": api.post("/hitl/patches", document()),
        "diff": api.get("/hitl/patches/P/diff"),
        "logs": api.get("/hitl/analytics/audit-logs"),
        "summary": api.get("/hitl/analytics/summary"),
    }
    assert {name for name, answer in answers.items() if answer.status_code < 400} == allowed


@pytest.mark.django_db
def test_a_personal_token_is_the_person(token_for, alice, make_patch):
    decision = make_patch()
    api = Api(token_for("personal", "laptop", user=alice))
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256, "user": "alice"}
    assert api.post(f"/hitl/patches/{decision.patch.patch_id}/approve", body).json()["status"] == "approved"
    [review] = decision.reviews.all()
    assert (review.reviewer, review.authn, review.channel) == (alice, "token", "api")


@pytest.mark.django_db
def test_a_personal_token_ends_with_the_account(token_for, alice):
    api = Api(token_for("personal", "laptop", user=alice))
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    assert api.get(PENDING).status_code == 401


@pytest.mark.django_db
def test_leaving_the_group_ends_what_a_personal_token_may(token_for, alice):
    api = Api(token_for("personal", "laptop", user=alice))
    assert api.get(PENDING).status_code == 200
    alice.groups.clear()
    assert api.get(PENDING).status_code == 403


@pytest.mark.django_db
def test_a_narrowed_token_may_no_more_than_it_was_given(token_for):
    api = Api(token_for(scopes=["decisions:read"]))
    assert api.get(PENDING).status_code == 200
    answer = api.post("/hitl/patches", document())
    assert answer.status_code == 403
    assert "patches:submit" in answer.json()["detail"]


def narrowed(token_for, token_row, user, *scopes: str) -> Api:
    """Return a personal token as it could be issued once: with scopes."""
    secret = token_for("personal", "laptop", user=user)
    token = token_row(secret)
    token.scopes = list(scopes)
    token.save(update_fields=["scopes"])
    return Api(secret)


@pytest.mark.django_db
def test_a_personal_token_with_scopes_may_do_what_they_name_and_nothing_else(token_for, token_row, make_patch, lena):
    decision = make_patch(patch_id="P")
    api = narrowed(token_for, token_row, lena, "comments:write")
    item = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
    assert api.post("/hitl/patches/P/comment", {**item, "comment": "Look here."}).status_code == 201
    for path in (PENDING, "/hitl/decisions", "/hitl/patches/P/diff", "/hitl/analytics/summary", "/hitl/events"):
        assert api.get(path).status_code == 403, path
    for act in ("approve", "reject", "request-changes", "withdraw", "escalate", "cancel", "revoke"):
        answer = api.post(f"/hitl/patches/P/{act}", {**item, "reason": "No."})
        assert answer.status_code == 403, act
        assert "your groups" not in answer.json()["detail"]
    assert api.post("/hitl/decisions/bulk", {"items": [item], "verdict": "approve"}).status_code == 403
    assert Decision.objects.get().status == "pending"


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["comments:write", "patches:submit", "no:such"])
def test_scopes_give_a_personal_token_nothing_that_its_person_may_not(token_for, token_row, make_patch, carol, scope):
    decision = make_patch(patch_id="P")
    api = narrowed(token_for, token_row, carol, scope)
    body = {"decision_id": str(decision.decision_id), "comment": "Look here."}
    assert api.post("/hitl/patches/P/comment", body).status_code == 403
    assert api.post("/hitl/patches", document(patch_id="Q")).status_code == 403
    assert api.get(PENDING).status_code == 403


@pytest.mark.django_db
def test_last_use_is_kept_at_most_once_a_minute(token_for, token_row, django_assert_num_queries):
    secret = token_for()
    api = Api(secret)
    api.get(PENDING)
    used = token_row(secret).last_used_at
    assert used is not None
    api.get(PENDING)
    assert token_row(secret).last_used_at == used


@pytest.mark.django_db
def test_too_many_requests_are_429_with_the_time_to_wait(token_for, monkeypatch):
    monkeypatch.setattr(caller, "BURST", 2)
    monkeypatch.setattr(caller, "requests", Bucket(60))
    api, other = Api(token_for()), Api(token_for("deployer", "argo"))
    assert [api.get(PENDING).status_code for _ in range(3)] == [200, 200, 429]
    answer = api.get(PENDING)
    assert (answer["Content-Type"], answer["Retry-After"]) == ("application/problem+json", "1")
    assert other.get(PENDING).status_code == 200


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(caller.time, "monotonic", clock)
    return clock


def test_a_bucket_gives_its_burst_then_its_rate(clock):
    bucket = Bucket(600)
    for _ in range(600):
        bucket.take("a")
    with pytest.raises(TooMany):
        bucket.take("a")
    bucket.take("b")
    clock.now += 1
    for _ in range(10):
        bucket.take("a")
    with pytest.raises(TooMany):
        bucket.take("a")


@pytest.mark.parametrize("rate", [1, 60, 999])
def test_a_burst_is_never_above_the_limit(clock, rate):
    bucket = Bucket(rate)
    for _ in range(2):
        for _ in range(rate):
            bucket.take("a")
        with pytest.raises(TooMany):
            bucket.take("a")
        clock.now += 3_600  # however long it waits, no more than the limit gathers


@pytest.mark.parametrize(("rate", "amount"), [(60, 1), (50, 1), (40, 1), (7, 1), (6000, 777), (60_000, 1000), (90, 4)])
def test_coming_back_when_told_is_early_enough(clock, rate, amount):
    bucket = Bucket(rate)
    bucket.take("a", bucket.burst)
    with pytest.raises(TooMany) as refused:
        bucket.take("a", amount)
    assert refused.value.retry_after >= 1
    clock.now += refused.value.retry_after
    bucket.take("a", amount)


@pytest.mark.parametrize("rate", [1, 60, 999, 6000])
def test_at_once_there_is_never_more_than_a_minute_gives(clock, rate):
    bucket = Bucket(rate)
    for _ in range(min(rate, BURST)):
        bucket.take("a")
    with pytest.raises(TooMany):
        bucket.take("a")


def test_more_than_fits_at_once_is_paid_back(clock):
    bucket = Bucket(60)
    bucket.take("a", 120)
    clock.now += 59
    with pytest.raises(TooMany):
        bucket.take("a")
    clock.now += 2
    bucket.take("a")


def test_callers_who_have_their_share_again_are_forgotten(clock, monkeypatch):
    monkeypatch.setattr(caller, "MOST_CALLERS", 10)
    bucket = Bucket(60)
    for number in range(30):
        bucket.take(str(number))
        clock.now += 1
    assert len(bucket.levels) < 15


def test_a_full_bucket_does_not_overflow(clock):
    bucket = Bucket(60)
    bucket.take("a")
    clock.now += 1_000_000
    bucket.take("a", bucket.burst)
    with pytest.raises(TooMany):
        bucket.take("a")


def test_a_refused_request_costs_nothing(clock):
    bucket = Bucket(60)
    bucket.take("a", bucket.burst)
    for _ in range(5):
        with pytest.raises(TooMany):
            bucket.take("a")
    clock.now += 1
    bucket.take("a")


def test_a_rate_of_zero_is_no_limit():
    bucket = Bucket(0)
    for _ in range(BURST + 1):
        bucket.take("a")
    assert not bucket.levels
