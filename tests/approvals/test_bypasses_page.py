"""Emergency bypasses on the pages: asking, granting, the holder's tick on the patch page, reviewing; without script."""

import re

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import Bypass, BypassReview, Decision, Policy, Status
from approvals.services import bypasses
from approvals.services.bypasses import Target
from approvals.services.dispatch import dispatch
from tests.cast import PASSWORD, Api, actor_for, opened, proved, republish
from tests.html import one_line

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("critical_anywhere")]
WHY = "Exploited <b>now</b>, the other lead is on a plane."
TICK = 'name="bypass"'


@pytest.fixture
def luis(bob):
    """A second lead."""
    bob.groups.set(Group.objects.filter(name="security-leads"))
    return bob


@pytest.fixture
def patch(make_patch):
    return make_patch(severity="critical", package_name="flask", ecosystem="PyPI")


@pytest.fixture
def granted(lena, luis, alice):
    """Return a function that lets alice hold a bypass."""

    def make(target: Target, holder=alice) -> Bypass:
        now = timezone.now()
        asked = bypasses.ask(holder, target, 3600, WHY, user=lena, actor=actor_for(lena), now=now)
        return bypasses.grant(asked.pk, user=luis, actor=actor_for(luis), now=now)

    return make


def text(response):
    return one_line(response)


def page(client, decision):
    return text(client.get(f"/patches/{decision.decision_id}"))


def form_for(patch, who, **changes):
    asked = {"holder": who.pk, "target": "patch", "decision": patch.decision_id, "seconds": 3600, "reason": WHY}
    return asked | changes


def decide(client, decision, **more):
    sent = {"verdict": "approve", "patch_sha256": decision.patch.sha256, "displayed": "page", **more}
    return opened(client, decision).post(f"/patches/{decision.decision_id}/decide", sent)


def test_from_the_patch_to_the_review_with_forms_alone(sign_in, patch, lena, luis, alice):
    asking, agreeing, holding = sign_in(lena), sign_in(luis), sign_in(alice)
    link = f"/bypasses?decision={patch.decision_id}"
    assert f'href="{link}#ask"' in page(asking, patch)
    form = text(asking.get(link))
    assert f'value="{patch.decision_id}"' in form
    assert 'value="flask"' in form
    assert re.search(r'<option value="3600"[^>]*>1 hour</option>', form)
    assert TICK not in page(holding, patch)

    assert asking.post("/bypasses", form_for(patch, alice)).status_code == 302
    bypass = Bypass.objects.get()
    waiting = text(asking.get("/bypasses"))
    assert "You asked for this, so somebody else must grant it." in waiting
    assert f"/bypasses/{bypass.pk}/grant" not in waiting
    assert "Exploited &lt;b&gt;now&lt;/b&gt;" in waiting
    assert TICK not in page(holding, patch)

    assert f"/bypasses/{bypass.pk}/grant" in text(agreeing.get("/bypasses"))
    assert ": granted until " in text(agreeing.post(f"/bypasses/{bypass.pk}/grant", follow=True))
    assert TICK not in page(agreeing, patch), "only the holder has it"
    shown = page(holding, patch)
    assert re.search(r"Approve alone under the emergency bypass until \d\d:\d\d UTC", shown)
    assert "Granted by Bob" in shown

    said = text(holding.get(decide(holding, patch, bypass=bypass.pk)["Location"]))
    assert f"Approved alone under emergency bypass {bypass.pk}" in said
    assert Decision.objects.get(pk=patch.pk).bypass == bypass
    assert "approved alone" in page(holding, patch)
    assert "Alone, under emergency bypass" in page(holding, patch)
    assert "to be reviewed" in page(holding, patch)
    assert "Approved alone under an emergency bypass" in text(holding.get("/history"))

    judge = f"/bypasses/uses/{patch.decision_id}"
    assert judge in text(agreeing.get("/bypasses"))
    empty = agreeing.post(judge, {"note": "Not typed for nothing."})
    assert empty.status_code == 422
    assert "Choose what you judge." in text(empty)
    assert "Not typed for nothing." in text(empty)
    done = agreeing.post(judge, {"justified": "no", "note": "There was time to wake somebody."}, follow=True)
    assert "No use waits for a review." in text(done)
    assert not BypassReview.objects.get().justified
    assert "There was time to wake somebody." in page(holding, patch)
    assert "not justified, says Bob" in page(holding, patch)


def test_deployers_hear_of_it(sign_in, patch, make_patch, approve, granted, alice, bob, deployer_api):
    bypass = granted(Target(patch.decision_id))
    decide(sign_in(alice), patch, bypass=bypass.pk)
    approve(make_patch(), bob)
    dispatch()
    items = deployer_api.get("/hitl/decisions?after=0").json()
    assert {item["patch_id"]: item["bypass"] for item in items} == {patch.patch.patch_id: True, "PATCH-0002": False}


