"""The plans of what is asked most, with many rows: none reads more of them than it shows, and a constant. Counted, not
timed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from approvals.models import Decision, PatchContent, Status, User
from approvals.queries import evidence, history
from approvals.queries.history import ENDS
from approvals.queries.queue import COUNT_LIMIT
from approvals.services.dispatch import dispatch
from tests.cast import DIFF, Api
from tests.million import PENDING, ROWS, fill

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

FEW = 2_000
"""What a page reads of tables that do not grow, and a page of rows with all that belongs to them."""
SEARCH_LIMIT = 300  # in proportion to the rows
TABS = (len(ENDS) + 3) * (COUNT_LIMIT + 1)
"""What is counted for tabs, with the counts that stand on every page."""
MOST = {
    "/history": TABS + FEW,
    "/history?status=revoked": TABS + FEW,
    "/history?q=nothinghasthis": FEW,
    "/history?q=CVE-2024-7777": FEW,
    "/history?q=third": 10 * SEARCH_LIMIT + FEW,
    "/audit/entries": FEW,
    "/audit/entries?actor=nobody": FEW,
    "/audit/entries?actor=service3": FEW,
    "/audit/entries?actor=service3&q=nothinghasthis": FEW,
    "/audit/entries?q=nothinghasthis": FEW,
    "/audit/entries?q=CVE-2024-7777": FEW,
    "/audit/entries?q=00000000-0000-0000-0000-000000000777": FEW,
    "/": TABS + FEW,
    "/?cwe=CWE-77&ecosystem=pypi": TABS + FEW,
    "/?q=nothinghasthis": TABS + FEW,
    "/hitl/analytics/summary": 2 * PENDING,  # a tally for each hour of an SLA that runs
    "/hitl/analytics/summary?since=2026-01-01T05:00:00Z": ROWS // 2,  # tallies: a day has up to a hundred
    "/hitl/analytics/audit-logs?actor=nobody": FEW,
    "/hitl/patches/pending": FEW,
    "/metrics": PENDING + ROWS // 7 + FEW,  # those that are late, and the revoked
}
"""By address, how many rows its statements may read; of a table without a fitting index it would be all."""


@pytest.fixture
def many(make_patch: Callable[..., Decision], approve: Callable[..., Decision], alice: User) -> list[Decision]:
    """Fill the database; return one pending and one decided patch of it."""
    pending, ended = make_patch(), make_patch(cve_id="CVE-2024-1")
    approve(ended, alice)
    dispatch()
    fill(pending, Decision.objects.get(pk=ended.pk))
    shown = [
        Decision.objects.filter(status=Status.PENDING).order_by("id")[500],
        Decision.objects.filter(status=Status.APPROVED).order_by("-id")[5_000],
    ]
    for decision in shown:
        PatchContent.objects.create(patch_id=decision.patch_id, diff=DIFF.encode())
    return shown


def rows_read(get: Callable[[str], Any], path: str) -> dict[str, int]:
    """Return how many rows the steps of each statement of a request read, those that a condition drops too."""
    asked: list[tuple[Any, Any]] = []

    def note(execute: Any, sql: Any, parameters: Any, many: bool, context: Any) -> Any:
        asked.append((sql, parameters))
        return execute(sql, parameters, many, context)

    get(path)  # what is read once a process
    with connection.execute_wrapper(note):
        answer = get(path)
    assert answer.status_code == 200, path
    found = {}
    for sql, parameters in asked:
        if sql.lstrip().lower().startswith(("select", "with")) and "for update" not in sql.lower():
            with connection.cursor() as cursor:
                cursor.execute(f"explain (analyze, timing off, format json) {sql}", parameters)
                [([plan],)] = cursor.fetchall()
            found[sql] = sum(map(read_by, steps(plan["Plan"])))
    return found


def steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for part in step.get("Plans", ()):
        yield from steps(part)


def read_by(step: dict[str, Any]) -> int:
    if "Relation Name" not in step:
        return 0
    dropped = step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
    return int((step["Actual Rows"] + dropped) * step["Actual Loops"])


def test_no_request_reads_more_rows_than_it_shows_and_a_constant(
    many: list[Decision], sign_in: Callable[[User], Any], lena: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "SEARCH_LIMIT", SEARCH_LIMIT)
    monkeypatch.setattr(evidence, "FOUND", 400)

    def whole(path: str) -> Any:
        assert Decision.objects.filter(decided_by="nobody").count() == 0
        return type("Answer", (), {"status_code": 200})

    assert sum(rows_read(whole, "a whole table").values()) > ROWS, "this would find nothing"
    client, api = sign_in(lena), Api(user=lena)
    too_much = {}
    for path, most in {**MOST, **{f"/patches/{one.decision_id}": 2 * COUNT_LIMIT + FEW for one in many}}.items():
        found = rows_read(api.get if path.startswith("/hitl/") else client.get, path)
        if sum(found.values()) > most:
            too_much[path] = (sum(found.values()), max(found, key=lambda sql: found[sql])[:400])
    assert "\n".join(f"{path}: {number} {sql}" for path, (number, sql) in too_much.items()) == ""
