"""The page of deployments and the rates of what was deployed."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from approvals.models import DeploymentResult, TokenKind
from approvals.policy.visible_fields import Reader
from approvals.queries.deployments import SHOWN, rates
from approvals.services import lifecycle
from approvals.services.deployments import Report, record_fetch, report_outcome
from approvals.services.dispatch import dispatch
from approvals.views.evidence import REPEATED_SHOWN, timeline
from tests.cast import SYSTEM, Api, actor_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployer(token_row, token_for):
    return token_row(token_for("deployer", "argo"))


@pytest.fixture
def approved(make_patch, approve, alice):
    """Return a function that makes a patch approved so many hours ago."""

    def make(title: str, hours: float = 0):
        at = timezone.now() - timedelta(hours=hours)
        return approve(make_patch(title=title, severity="low", now=at - timedelta(hours=1)), alice, now=at)

    return make


def report(decision, deployer, result="deployed", *, sha256="", at=None, now=None, note=""):
    now = now or timezone.now()
    said = Report(sha256 or decision.patch.sha256, DeploymentResult(result), at or now, note)
    return report_outcome(decision, said, token=deployer, actor=SYSTEM, now=now)


def words_of(answer):
    """Return what a reader of a page's main part reads, on one line."""
    main = answer.content.decode().split("<main", 1)[1].split("</main>", 1)[0]
    return " ".join(strip_tags(f"<main{main}").split())


def shown(client, show=""):
    return words_of(client.get("/deployments", {"show": show} if show else {}))


def test_what_waits_is_listed_longest_first_until_it_is_deployed(sign_in, carol, approved, deployer):
    client = sign_in(carol)
    for title, hours in (("Newer fix", 1), ("Older fix", 5)):
        approved(title, hours)
    page = shown(client)
    assert page.index("Older fix") < page.index("Newer fix")
    assert "Not fetched" in page
    assert "Not deployed 2" in page


def test_what_is_deployed_waits_no_longer_and_stands_among_the_reports(sign_in, carol, approved, deployer):
    decision = approved("The fix")
    report(decision, deployer)
    client = sign_in(carol)
    assert "The fix" not in shown(client)
    page = shown(client, "reported")
    assert "The fix" in page
    assert "argo" in page
    assert "Deployed and still there 100.0%" in page


def test_who_fetched_the_diff_is_named(sign_in, carol, approved, deployer):
    record_fetch(approved("The fix"), token=deployer, now=timezone.now())
    assert "Fetched by argo" in shown(sign_in(carol))


def test_never_fetched_is_what_no_deployer_took_notice_of_for_a_day(sign_in, carol, approved, deployer, token_for):
    fetched, acknowledged, tried, forgotten, new = (
        approved(title, hours)
        for title, hours in (("Fetched", 30), ("Acknowledged", 30), ("Tried", 30), ("Forgotten", 30), ("New", 2))
    )
    record_fetch(fetched, token=deployer, now=timezone.now())
    report(tried, deployer, "failed")
    while dispatch():
        pass
    position = acknowledged.feed.get().position
    secret = token_for("deployer", "flux")
    Api(secret).post(f"/hitl/decisions/{acknowledged.decision_id}/acknowledge", {"position": position})
    page = shown(sign_in(carol), "never-fetched")
    listed = [title for title in ("Fetched", "Acknowledged", "Tried", "Forgotten", "New") if f"{title} CVE" in page]
    assert listed == ["Forgotten"]
    assert "Never fetched 1" in page


def test_gates_and_old_approvals_wait_for_no_deployer(sign_in, carol, alice, approve, approved, make_gate, api_of):
    gate = make_gate(title="A gate")
    api_of(alice).post(f"/api/approvals/{gate.decision_id}/approve", {"digest": gate.patch.sha256})
    approved("An old fix", 31 * 24)
    page = shown(sign_in(carol))
    assert "No patch that was approved in the last 30 days waits" in page


def test_an_alarm_says_what_is_wrong(sign_in, carol, make_patch, deployer):
    report(make_patch(title="Nobody approved this"), deployer)
    page = shown(sign_in(carol), "alarms")
    assert "Deployed without approval Nobody approved this" in page
    assert "Alarms 1" in page


def test_words_of_a_deployer_are_for_who_may_read_reasons(sign_in, carol, alice, approved, deployer):
    report(approved("The fix"), deployer, "failed", note="Out of disk.")
    assert "Out of disk." in shown(sign_in(alice), "reported")
    assert "Out of disk." not in shown(sign_in(carol), "reported")


