"""Emergency bypasses: one asks, a second person grants, the holder approves alone for a time, somebody else reviews."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db import DatabaseError, transaction
from django.utils import timezone

from approvals.errors import Conflict, Invalid, NotAllowed, NotFound, StepUpRequired
from approvals.models import Bypass, BypassReview, Channel, Decision, Displayed, Policy, Review, Status, Text, Verdict
from approvals.services import bypasses, lifecycle, reviews
from approvals.services.bypasses import Target
from audit.models import Entry
from audit.queries import body_of
from audit.types import summary
from tests.cast import actor_for, republish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("critical_anywhere")]
WHY = "Exploited in the wild, nobody else awake."
HOUR = 3600


@pytest.fixture
def luis(bob):
    """A second lead."""
    bob.groups.set(Group.objects.filter(name="security-leads"))
    return bob


@pytest.fixture
def patch(make_patch):
    """A critical patch: two approvals, one of a lead."""
    return make_patch(severity="critical", submitted_by="carol@example.org", ecosystem="PyPI")


def acting(user: Any, now: Any = None) -> Any:
    return {"user": user, "actor": actor_for(user), "now": now or timezone.now()}


@pytest.fixture
def ask(lena, alice):
    """Return a function by which lena asks for alice."""

    def make(target: Any, *, holder: Any = alice, by: Any = lena, seconds: int = HOUR, reason: str = WHY) -> Bypass:
        named = Target(target.decision_id) if isinstance(target, Decision) else target
        return bypasses.ask(holder, named, seconds, reason, **acting(by))

    return make


@pytest.fixture
def granted(ask, luis):
    """Return a function that asks and lets luis grant."""

    def make(target: Any, **more: Any) -> Bypass:
        return bypasses.grant(ask(target, **more).pk, **acting(luis, more.get("now")))

    return make


def alone(decision, user, bypass, *, now=None, **more):
    now = now or timezone.now()
    reviews.open_page(decision.patch, user, now)
    seen = reviews.Seen(
        more.pop("sha256", decision.patch.sha256),
        more.pop("displayed", Displayed.PAGE),
        more.pop("channel", Channel.PAGE),
        authenticated_at=more.pop("authenticated_at", now),
        bypass=bypass.pk,
    )
    return reviews.review(
        decision.decision_id, Verdict.APPROVE, user=user, actor=actor_for(user), seen=seen, now=now, **more
    )


def types():
    return list(Entry.objects.filter(object_type="bypass").order_by("id").values_list("type", flat=True))


def untouched(decision):
    row = Decision.objects.get(pk=decision.pk)
    return (row.status, row.bypass_id, Review.objects.count()) == (Status.PENDING, None, 0)


def test_the_holder_approves_alone_and_the_record_says_so(patch, granted, alice):
    bypass = granted(patch)
    done = alone(patch, alice, bypass)
    row = Decision.objects.get(pk=patch.pk)
    assert (done.status, row.status, row.bypass, row.approvals) == ("approved", "approved", bypass, 1)
    assert row.cause.startswith(
        f"Alone, under emergency bypass {bypass.pk}: 1 of 2 approvals under critical-two-person"
    )
    assert types() == ["bypass.asked", "bypass.granted", "bypass.used"]
    ended = body_of(Entry.objects.get(type="decision.approved"))["data"]
    assert ended["bypass"] == bypass.pk
    assert ended["lacking"] == ["1 more approval, from security-leads"]
    used = body_of(Entry.objects.get(type="bypass.used"))["data"]
    assert (used["decision"], used["patch_sha256"]) == (str(patch.decision_id), patch.patch.sha256)


def test_the_log_says_for_whom_for_what_and_what_came_of_it(approved_alone, alice):
    lines = {entry.type: summary(entry.type, body_of(entry)["data"]) for entry in Entry.objects.all()}
    assert lines["bypass.asked"] == f"user:{alice.pk} for package flask, for 3,600 s"
    assert lines["bypass.granted"].startswith(f"user:{alice.pk} for package flask, until 20")
    used = f"approved {approved_alone.decision_id} alone, without 1 more approval, from security-leads"
    assert lines["bypass.used"] == used
    assert lines["bypass.reviewed"] == f"justified: {approved_alone.decision_id}"


def test_a_bypass_for_a_package_covers_its_patches_and_no_other(make_patch, granted, alice):
    bypass = granted(Target(ecosystem="PyPI", package_name="flask"))
    first, second = (make_patch(severity="critical", ecosystem="PyPI", package_name="flask") for _ in range(2))
    for decision in (first, second):
        assert alone(decision, alice, bypass).status == Status.APPROVED
    for other in ({"package_name": "flask-admin", "ecosystem": "PyPI"}, {"package_name": "flask", "ecosystem": "npm"}):
        decision = make_patch(severity="critical", **other)
        with pytest.raises(NotAllowed, match="names something else"):
            alone(decision, alice, bypass)
        assert Decision.objects.get(pk=decision.pk).status == Status.PENDING
    assert types().count("bypass.used") == 2


def test_a_new_revision_is_another_patch_to_it(make_patch, granted, alice):
    bypass = granted(make_patch(patch_id="P", severity="critical"))
    newer = make_patch(patch_id="P", severity="critical", title="Second try")
    with pytest.raises(NotAllowed, match="names something else"):
        alone(newer, alice, bypass)


def test_where_the_quorum_is_reached_anyway_it_is_not_used(patch, granted, alice, luis, approve):
    bypass = granted(patch)
    approve(patch, luis)
    assert alone(patch, alice, bypass).status == Status.APPROVED
    row = Decision.objects.get(pk=patch.pk)
    assert (row.bypass, row.approvals) == (None, 2)
    assert "bypass.used" not in types()


def test_an_approval_without_it_counts_as_ever(patch, granted, alice, approve):
    granted(patch)
    assert approve(patch, alice).status == Status.PENDING


def test_only_leads_ask_with_a_reason_for_somebody_who_reviews(patch, ask, alice, carol):
    with pytest.raises(NotAllowed, match="Only security leads"):
        ask(patch, by=alice)
    with pytest.raises(Invalid, match="Say why"):
        ask(patch, reason=" ")
    with pytest.raises(Invalid, match="does not review"):
        ask(patch, holder=carol)
    for target in (Target(), Target(patch.decision_id, package_name="flask")):
        with pytest.raises(Invalid, match="one patch or one package"):
            ask(target)
    assert not Bypass.objects.exists()


@pytest.mark.parametrize("seconds", [0, -1, 8 * HOUR + 1, 24 * HOUR])
def test_it_runs_for_8_hours_at_most(patch, ask, seconds):
    with pytest.raises(Invalid, match="8 hours"):
        ask(patch, seconds=seconds)


def test_the_same_is_asked_for_once(patch, ask):
    ask(patch)
    with pytest.raises(Conflict, match="waits for a second person"):
        ask(patch)


def test_a_decided_patch_needs_none(make_patch, ask, luis, approve):
    decision = make_patch()
    waiting = ask(decision)
    approve(decision, luis)
    with pytest.raises(Conflict, match="Approved by bob"):
        bypasses.grant(waiting.pk, **acting(luis))
    with pytest.raises(Conflict, match="Approved by"):
        ask(decision)


def test_who_asks_does_not_grant(patch, ask, lena, settings):
    settings.SECOND_PERSON_REQUIRED = False  # never waived for a bypass
    asked = ask(patch)
    with pytest.raises(NotAllowed, match="You asked for this"):
        bypasses.grant(asked.pk, **acting(lena))


def test_the_holder_does_not_grant(patch, ask, lena, luis):
    asked = ask(patch, holder=luis)
    with pytest.raises(NotAllowed, match="for you"):
        bypasses.grant(asked.pk, **acting(luis))


@pytest.mark.parametrize("whose", ["asker", "holder"])
def test_the_second_person_is_another_person_whatever_the_account(patch, ask, lena, luis, alice, whose):
    asked = ask(patch)
    known = {"asker": lena, "holder": alice}[whose]
    EmailAddress.objects.create(user=known, email=luis.email, verified=True)
    with pytest.raises(NotAllowed, match="must grant it"):
        bypasses.grant(asked.pk, **acting(luis))
    assert Bypass.objects.get().state == "asked"


def test_a_reviewer_grants_ends_refuses_and_reviews_nothing(patch, ask, granted, alice, make_patch):
    asked, running = ask(make_patch()), granted(patch)
    for act, bypass in ((bypasses.grant, asked), (bypasses.refuse, asked), (bypasses.end, running)):
        with pytest.raises(NotAllowed, match="Only security leads"):
            act(bypass.pk, **acting(alice))
    with pytest.raises(NotFound):
        bypasses.grant(0, **acting(alice))


def test_refused_or_withdrawn_it_is_never_granted(patch, ask, lena, luis):
    for who, state in ((luis, "refused"), (lena, "withdrawn")):
        asked = ask(patch)
        assert bypasses.refuse(asked.pk, **acting(who)).state == state
        with pytest.raises(Conflict, match=f"It was {state} by"):
            bypasses.grant(asked.pk, **acting(luis))
    assert types() == ["bypass.asked", "bypass.refused", "bypass.asked", "bypass.withdrawn"]


def test_not_yet_granted_it_is_worth_nothing(patch, ask, alice):
    with pytest.raises(NotAllowed, match="a second person must"):
        alone(patch, alice, ask(patch))
    assert untouched(patch)
    assert Entry.objects.filter(type="decision.refused").count() == 1


def test_its_time_runs_from_the_grant_and_ends_it(patch, granted, alice):
    bypass = granted(patch, seconds=2 * HOUR)
    assert bypass.ends_at - bypass.decided_at == timedelta(hours=2)
    with pytest.raises(NotAllowed, match="Your emergency bypass ended at"):
        alone(patch, alice, bypass, now=bypass.ends_at)
    assert untouched(patch)
    assert alone(patch, alice, bypass, now=bypass.ends_at - timedelta(seconds=1)).status == Status.APPROVED


def test_ended_early_it_is_over(patch, granted, alice, lena):
    bypass = granted(patch)
    bypasses.end(bypass.pk, **acting(lena))
    with pytest.raises(NotAllowed, match="was ended at"):
        alone(patch, alice, bypass)
    with pytest.raises(Conflict, match="does not run"):
        bypasses.end(bypass.pk, **acting(lena))
    assert untouched(patch)


def test_nobody_else_uses_it(patch, granted, luis):
    with pytest.raises(NotAllowed, match="You hold no such"):
        alone(patch, luis, granted(patch))
    assert untouched(patch)


@pytest.mark.parametrize(
    ("displayed", "channel"),
    [(Displayed.CARD, Channel.CARD), (Displayed.CARD, Channel.BULK), (Displayed.API, Channel.API)],
)
def test_off_the_page_it_is_refused(patch, granted, alice, displayed, channel):
    bypass = granted(patch)
    reviews.open_page(patch.patch, alice, timezone.now())
    with pytest.raises(NotAllowed, match=r"page only|never in bulk"):
        alone(patch, alice, bypass, displayed=displayed, channel=channel)
    assert untouched(patch)


def test_it_skips_no_other_rule(make_patch, granted, alice):
    own = make_patch(severity="critical", submitted_by="alice@example.org")
    with pytest.raises(NotAllowed, match="You submitted"):
        alone(own, alice, granted(own))
    other = make_patch(severity="critical")
    bypass = granted(other)
    with pytest.raises(Conflict, match="You decided on digest"):
        alone(other, alice, bypass, sha256="0" * 64)
    alice.groups.clear()
    with pytest.raises(NotAllowed, match="Only reviewers"):
        alone(other, alice, bypass)


def test_step_up_is_asked_all_the_same(make_patch, granted, alice):
    republish(Policy.objects.get(name="critical-two-person"), step_up=True)
    decision = make_patch(severity="critical")
    bypass = granted(decision)
    with pytest.raises(StepUpRequired):
        alone(decision, alice, bypass, authenticated_at=None)
    assert alone(decision, alice, bypass).status == Status.APPROVED


def test_a_use_is_reviewed_once_by_somebody_else(patch, granted, lena, luis, alice):
    bypass = granted(patch, holder=lena, by=alice_as_lead(alice))
    alone(patch, lena, bypass)
    judge = (patch.decision_id, True, "The exploit was public; the second lead was on a plane.")
    with pytest.raises(NotAllowed, match="You used this bypass"):
        bypasses.review(*judge, **acting(lena))
    EmailAddress.objects.create(user=lena, email=luis.email, verified=True)
    with pytest.raises(NotAllowed, match="You used this bypass"):
        bypasses.review(*judge, **acting(luis))
    with pytest.raises(Invalid, match="Say why"):
        bypasses.review(patch.decision_id, True, " ", **acting(alice))
    made = bypasses.review(*judge, **acting(alice))
    with pytest.raises(Conflict, match="reviewed this use: justified"):
        bypasses.review(*judge, **acting(alice))
    assert (made.justified, types()[-1]) == (True, "bypass.reviewed")


def alice_as_lead(alice):
    alice.groups.set(Group.objects.filter(name="security-leads"))
    return alice


def test_what_was_no_use_is_not_reviewed(make_patch, approve, lena, luis):
    decision = make_patch()
    approve(decision, lena)
    with pytest.raises(NotFound):
        bypasses.review(decision.decision_id, True, "Fine.", **acting(luis))


def test_what_was_approved_under_it_can_be_revoked(patch, granted, alice, lena):
    bypass = granted(patch)
    alone(patch, alice, bypass)
    lifecycle.revoke(patch.decision_id, "It broke sign-in.", **acting(lena))
    row = Decision.objects.get(pk=patch.pk)
    assert (row.status, row.bypass) == (Status.REVOKED, bypass)


def refused(act):
    with pytest.raises(DatabaseError) as error, transaction.atomic():
        act()
    cause: Any = error.value.__cause__
    return cause.diag.constraint_name or cause.sqlstate


def end_sql(decision, user, **more):
    """Approve by SQL, as the service would but for what is given."""
    now = more.pop("now", timezone.now())
    columns = {
        "status": "approved", "decided_by_kind": "human", "decided_by": user.username, "decided_by_user": user,
        "decided_at": now, "channel": "page", "cause": "x", "approvals": 1,
    }  # fmt: skip
    return Decision.objects.filter(pk=decision.pk).update(**(columns | more))


def test_the_database_refuses_fewer_approvals_than_asked_without_a_bypass(patch, alice):
    assert refused(lambda: end_sql(patch, alice)) == "decision_approved_by_enough"


def test_the_database_takes_only_a_running_bypass_of_who_approves(patch, make_patch, granted, ask, alice, luis):
    bypass, other = granted(patch), make_patch(severity="critical")
    asked = ask(other)
    assert refused(lambda: end_sql(patch, alice, bypass=bypass)) == "decision_bypass_runs", "without a review"
    for decision in (patch, other):
        for user in (alice, luis):
            Review.objects.create(
                decision=decision, reviewer=user, verdict="approve", patch_sha256=decision.patch.sha256,
                displayed="page", channel="page", authn="session", created_at=timezone.now(),
            )  # fmt: skip
    runs = "decision_bypass_runs"
    assert refused(lambda: end_sql(patch, luis, bypass=bypass)) == runs
    assert refused(lambda: end_sql(other, alice, bypass=bypass)) == runs
    assert refused(lambda: end_sql(other, alice, bypass=asked)) == runs
    assert refused(lambda: end_sql(patch, alice, bypass=bypass, now=bypass.ends_at)) == runs
    assert refused(lambda: end_sql(patch, alice, bypass=bypass, channel="api")) == runs
    assert refused(lambda: Decision.objects.filter(pk=patch.pk).update(bypass=bypass)) == runs
    assert end_sql(patch, alice, bypass=bypass) == 1
    assert refused(lambda: Decision.objects.filter(pk=patch.pk).update(bypass=None)) == runs


def test_the_database_keeps_what_was_asked_and_granted(patch, granted, ask, make_patch, lena, luis, alice):
    now, bypass, asked = timezone.now(), granted(patch), ask(make_patch())
    rows = Bypass.objects.filter(pk=bypass.pk)
    waiting = Bypass.objects.filter(pk=asked.pk)
    yes = {"state": "granted", "decided_by": luis, "decided_at": now, "ends_at": now + timedelta(hours=1)}
    assert refused(lambda: rows.update(holder=lena)) == "42501"
    assert refused(lambda: rows.update(ends_at=now + timedelta(hours=8))) == "42501"
    assert refused(lambda: rows.update(state="asked", decided_by=None, decided_at=None, ends_at=None)) == "42501"
    assert refused(rows.delete) == "42501"
    assert refused(lambda: rows.update(state="ended")) == "bypass_end_has_who_and_when"
    assert refused(lambda: waiting.update(seconds=60)) == "42501"
    assert refused(lambda: waiting.update(**yes | {"ends_at": now + timedelta(hours=8)})) == "bypass_time_as_asked"
    for who in (lena, alice):
        assert refused(lambda who=who: waiting.update(**yes | {"decided_by": who})) == "bypass_needs_a_second_person"
    text = Text.objects.create(body=WHY)
    born = {"holder": alice, "package_name": "flask", "reason": text, "asked_by": lena, "asked_at": now}
    assert refused(lambda: Bypass.objects.create(**born, seconds=9 * HOUR)) == "bypass_at_most_8_hours"
    assert refused(lambda: Bypass.objects.create(**born | yes, seconds=HOUR)) == "bypass_transition"
    both = born | {"decision": patch, "seconds": HOUR}
    assert refused(lambda: Bypass.objects.create(**both)) == "bypass_of_one_decision_or_package"


def test_the_database_keeps_a_judgement_and_lets_no_holder_give_it(patch, granted, alice, luis):
    alone(patch, alice, granted(patch))
    given = {"decision": patch, "justified": True, "note": Text.objects.create(body="x"), "reviewed_at": timezone.now()}
    own = refused(lambda: BypassReview.objects.create(**given, reviewed_by=alice))
    assert own == "bypass_reviewed_by_another"
    made = BypassReview.objects.create(**given, reviewed_by=luis)
    rows = BypassReview.objects.filter(pk=made.pk)
    assert refused(lambda: rows.update(justified=False)) == "42501"
    assert refused(rows.delete) == "42501"
