"""The Policies page: a lead writes a policy, sees what it would have done, publishes it with a second person."""

import re

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from approvals.models import KillSwitch, Policy, Producer, Proposal, Verdict
from approvals.policy import conditions
from approvals.queries import backtest as backtest_module
from approvals.queries.backtest import backtest
from approvals.services import killswitch, policies
from approvals.services.dispatch import dispatch
from approvals.telling.entries import tell
from approvals.views import policies as views
from notifications.models import Notice
from tests.cast import EVIDENCE, one_person_enough, trust
from tests.html import one_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def low(db):
    return Policy.objects.select_related("current").get(name="low")


@pytest.fixture
def luis(bob):
    """A second lead."""
    bob.groups.set(Group.objects.filter(name="security-leads"))
    return bob


def sent(policy, **changes):
    """Return what the form sends for a policy as it is, but for the changes."""
    terms = policies.terms_of(policy.current) | {"seen": policy.current.version, "escalation": "[]"}
    fields = {**policies.place_of(policy), **terms, "reminder_percents": "", "reason": "", "act": "publish", **changes}
    return {name: value for name, value in fields.items() if value is not None and value is not False}


def text(response):
    return one_line(response)


def test_who_reads_policies_and_who_changes_them(sign_in, alice, audrey, lena, low):
    assert sign_in(alice).get("/policies").status_code == 403
    auditor = sign_in(audrey)
    assert auditor.get("/policies").status_code == 200
    assert auditor.get(f"/policies/{low.pk}").status_code == 200
    assert auditor.get(f"/policies/{low.pk}/edit").status_code == 403
    assert sign_in(lena).get(f"/policies/{low.pk}/edit").status_code == 200


def test_the_list_says_what_covers_what_in_order(sign_in, lena):
    page = text(sign_in(lena).get("/policies"))
    names = ["critical-two-person", "high", "medium", "low", "default"]
    places = [page.index(f">{name}</a>") for name in names]
    assert places == sorted(places)
    assert "Shadow, at 0.95 or above" in page


def test_a_condition_is_added_without_writing_cel(sign_in, lena, low):
    adding = {"act": "add", "match": "true", "field": "ecosystem", "operator": "equals", "value": "npm"}
    page = text(sign_in(lena).post("/policies/new", sent(low, **adding)))
    assert "(ecosystem != null &amp;&amp; ecosystem == &quot;npm&quot;)" in page
    unnamed = sent(low, **adding, name="", required_approvals="")
    assert "This field is required" not in text(sign_in(lena).post("/policies/new", unnamed)), "nobody published yet"
    adding |= {"match": "kev || files > 3", "field": "severity", "operator": "in", "value": "low, medium"}
    page = text(sign_in(lena).post("/policies/new", sent(low, **adding)))
    assert "(kev || files &gt; 3) &amp;&amp; severity in [&quot;low&quot;, &quot;medium&quot;]" in page
    wrong = sign_in(lena).post("/policies/new", sent(low, **(adding | {"operator": "greaterThan"})))
    assert wrong.status_code == 422
    assert "severity is no number" in text(wrong)
    assert Policy.objects.count() == 5, "nothing is saved by adding"


def test_trying_needs_no_reason_and_publishing_what_loosens_does(sign_in, lena, low):
    client, path = sign_in(lena), f"/policies/{low.pk}/edit"
    tried = client.post(path, sent(low, act="try", auto_approval="enforce", reason=""))
    assert tried.status_code == 200
    assert "What it would have done" in text(tried)
    assert "This loosens the rules" in text(tried)
    refused = client.post(path, sent(low, act="publish", auto_approval="enforce", reason=""))
    assert refused.status_code == 422
    assert "Say why: a reason is required." in text(refused)