def test_the_audit_log_leads_to_it(sign_in, patch, granted, audrey):
    bypass, client = granted(Target(patch.decision_id)), sign_in(audrey)
    link = f'href="/bypasses#bypass-{bypass.pk}"'
    listed = client.get("/audit/entries?action=bypass.granted")
    assert link in text(listed)
    (entry,) = listed.context["entries"]
    assert link in text(client.get(f"/audit/entries/{entry['uuid']}"))
    assert f'id="bypass-{bypass.pk}"' in text(client.get("/bypasses"))


def test_a_reviewer_has_neither_the_page_nor_its_forms(sign_in, patch, granted, alice):
    bypass, client = granted(Target(patch.decision_id)), sign_in(alice)
    assert client.get("/bypasses").status_code == 403
    for address in ("/bypasses", f"/bypasses/{bypass.pk}/end", f"/bypasses/uses/{patch.decision_id}"):
        assert client.post(address, {}).status_code == 403
    assert "Ask for an emergency bypass" not in page(client, patch)
    assert "Emergency bypasses" not in page(client, patch)
    bypass.refresh_from_db()
    assert bypass.state == "granted"


def test_an_auditor_reads_and_does_nothing(sign_in, patch, granted, audrey):
    bypass, client = granted(Target(patch.decision_id)), sign_in(audrey)
    shown = text(client.get("/bypasses"))
    assert f"Emergency bypass {bypass.pk}" in shown
    assert "End it now" not in shown
    assert 'id="ask"' not in shown
    client.post(f"/bypasses/{bypass.pk}/end")
    bypass.refresh_from_db()
    assert bypass.state == "granted"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reason": ""}, "Say why."),
        ({"holder": ""}, "Choose who may approve alone."),
        ({"decision": ""}, "Name the patch."),
        ({"decision": "nonsense"}, "valid UUID"),
        ({"target": "package"}, "Name the package."),
        ({"seconds": 9 * 3600}, "not one of the available choices"),
        ({"decision": "0193a000-0000-7000-8000-000000000000"}, "There is no such decision."),
    ],
)
def test_what_is_wrong_is_said_at_the_form_and_nothing_is_asked(sign_in, patch, lena, alice, changes, words):
    answer = sign_in(lena).post("/bypasses", form_for(patch, alice, **changes))
    assert answer.status_code in {404, 422}
    assert words in text(answer)
    assert not Bypass.objects.exists()


def test_a_package_is_asked_for_by_its_name(sign_in, patch, lena, alice):
    sent = form_for(patch, alice, target="package", ecosystem="PyPI", package="flask", seconds=8 * 3600)
    sign_in(lena).post("/bypasses", sent)
    bypass = Bypass.objects.get()
    assert (bypass.decision, bypass.ecosystem, bypass.package_name, bypass.seconds) == (None, "PyPI", "flask", 28_800)
    assert "every patch of" in text(sign_in(lena).get("/bypasses"))


def test_refused_withdrawn_and_ended_ones_are_past(sign_in, patch, make_patch, granted, lena, luis, alice):
    running = granted(Target(patch.decision_id))
    client, other = sign_in(lena), sign_in(luis)
    for answerer in (client, other):
        client.post("/bypasses", form_for(patch, alice))
        answerer.post(f"/bypasses/{Bypass.objects.get(state='asked').pk}/refuse")
    client.post(f"/bypasses/{running.pk}/end")
    shown = text(client.get("/bypasses"))
    for state in ("withdrawn", "refused", "ended early"):
        assert f", Alice: {state}" in shown
    assert "does not run" in text(client.post(f"/bypasses/{running.pk}/end", follow=True))
    assert TICK not in page(sign_in(alice), patch)


def test_a_lead_who_stands_behind_the_patch_does_not_grant_it(sign_in, make_patch, granted, lena, luis, alice):
    own = make_patch(severity="critical", submitted_by=luis.email, ecosystem="PyPI", package_name="flask")
    sign_in(lena).post("/bypasses", form_for(own, alice))
    answer = sign_in(luis).post(f"/bypasses/{Bypass.objects.get().pk}/grant", follow=True)
    assert "You submitted this patch, so another lead must grant this bypass." in text(answer)
    assert Bypass.objects.get().state == "asked"
    of_the_package = granted(Target(ecosystem="PyPI", package_name="flask"))
    assert "who granted this bypass, submitted this patch" in text(
        decide(sign_in(alice), own, bypass=of_the_package.pk)
    )
    assert Decision.objects.get(pk=own.pk).status == Status.PENDING


def test_what_is_not_there_is_not_found(sign_in, patch, lena):
    client = sign_in(lena)
    assert client.post("/bypasses/999/grant").status_code == 404
    assert client.post("/bypasses/999/explode").status_code == 404
    assert client.post(f"/bypasses/uses/{patch.decision_id}", {"justified": "yes", "note": "x"}).status_code == 404
    assert client.get("/bypasses/999/grant").status_code == 405
    assert client.get("/bypasses?decision=nonsense").status_code == 200