def test_lists_that_are_not_there_and_forged_cursors_lead_back(sign_in, carol):
    client = sign_in(carol)
    for query in ({"show": "nothing"}, {"cursor": "forged"}, {"show": "alarms", "cursor": "W10="}):
        answer = client.get("/deployments", query)
        assert (answer.status_code, answer["Location"]) == (302, "/deployments")


def test_a_longer_list_costs_no_more_queries(sign_in, carol, approved, deployer):
    client, counts = sign_in(carol), []
    for number in range(3):
        record_fetch(approved(f"Fix {number}"), token=deployer, now=timezone.now())
        report(approved(f"Deployed {number}"), deployer)
        for show in ("", "reported"):
            client.get("/deployments", {"show": show})
            with CaptureQueriesContext(connection) as captured:
                client.get("/deployments", {"show": show})
            counts.append(len(captured))
    assert counts[0:2] == counts[2:4] == counts[4:6]


def test_the_rates_say_how_well_approvals_went(approved, deployer, lena):
    assert rates(None, None).success is None
    at = timezone.now()
    good, bad, taken_back, never = (approved(name, 5) for name in ("Good", "Bad", "Taken back", "Never deployed"))
    report(good, deployer, at=good.created_at + timedelta(hours=2))
    report(bad, deployer, at=bad.created_at + timedelta(hours=4))
    report(bad, deployer, "rolled_back")
    report(taken_back, deployer, "deployed", at=taken_back.created_at + timedelta(hours=3))
    lifecycle.revoke(taken_back.decision_id, "It breaks.", user=lena, actor=actor_for(lena), now=timezone.now())
    found = rates(None, None)
    assert (found.outcomes, found.success, found.false_positives) == (3, 2 / 3, 2 / 3)
    assert found.mttr_seconds == pytest.approx(3 * 3600)
    assert rates(at + timedelta(hours=1), None).outcomes == 0
    assert never.outcomes.count() == 0


def test_an_alarm_is_no_outcome_of_an_approval(make_patch, deployer):
    report(make_patch(), deployer)
    assert rates(None, None).outcomes == 0


def test_what_failed_without_an_approval_is_no_false_positive(make_patch, deployer):
    report(make_patch(), deployer, "failed")
    assert rates(None, None).outcomes == 0


def test_the_api_summary_has_the_rates(api_of, carol, approved, deployer):
    report(approved("The fix"), deployer)
    numbers = api_of(carol).get("/hitl/analytics/summary").json()
    assert (numbers["patch_success_rate"], numbers["false_positive_rate"]) == (1, 0)
    assert numbers["mttr_seconds"] == pytest.approx(3600, abs=60)


def test_the_patch_page_tells_what_deployers_reported(sign_in, carol, approved, deployer):
    decision = approved("The fix")
    record_fetch(decision, token=deployer, now=timezone.now())
    report(decision, deployer)
    report(decision, deployer, sha256="0" * 64)
    page = words_of(sign_in(carol).get(f"/patches/{decision.decision_id}"))
    assert "argo fetched the diff" in page
    assert "argo deployed it" in page
    assert "Digest differs" in page


def test_tokens_of_other_kinds_fetch_for_no_deployment(approved, token_row, token_for):
    decision = approved("The fix")
    token = token_row(token_for("auditor", "audits"))
    assert token.kind == TokenKind.AUDITOR
    record_fetch(decision, token=token, now=timezone.now())
    assert not decision.fetches.exists()


def test_a_patch_page_has_the_newest_reports_and_keeps_the_steps_of_people(sign_in, carol, approved, deployer):
    decision, now = approved("Restarted every minute"), timezone.now()
    for number in range(SHOWN + 1):
        at = now - timedelta(minutes=SHOWN - number)
        report(decision, deployer, "failed", at=at, now=now, note=f"try {number}.")
    page = words_of(sign_in(carol).get(f"/patches/{decision.decision_id}"))
    assert page.count("argo failed to deploy it") == SHOWN
    assert f"Only the newest {SHOWN} reports" in page
    steps = [step.what for step in timeline(decision, Reader.LEAD)]
    assert steps.count("reported: failed") == REPEATED_SHOWN
    assert "approved this digest" in steps


# --- Filters, and the lists behind the numbers ------------------------------------------------------------------------