def test_it_says_what_it_would_have_done_before_it_is_saved(sign_in, lena, alice, low, producer, make_patch, approve):
    trust(producer)
    trusted = Producer.objects.get()
    approve(make_patch(by=trusted, **EVIDENCE), alice)
    approve(make_patch(by=trusted, title="A bad one", **EVIDENCE), alice, Verdict.REJECT)
    approve(make_patch(by=trusted, **(EVIDENCE | {"ml_prediction": None})), alice)
    client = sign_in(lena)
    tried = client.post(f"/policies/{low.pk}/edit", sent(low, act="try", auto_approval="enforce", reason="r"))
    page = text(tried)
    assert "patches that people decided it covers <strong>3</strong>" in page
    assert "it would have approved <strong>2</strong>" in page
    assert "otherwise on <strong>1</strong>" in page
    assert "A bad one" in page
    assert "This loosens the rules" in page
    low.refresh_from_db()
    assert low.current.version == 1
    assert "it would have approved <strong>2</strong>" in text(client.get(f"/policies/{low.pk}?try=1"))


def test_it_says_whom_it_would_tell_before_it_is_saved_and_publishing_tells_nobody(
    sign_in, lena, alice, bob, carol, low, make_patch
):
    for ecosystem in ("npm", "npm", "pypi"):
        make_patch(ecosystem=ecosystem)
    dispatch()
    while tell(timezone.now()):
        pass
    told = Notice.objects.count()
    client, path = sign_in(lena), f"/policies/{low.pk}/edit"
    only_npm = {"match": 'ecosystem == "npm"', "required_approvals": 1}
    page = text(client.post(path, sent(low, act="try", **only_npm)))
    assert "Of the <strong>3</strong> that wait now it covers <strong>2</strong>." in page
    assert "tells <strong>3</strong> people at first" in page
    assert "at most the <strong>3</strong> who may decide under it" in page
    assert "at most 10 messages of a kind in an hour" in page
    page = text(client.post(path, sent(low, act="try", **only_npm, decider_groups="security-leads")))
    assert "tells <strong>1</strong> person at first" in page
    page = text(client.post(path, sent(low, act="try", **only_npm, decider_groups="auditor")))
    assert "<strong>Nobody</strong> may decide under it" in page
    client.post(path, sent(low, act="publish", required_approvals=3, reason="More eyes."))
    low.refresh_from_db()
    assert low.current.version == 2
    dispatch()
    while tell(timezone.now()):
        pass
    assert Notice.objects.count() == told


def test_enforcing_takes_two_people_and_shows_what_changes(sign_in, lena, luis, low):
    mine, theirs = sign_in(lena), sign_in(luis)
    enforce = sent(low, auto_approval="enforce", reason="Forty approvals in a row.")
    page = text(mine.post(f"/policies/{low.pk}/edit", enforce, follow=True))
    assert "waits for a second person" in page
    assert "Agree, and make it so" not in page
    waiting = text(theirs.get("/policies"))
    assert "Forty approvals in a row." in waiting
    assert "<td>Shadow, at 0.95 or above</td>" in waiting
    theirs.post(f"/policies/proposals/{Proposal.objects.get().pk}/agree")
    low.refresh_from_db()
    assert (low.current.auto_approval, low.current.version) == ("enforce", 2)
    detail = text(mine.get(f"/policies/{low.pk}"))
    assert "<del>Shadow, at 0.95 or above</del>" in detail
    assert "<ins>Enforce, at 0.95 or above</ins>" in detail


def test_what_one_person_changed_while_it_counted_nothing_is_shown_before_it_counts(sign_in, lena, luis, low):
    mine, theirs = sign_in(lena), sign_in(luis)
    mine.post(f"/policies/{low.pk}/edit", sent(low, allowed_marks=["dependency-added"]))
    low.refresh_from_db()
    assert low.current.version == 2, "in shadow mode it approves nothing, so one person is enough"
    enforce = sent(low, auto_approval="enforce", allowed_marks=["dependency-added"], reason="Forty approvals in a row.")
    mine.post(f"/policies/{low.pk}/edit", enforce)
    asked = text(theirs.get("/policies")).split("waits for a second person", 1)[1].split("<blockquote")[0]
    assert "Marks that do not stop it" in asked


def test_a_loosening_without_a_reason_is_told_at_its_field(sign_in, lena, low):
    answer = sign_in(lena).post(f"/policies/{low.pk}/edit", sent(low, auto_approval="enforce"))
    assert answer.status_code == 422
    assert "This loosens the rules" in text(answer)
    assert not Proposal.objects.exists()