def test_a_bypass_over_meanwhile_is_told_and_the_words_are_kept(sign_in, patch, granted, lena, alice):
    bypass, client = granted(Target(patch.decision_id)), sign_in(alice)
    bypasses.end(bypass.pk, user=lena, actor=actor_for(lena), now=timezone.now())
    answer = decide(client, patch, bypass=bypass.pk, text="Read every line.")
    assert answer.status_code == 403
    assert "Your emergency bypass was ended at" in text(answer)
    assert "Read every line." in text(answer)
    assert TICK not in text(answer)
    assert Decision.objects.get(pk=patch.pk).status == Status.PENDING


def test_where_one_approval_is_all_that_is_asked_there_is_no_tick(sign_in, make_patch, granted, alice):
    decision = make_patch(severity="medium")
    granted(Target(decision.decision_id))
    assert TICK not in page(sign_in(alice), decision)


def test_where_the_approval_completes_the_quorum_there_is_no_tick(sign_in, patch, granted, alice, luis, approve):
    granted(Target(patch.decision_id))
    assert TICK in page(sign_in(alice), patch)
    approve(patch, luis)
    assert TICK not in page(sign_in(alice), patch)


def test_whoever_approved_before_reads_what_to_do(sign_in, patch, granted, alice, approve):
    approve(patch, alice)
    granted(Target(patch.decision_id))
    assert "To approve alone under it, withdraw your review first" in page(sign_in(alice), patch)


def test_step_up_comes_between_and_keeps_the_tick(sign_in, make_patch, granted, alice):
    republish(Policy.objects.get(name="critical-two-person"), step_up=True)
    decision = make_patch(severity="critical")
    bypass, client = granted(Target(decision.decision_id)), proved(sign_in(alice), minutes_ago=6)
    ticked = TICK + r"[^>]* checked"
    asked = decide(client, decision, bypass=bypass.pk)
    assert asked.status_code == 403
    assert re.search(ticked, text(asked))
    assert Decision.objects.get(pk=decision.pk).status == Status.PENDING
    client.post(f"/patches/{decision.decision_id}/confirm", {"bypass": bypass.pk})
    assert re.search(ticked, page(client, decision)), "lost on the way to another proof"
    decide(client, decision, bypass=bypass.pk, password=PASSWORD)
    assert Decision.objects.get(pk=decision.pk).bypass == bypass


def test_a_gates_page_has_it_too(sign_in, make_gate, granted, alice):
    decision = make_gate()
    Decision.objects.filter(pk=decision.pk).update(required_approvals=2)
    bypass, client = granted(Target(decision.decision_id)), sign_in(alice)
    assert TICK in page(client, decision)
    decide(client, decision, bypass=bypass.pk)
    assert Decision.objects.get(pk=decision.pk).status == Status.APPROVED
    assert Api(user=alice).get(f"/api/approvals/{decision.decision_id}").json()["bypass"] is True


def test_a_card_has_no_tick(sign_in, patch, granted, alice):
    granted(Target(patch.decision_id))
    client = sign_in(alice)
    page(client, patch)
    assert TICK not in text(client.get(f"/patches/{patch.decision_id}/approve"))


def test_the_api_says_so_and_takes_none(patch, granted, sign_in, alice, deployer_api):
    bypass = granted(Target(patch.decision_id))
    named = {"decision_id": str(patch.decision_id), "patch_sha256": patch.patch.sha256, "bypass": bypass.pk}
    assert Api(user=alice).post(f"/hitl/patches/{patch.patch.patch_id}/approve", named).status_code == 422
    assert deployer_api.get(f"/hitl/decisions/{patch.decision_id}").json()["bypass"] is False
    decide(sign_in(alice), patch, bypass=bypass.pk)
    assert deployer_api.get(f"/hitl/decisions/{patch.decision_id}").json()["bypass"] is True


def test_leads_read_how_many_uses_are_to_be_reviewed(sign_in, patch, granted, lena, alice, carol):
    client = sign_in(lena)
    marked = '1<span class="visually-hidden"> to be reviewed</span>'
    assert marked not in text(client.get("/policies"))
    decide(sign_in(alice), patch, bypass=granted(Target(patch.decision_id)).pk)
    assert text(client.get("/policies")).count(marked) == 2, "in the account menu and at the link"
    assert marked not in text(sign_in(carol).get("/"))


def test_only_leads_pages_count_them(sign_in, lena, alice):
    asked = {}
    for user in (lena, alice):
        client = sign_in(user)
        with CaptureQueriesContext(connection) as captured:
            client.get("/history")
        asked[user] = sum("bypassreview" in query["sql"] for query in captured.captured_queries)
    assert asked == {lena: 1, alice: 0}


def test_a_patch_that_asks_for_one_person_asks_for_no_bypass(sign_in, make_patch, alice):
    client = sign_in(alice)
    for severity, expected in (("medium", 0), ("critical", 1)):
        decision = make_patch(severity=severity)
        with CaptureQueriesContext(connection) as captured:
            page(client, decision)
        assert sum('FROM "approvals_bypass"' in query["sql"] for query in captured.captured_queries) == expected
