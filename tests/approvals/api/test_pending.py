"""GET /hitl/patches/pending: order, filters, counts."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import Policy
from approvals.queries import queue
from approvals.services import policies, timers
from tests.cast import SYSTEM

pytestmark = pytest.mark.django_db
PENDING = "/hitl/patches/pending"


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["patch_id"] for row in answer.json()]


def test_a_row_has_every_field_of_the_contract(producer_api, make_patch):
    make_patch()
    [row] = producer_api.get(PENDING).json()
    assert list(row) == [
        "decision_id",
        "patch_id",
        "kind",
        "revision",
        "patch_sha256",
        "apv_id",
        "cve_id",
        "title",
        "package_name",
        "current_version",
        "target_version",
        "severity",
        "effective_severity",
        "priority",
        "ml_confidence",
        "ml_prediction",
        "wargaming_passed",
        "wargaming_verdict",
        "agreement",
        "created_at",
        "age_seconds",
        "sla_due_at",
        "sla_state",
        "approvals",
        "required_approvals",
        "escalation_level",
    ]


def test_the_total_is_counted_in_the_narrow_rows(producer_api, make_patch):
    make_patch()
    with CaptureQueriesContext(connection) as captured:
        assert producer_api.get(PENDING, cwe="CWE-79")["X-Total-Count"] == "0"
    [count] = [query["sql"] for query in captured.captured_queries if "LIMIT 1001" in query["sql"]]
    assert "approvals_patch" not in count  # among a million patches it would read decided ones first


def test_critical_comes_first_then_what_is_due_first(producer_api, make_patch):
    now = timezone.now()
    for patch_id, severity, minutes in [
        ("low", "low", 50),
        ("medium", "medium", 1),
        ("critical-new", "critical", 0),
        ("high", "high", 5),
        ("critical-old", "critical", 3),
        ("medium-old", "medium", 20),
    ]:
        make_patch(patch_id=patch_id, severity=severity, now=now - timedelta(minutes=minutes))
    order = ["critical-old", "critical-new", "high", "medium-old", "medium", "low"]
    assert ids(producer_api.get(PENDING)) == order
    assert ids(producer_api.get(PENDING, limit=2)) == order[:2]


def test_sorts(producer_api, make_patch):
    now = timezone.now()
    for patch_id, severity, minutes, confidence in [
        ("a", "low", 3, 0.9),
        ("b", "critical", 1, None),
        ("c", "medium", 2, 0.2),
    ]:
        ml = None if confidence is None else {"confidence": confidence, "prediction": True}
        make_patch(patch_id=patch_id, severity=severity, now=now - timedelta(minutes=minutes), ml_prediction=ml)
    assert ids(producer_api.get(PENDING, sort="priority")) == ["b", "c", "a"]
    assert ids(producer_api.get(PENDING, sort="age")) == ["a", "c", "b"]
    assert ids(producer_api.get(PENDING, sort="sla")) == ["b", "c", "a"]
    assert ids(producer_api.get(PENDING, sort="confidence")) == ["b", "c", "a"]
    assert producer_api.get(PENDING, sort="luck").status_code == 422


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"priority": "critical"}, {"b"}),
        ({"severity": "medium"}, {"a"}),
        ({"severity": "unknown"}, {"d"}),
        ({"cwe": "CWE-89"}, {"a"}),
        ({"cve": "CVE-2024-1111"}, {"a"}),
        ({"cve": "cve-2024-1111"}, {"a"}),
        ({"cve": "CVE-2024-1"}, set()),
        ({"package": "flask"}, {"a", "c", "d"}),
        ({"package": "fla"}, set()),
        ({"ecosystem": "npm"}, {"b"}),
        ({"language": "python"}, {"a"}),
        ({"confidence_min": "0.9"}, {"b"}),
        ({"confidence_max": "0.5"}, {"a"}),
        ({"confidence_min": "0"}, {"a", "b"}),
        ({"confidence_max": "1"}, {"a", "b"}),
        ({"confidence_min": "0.3", "confidence_max": "0.91"}, {"a", "b"}),
        ({"wargaming": "passed"}, {"a"}),
        ({"wargaming": "not_run"}, {"c", "d"}),
        ({"wargaming": "disagrees"}, {"b"}),
        ({"producer": "patchgen"}, {"a", "b", "c", "d"}),
        ({"producer": "nobody"}, set()),
        ({"policy": "low"}, {"c"}),
        ({"q": "injection"}, {"a"}),
        ({"q": "INJ bind"}, {"a"}),
        ({"q": "cve 2024 1111"}, {"a"}),
        ({"q": "flask nothing"}, set()),
        ({"priority": "medium", "package": "flask", "cwe": "CWE-89"}, {"a"}),
        ({}, {"a", "b", "c", "d"}),
    ],
)
def test_filters(producer_api, make_patch, filters, found):
    run = {"phase1_success": True, "phase2_success": True, "validation_passed": True}
    make_patch(
        patch_id="a",
        title="Bind the injection",
        cve_id="CVE-2024-1111",
        cwe_ids=["CWE-89", "CWE-20"],
        language="python",
        ml_prediction={"confidence": 0.4, "prediction": True},
        wargaming_result=run,
    )
    make_patch(
        patch_id="b",
        severity="critical",
        package_name="lodash",
        ecosystem="npm",
        ml_prediction={"confidence": 0.9, "prediction": True},
        wargaming_result={**run, "phase2_success": False},
    )
    make_patch(patch_id="c", severity="low")
    make_patch(patch_id="d", severity="unknown")
    answer = producer_api.get(PENDING, **filters)
    assert set(ids(answer)) == found
    assert answer["X-Total-Count"] == str(len(found))


def test_the_severity_filter_is_of_the_effective_one_which_the_row_shows(producer_api, make_patch):
    """A patch is as severe as the worst that waits or was decided for its CVE."""
    make_patch(patch_id="first", severity="critical", cve_id="CVE-2024-1")
    make_patch(patch_id="second", severity="low", cve_id="CVE-2024-1")
    found = producer_api.get(PENDING, severity="critical")
    assert set(ids(found)) == {"first", "second"}
    shown = {row["patch_id"]: (row["severity"], row["effective_severity"]) for row in found.json()}
    assert shown == {"first": ("critical", "critical"), "second": ("low", "critical")}
    assert ids(producer_api.get(PENDING, severity="low")) == []


def test_the_sla_filter_shows_what_the_row_says(producer_api, make_patch):
    now = timezone.now()
    for patch_id, severity, minutes in [
        ("ok", "medium", 1),
        ("warning", "medium", 13),
        ("breached", "medium", 16),
        ("none", "low", 60),
    ]:
        make_patch(patch_id=patch_id, severity=severity, now=now - timedelta(minutes=minutes))
    for state in ("ok", "warning", "breached", "none"):
        answer = producer_api.get(PENDING, sla=state)
        assert ids(answer) == [state]
        assert answer.json()[0]["sla_state"] == state


def test_an_sla_without_a_warning_is_breached_or_ok_but_not_both(producer_api, make_patch):
    medium = Policy.objects.get(name="medium")
    terms = policies.terms_of(medium.current) | {"sla_warn_seconds": None}
    policies.publish(medium, terms, actor=SYSTEM, now=timezone.now())
    make_patch(patch_id="late", now=timezone.now() - timedelta(hours=1))
    assert ids(producer_api.get(PENDING, sla="breached")) == ["late"]
    assert ids(producer_api.get(PENDING, sla="ok")) == []


def test_a_clock_that_never_ends_is_null(producer_api, make_patch):
    make_patch(severity="low")
    [row] = producer_api.get(PENDING).json()
    assert (row["sla_due_at"], row["sla_state"]) == (None, "none")


def test_escalated_shows_what_was_escalated(producer_api, make_patch):
    make_patch(patch_id="new")
    make_patch(patch_id="old", now=timezone.now() - timedelta(days=2))
    timers.escalate_due(timezone.now())
    assert ids(producer_api.get(PENDING, escalated="true")) == ["old"]
    assert set(ids(producer_api.get(PENDING, escalated="false"))) == {"new", "old"}


def test_mine_is_what_needs_my_approval(api_of, producer_api, make_patch, approve, alice, carol):
    make_patch(patch_id="open")
    make_patch(patch_id="own", submitted_by="ALICE@example.org")
    approve(make_patch(patch_id="reviewed", severity="critical"), alice)
    assert ids(api_of(alice).get(PENDING, mine="true")) == ["open"]
    assert ids(api_of(carol).get(PENDING, mine="true")) == []
    assert ids(producer_api.get(PENDING, mine="true")) == []


def test_a_misspelt_parameter_is_422_by_its_name(producer_api):
    answer = producer_api.get(PENDING, severty="critical", status="pending")
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [["query", "severty"], ["query", "status"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "x"),
        ("offset", "-1"),
        ("offset", "10001"),
        ("priority", "urgent"),
        ("severity", "bad"),
        ("confidence_min", "1.5"),
        ("confidence_min", "NaN"),
        ("wargaming", "maybe"),
        ("sla", "late"),
        ("mine", "perhaps"),
        ("q", "x" * 201),
    ],
)
def test_a_wrong_parameter_is_422_by_its_name(producer_api, name, value):
    answer = producer_api.get(PENDING, **{name: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", name]


def test_a_nul_in_a_parameter_is_422_by_its_name(producer_api):
    for name in ("cwe", "cve", "package", "ecosystem", "language", "producer", "policy", "q", "cursor"):
        answer = producer_api.client.get(f"{PENDING}?{name}=a%00b")
        assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
        assert answer.json()["errors"] == [{"loc": ["query", name], "msg": "contains a NUL character"}]


def test_the_count_is_exact_to_a_thousand(producer_api, make_patch, monkeypatch):
    monkeypatch.setattr(queue, "COUNT_LIMIT", 3)
    for number in range(4):
        make_patch()
        assert producer_api.get(PENDING)["X-Total-Count"] == ("3+" if number == 3 else str(number + 1))


def test_decided_patches_are_not_pending(producer_api, make_patch, approve, alice):
    approve(make_patch(), alice)
    answer = producer_api.get(PENDING)
    assert (answer.json(), answer["X-Total-Count"]) == ([], "0")


def test_a_hundred_rows_cost_no_more_queries_than_one(producer_api, make_patch, django_assert_max_num_queries):
    make_patch()
    with django_assert_max_num_queries(4):
        assert len(producer_api.get(PENDING).json()) == 1
    for _ in range(9):
        make_patch()
    with django_assert_max_num_queries(4):
        assert len(producer_api.get(PENDING).json()) == 10


def test_the_list_loads_no_diff_and_no_log(producer_api, make_patch, django_assert_max_num_queries):
    make_patch()
    for more in ({}, {"offset": 1}):
        with django_assert_max_num_queries(4) as queries:
            producer_api.get(PENDING, **more)
        asked = [query["sql"] for query in queries.captured_queries]
        assert not [sql for sql in asked if "patchcontent" in sql or "wargaming_log" in sql]