def test_a_new_policy_waits_switched_off(sign_in, lena, low):
    new = sent(low, name="npm", position=35, match="ecosystem == 'npm'", seen="", reason="Ours alone.")
    sign_in(lena).post("/policies/new", new)
    assert not Policy.objects.get(name="npm").enabled
    assert Proposal.objects.get().policy.name == "npm"


def test_one_lead_stops_automatic_approval_from_the_page(sign_in, lena, luis, alice):
    assert sign_in(alice).post("/policies/switch", {"to": "stop", "reason": "x"}).status_code == 403
    client = sign_in(lena)
    assert "a reason is required" in text(client.post("/policies/switch", {"to": "stop"}, follow=True))
    assert "Stopped by Lena" in text(
        client.post("/policies/switch", {"to": "stop", "reason": "Bad model."}, follow=True)
    )
    asked = text(client.post("/policies/switch", {"to": "start", "reason": "Fixed."}, follow=True))
    assert "Stopped by Lena" in asked
    sign_in(luis).post(f"/policies/proposals/{Proposal.objects.get().pk}/agree")
    assert not KillSwitch.objects.get().stopped


def test_a_condition_that_no_longer_evaluates_is_named(sign_in, lena, low):
    wanted = policies.terms_of(low.current) | {"match": "nonsense == 1"}
    broken = low.versions.create(
        version=2, sha256="0" * 64, created_by="x", created_at=timezone.now(), **policies.from_plain(wanted)
    )
    with one_person_enough():
        Policy.objects.filter(pk=low.pk).update(current=broken)
    assert "Its condition cannot be evaluated" in text(sign_in(lena).get(f"/policies/{low.pk}"))
    assert "cannot be evaluated, covers nothing" in text(sign_in(lena).get("/policies"))


def test_an_install_without_a_second_person_says_so_to_leads_and_auditors(sign_in, lena, audrey, settings):
    said = "This install loosens policies and adds deciders without a second person"
    assert said not in text(sign_in(audrey).get("/audit/"))
    settings.SECOND_PERSON_REQUIRED = False
    killswitch.keep_setting()
    for client, path in ((sign_in(lena), "/policies"), (sign_in(audrey), "/audit/"), (sign_in(audrey), "/policies")):
        assert said in text(client.get(path))


def test_history_is_judged_when_asked_and_not_when_the_page_is_opened(sign_in, lena, low, monkeypatch):
    asked = []
    monkeypatch.setattr(views, "backtest", lambda version: asked.append(version) or backtest(version))
    client, address = sign_in(lena), f"/policies/{low.pk}?from=1&to=1"
    page = text(client.get(address))
    assert "Try on history" in page
    assert "without a person; people approved" not in page
    assert asked == []
    link = re.search(r'href="([^"]*)#tried"', page)[1].replace("&amp;", "&")
    assert link == f"{address}&try=1"
    page = text(client.get(link))
    assert "Of the last <strong>0</strong> patches that people decided" in page
    assert "Try on history" not in page
    assert asked == [low.current]


def test_judging_history_ends_after_its_time_and_says_so(sign_in, lena, alice, low, make_patch, approve, monkeypatch):
    for number in range(3):
        approve(make_patch(severity="low", patch_id=f"P-{number}"), alice)
    address = f"/policies/{low.pk}?try=1"
    assert "were not looked at" not in text(sign_in(lena).get(address))
    monkeypatch.setattr(conditions, "holds", lambda *_: bool(sum(range(100_000))))
    monkeypatch.setattr(backtest_module, "MOST_SECONDS", 0.000_1)
    shown = text(sign_in(lena).get(address))
    assert "Of the last <strong>1</strong> patches" in shown
    assert "the older ones of the last 3 were not looked at" in shown


def test_publishing_judges_no_history_it_does_not_show(sign_in, lena, low, monkeypatch):
    asked = []
    monkeypatch.setattr(views, "backtest", lambda version: asked.append(version) or backtest(version))
    answer = sign_in(lena).post(f"/policies/{low.pk}/edit", sent(low, required_approvals=2))
    assert (answer.status_code, asked) == (302, [])
    low.refresh_from_db()
    answer = sign_in(lena).post(f"/policies/{low.pk}/edit", sent(low, required_approvals=3, act="try"))
    assert (answer.status_code, len(asked)) == (200, 1)