@pytest.fixture
def many(approve, make_patch, alice, bob, deployer):
    """Approvals that differ in what the filters tell apart, with a report and an alarm of each sort."""
    now = timezone.now()

    def make(title, hours=1, severity="low", **sent):
        at = now - timedelta(hours=hours)
        decision = make_patch(title=title, severity=severity, now=at - timedelta(hours=1), **sent)
        return approve(decision, alice, now=at)

    waiting = [
        make("Of flask", package_name="flask"),
        make("Of django", hours=50, package_name="django"),
        make("Of a repository", package_name="", repository="https://example.org/wigeon"),
        make("Of medium", severity="medium", package_name="other"),
    ]
    record_fetch(waiting[0], token=deployer, now=now)
    report(make("Failed", package_name="jinja"), deployer, "failed")
    report(make("Deployed", package_name="click"), deployer)
    report(make_patch(title="Never approved"), deployer)
    report(make("Tampered", package_name="rich"), deployer, sha256="0" * 64)


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ({"package": "flask"}, {"Of flask"}),
        ({"repository": "https://example.org/wigeon"}, {"Of a repository"}),
        ({"policy": "medium"}, {"Of medium"}),
        ({"age": "1d"}, {"Of django"}),
        ({"deployer": "argo"}, {"Of flask", "Failed", "Tampered"}),
        ({"deployer": "nobody"}, set()),
        ({"show": "alarms"}, {"Never approved", "Tampered"}),
        ({"show": "alarms", "alarm": "differs"}, {"Tampered"}),
        ({"show": "alarms", "package": "rich"}, {"Tampered"}),
        ({"show": "alarms", "age": "1h"}, set()),
        ({"show": "reported", "package": "jinja"}, {"Failed"}),
        ({"show": "outcomes"}, {"Failed", "Deployed"}),
        ({"show": "stands"}, {"Deployed"}),
        ({"show": "went-wrong"}, {"Failed"}),
        ({"show": "repaired"}, {"Deployed"}),
        ({"age": "forged", "package": "flask"}, {"Of flask"}),
    ],
)
def test_each_filter_narrows_each_list_and_its_number(sign_in, carol, many, query, listed):
    page = sign_in(carol).get("/deployments", query)
    rows = [decision for decision, *_ in page.context.get("waiting") or page.context.get("reports") or []]
    assert {row.patch.title for row in rows} == listed
    assert page.context["total"] == str(len(rows))


def test_each_number_leads_to_the_list_that_it_counts(sign_in, carol, many):
    client = sign_in(carol)
    page = client.get("/deployments")
    numbers = {tab["url"]: tab["count"] for tab in page.context["tabs"]}
    assert len(numbers) == 4
    assert {url: client.get(url).context["total"] for url in numbers} == numbers
    tiles = {tile["label"]: tile["url"] for tile in page.context["kpis"]}
    assert client.get(tiles["Patches reported lately"]).context["total"] == "2"
    for url in tiles.values():
        assert f'href="{url}"' in page.content.decode()
        assert 'aria-current="true"' in client.get(url).content.decode()


def test_tabs_keep_the_filters_but_the_kind_of_alarm(sign_in, carol, many):
    page = sign_in(carol).get("/deployments", {"show": "alarms", "alarm": "differs", "package": "rich"})
    urls = {tab["label"]: tab["url"] for tab in page.context["tabs"]}
    assert urls["Reported"] == "/deployments?package=rich&show=reported"
    assert "alarm=differs" in urls["Alarms"]


def test_everybody_who_approved_is_named(sign_in, carol, make_patch, approve, alice, lena):
    decision = approve(make_patch(severity="critical", title="By two"), alice)
    approve(decision, lena)
    assert "Alice, Lena" in shown(sign_in(carol))


def test_filtered_lists_are_paged_and_cost_no_more_queries(sign_in, carol, approved, monkeypatch, deployer):
    monkeypatch.setattr("approvals.views.deployments.PAGE", 2)
    client, counts = sign_in(carol), []
    for number in range(4):
        report(approved(f"Fix {number}"), deployer)
        report(approved(f"Bad {number}"), deployer, sha256="0" * 64)
        for show in ("alarms", "outcomes", ""):
            query = {"show": show, "policy": "low", "deployer": "argo"}
            client.get("/deployments", query)
            with CaptureQueriesContext(connection) as captured:
                page = client.get("/deployments", query)
            counts.append(len(captured))
    assert counts[3:6] == counts[6:9] == counts[9:12]
    assert page.context["next_url"].startswith("/deployments?show=&policy=low&deployer=argo&cursor=")
    assert len(client.get(page.context["next_url"]).context["waiting"]) == 2
