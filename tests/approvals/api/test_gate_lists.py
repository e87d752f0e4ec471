"""Lists of workflow gates, their numbers, and waiting for one."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.live import listener
from approvals.models import Decision, Verdict
from approvals.services import lifecycle, timers
from approvals.services.dispatch import dispatch
from tests.approvals.api.test_waiting import ask, sessions_in_a_transaction, settle, taken_from_the_pool, waiters
from tests.approvals.test_query_counts import same_queries
from tests.cast import SYSTEM, Api

__all__ = ["waiters"]
PATH = "/api/approvals"


def runs(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [gate["execution_id"] for gate in answer.json()["approvals"]]


@pytest.mark.django_db
class TestLists:
    def test_pending_and_history_part_the_gates_and_hold_no_patch(
        self, producer_api, make_gate, make_patch, approve, alice
    ):
        make_patch()
        approve(make_patch(), alice)
        make_gate()
        approve(make_gate(), alice)
        assert runs(producer_api.get(f"{PATH}/pending")) == ["run-1"]
        assert runs(producer_api.get(f"{PATH}/history")) == ["run-2"]
        assert runs(producer_api.get(PATH)) == runs(producer_api.get(PATH, type="pending")) == ["run-1"]
        assert runs(producer_api.get(PATH, type="history")) == ["run-2"]

    def test_a_list_comes_in_pages_and_its_total_is_no_page_length(self, producer_api, make_gate, approve, alice):
        for _ in range(5):
            approve(make_gate(), alice)
        first = producer_api.get(f"{PATH}/history", page=1, page_size=2).json()
        assert (first["total"], first["total_is_exact"], first["page"], first["page_size"]) == (5, True, 1, 2)
        pages = [runs(producer_api.get(f"{PATH}/history", page=page, page_size=2)) for page in (1, 2, 3, 4)]
        assert pages == [["run-5", "run-4"], ["run-3", "run-2"], ["run-1"], []]

    @pytest.mark.parametrize(
        "query",
        [
            {"page": 0},
            {"page": "many"},
            {"page": 9999, "page_size": 100},
            {"page_size": 101},
            {"status": "timeout"},
            {"surprise": 1},
            {"since": "yesterday"},
            {"type": "all"},
        ],
    )
    def test_what_a_list_does_not_know_is_said(self, producer_api, query):
        path = PATH if "type" in query else f"{PATH}/history"
        answer = producer_api.get(path, **query)
        assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")

    @pytest.mark.parametrize(
        "query", [{"type": "history", "mine": True}, {"status": "approved"}, {"since": "2026-01-01T00:00:00Z"}]
    )
    def test_a_filter_of_the_other_list_is_refused(self, api_of, alice, query):
        assert api_of(alice).get(PATH, **query).status_code == 422

    def test_runs_are_told_apart(self, producer_api, make_gate):
        make_gate(workflow_id="deploy", execution_id="a")
        make_gate(workflow_id="deploy", execution_id="b")
        make_gate(workflow_id="migrate", execution_id="a", job_id="schema")
        assert sorted(runs(producer_api.get(f"{PATH}/pending", workflow_id="deploy"))) == ["a", "b"]
        assert runs(producer_api.get(f"{PATH}/pending", workflow_id="deploy", execution_id="a")) == ["a"]
        assert runs(producer_api.get(PATH, job_id="schema")) == ["a"]

    def test_history_is_narrowed_by_state_and_time(self, producer_api, make_gate, approve, alice):
        approve(make_gate(), alice)
        approve(make_gate(), alice, Verdict.REJECT)
        assert runs(producer_api.get(f"{PATH}/history", status="rejected")) == ["run-2"]
        later = (timezone.now() + timedelta(hours=1)).isoformat()
        assert runs(producer_api.get(f"{PATH}/history", since=later)) == []
        assert len(runs(producer_api.get(f"{PATH}/history", until=later))) == 2

    def test_mine_is_what_needs_me(self, producer_api, api_of, make_gate, approve, alice, bob):
        make_gate(allowed_approvers=["bob"])
        make_gate(triggered_by="alice@example.org")
        make_gate(submitted_by="alice@example.org")
        approve(make_gate(require_min_approvers=2), alice)
        make_gate()
        make_gate(allowed_approvers=["ALICE@example.org", "bob"])
        mine = runs(api_of(alice).get(f"{PATH}/pending", mine=True))
        assert mine == ["run-2", "run-5", "run-6"]  # who triggered it learns on its page; patches do it the same way
        assert len(runs(api_of(bob).get(f"{PATH}/pending", mine=True))) == 6
        assert producer_api.get(f"{PATH}/pending", mine=True).status_code == 422

    def test_a_longer_list_costs_no_more_queries(self, make_gate, approve, alice, bob, lena):
        def grow(count: int) -> None:
            for _ in range(count):
                approve(make_gate(require_min_approvers=2, allowed_approvers=["alice", "bob", "lena"]), alice)
                approve(make_gate(), bob)

        paths = [f"{PATH}/pending", f"{PATH}/history", f"{PATH}/pending?mine=true", "/", "/history"]
        same_queries(dict.fromkeys(paths, Api(user=lena).get), grow)


@pytest.mark.django_db
class TestFigures:
    def test_gates_in_numbers(self, producer_api, make_gate, make_patch, approve, alice, lena):
        now = timezone.now()
        make_patch()
        approve(make_gate(now=now - timedelta(hours=2, minutes=5)), alice, now=now)
        approve(make_gate(), alice, Verdict.REJECT)
        make_gate(timeout_ms=1_000, now=now - timedelta(minutes=1))
        timers.expire_due(now)
        waiting = make_gate()
        lifecycle.escalate(waiting.decision_id, "Look.", user=lena, actor=SYSTEM, now=now)
        found = producer_api.get(f"{PATH}/stats").json()
        assert {name: found[name] for name in ("total", "pending", "approved", "rejected", "expired", "cancelled")} == {
            "total": 4,
            "pending": 1,
            "approved": 1,
            "rejected": 1,
            "expired": 1,
            "cancelled": 0,
        }
        assert (found["escalated"], found["user_summary"]) == (1, None)
        hour = 3_600_000
        assert hour < found["avg_decision_time_ms"] < 1.1 * hour  # of two decisions by people: 125 minutes and none
        assert found["avg_timeout_ms"] > 0

    def test_a_person_sees_their_own_part(self, api_of, make_gate, approve, alice, bob):
        make_gate(timeout_ms=10 * 60_000)
        make_gate(timeout_ms=50 * 60_000)
        make_gate(allowed_approvers=["bob"], timeout_ms=60_000)
        approve(make_gate(), alice)
        approve(make_gate(), alice, Verdict.REJECT)
        found = api_of(alice).get(f"{PATH}/stats").json()["user_summary"]
        assert found == {"pending": 2, "approved": 1, "rejected": 1, "expiring": 2, "urgent": 1}
        assert api_of(bob).get(f"{PATH}/stats").json()["user_summary"]["urgent"] == 2

    def test_nothing_to_measure_is_null(self, producer_api):
        found = producer_api.get(f"{PATH}/stats").json()
        assert (found["total"], found["avg_decision_time_ms"], found["avg_timeout_ms"]) == (0, None, None)

    def test_figures_of_a_period(self, producer_api, make_gate):
        make_gate()
        later = (timezone.now() + timedelta(hours=1)).isoformat()
        assert producer_api.get(f"{PATH}/stats", since=later).json()["total"] == 0
        assert producer_api.get(f"{PATH}/stats", until=later).json()["total"] == 1
        assert producer_api.get(f"{PATH}/stats", user_id=1).status_code == 422


@pytest.mark.django_db(transaction=True)
class TestWaiting:
    def test_a_waiting_workflow_is_answered_when_somebody_decides(
        self, waiters, producer_api, make_gate, approve, alice
    ):
        gate = make_gate()
        waiting = waiters.submit(ask, producer_api, f"{PATH}/{gate.decision_id}", wait=30)
        settle(waiting)
        approve(gate, alice)
        dispatch()
        answer, took = waiting.result(10)
        assert (answer.json()["status"], answer.json()["approvers"]) == ("approved", ["alice"])
        assert took < 4

    def test_nobody_who_waits_holds_a_connection(self, waiters, producer_api, make_gate):
        path = f"{PATH}/{make_gate().decision_id}"
        waiting = [waiters.submit(ask, producer_api, path, wait=60) for _ in range(3)]
        settle(waiting[0])
        deadline = time.monotonic() + 20
        while taken_from_the_pool() > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert taken_from_the_pool() == 1  # the test's own
        assert sessions_in_a_transaction() == 0
        listener.stop()
        assert [future.result(10)[0].json()["status"] for future in waiting] == ["pending"] * 3

    def test_waiting_ends_when_its_time_is_over(self, producer_api, make_gate):
        answer, took = ask(producer_api, f"{PATH}/{make_gate().decision_id}", wait=0.3)
        assert (answer.status_code, answer.json()["status"]) == (200, "pending")
        assert 0.25 < took < 3
        assert producer_api.get(f"{PATH}/{Decision.objects.get().decision_id}", wait=61).status_code == 422
        assert Api().get(f"{PATH}/{Decision.objects.get().decision_id}", wait=1).status_code == 401
        listener.stop()
