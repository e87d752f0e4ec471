"""An emergency bypass ended, granted or judged at the moment it is used: one act wins, the other is told."""

from collections.abc import Callable
from functools import partial

import pytest
from django.utils import timezone

from approvals.errors import Conflict
from approvals.models import Bypass, Decision, Status
from approvals.services import bypasses
from approvals.services.bypasses import Target
from audit.models import Entry
from tests.cast import actor_for, opened

from .crowd import Member, Told, assert_settled, member
from .together import Handicap, after, at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("critical_anywhere")]

MakePatch = Callable[..., Decision]
ROUNDS = 15


def granted(target: Target, holder: Member, asker: Member, granter: Member) -> Bypass:
    now = timezone.now()
    asked = bypasses.ask(
        holder.user, target, 3600, "Exploited now.", user=asker.user, actor=actor_for(asker.user), now=now
    )
    return bypasses.grant(asked.pk, user=granter.user, actor=actor_for(granter.user), now=now)


def use(holder: Member, decision: Decision, bypass: Bypass) -> Told:
    form = {"verdict": "approve", "patch_sha256": decision.patch.sha256, "displayed": "page", "bypass": bypass.pk}
    answer = opened(holder.client, decision).post(f"/patches/{decision.decision_id}/decide", form)
    return Told(answer.status_code, "", answer.content.decode())


def end(lead: Member, bypass: Bypass) -> Told:
    answer = lead.client.post(f"/bypasses/{bypass.pk}/end")
    return Told(answer.status_code, "", "")


def test_ending_it_and_using_it_at_once(make_patch: MakePatch) -> None:
    alice, lena, luis = member("alice", "reviewer"), *[member(name, "security-leads") for name in ("lena", "luis")]
    race = Handicap()
    for _ in race.rounds(ROUNDS):
        decision = make_patch(severity="critical")
        bypass = granted(Target(decision.decision_id), alice, lena, luis)
        told, ended = at_once(
            after(race.of("approved"), partial(use, alice, decision, bypass)),
            after(race.of("pending"), partial(end, luis, bypass)),
        )
        row, bypass = Decision.objects.get(pk=decision.pk), Bypass.objects.get(pk=bypass.pk)
        race.won(row.status, "pending" if row.status == Status.APPROVED else "approved")
        assert (bypass.state, ended.code) == ("ended", 302), "ending always succeeds; a use before it stands"
        if row.status == Status.APPROVED:
            assert (told.code, row.bypass_id) == (302, bypass.pk)
        else:
            assert (told.code, row.status, row.bypass_id) == (403, Status.PENDING, None)
            assert "Your emergency bypass was ended at" in told.text
        order = list(Entry.objects.filter(object_type="bypass", object_id=bypass.pk).order_by("id"))
        expected = [
            "bypass.asked",
            "bypass.granted",
            *["bypass.used"] * (row.status == Status.APPROVED),
            "bypass.ended",
        ]
        assert [entry.type for entry in order] == expected
        assert_settled()


def test_two_patches_of_one_package_at_once(make_patch: MakePatch) -> None:
    alice, lena, luis = member("alice", "reviewer"), *[member(name, "security-leads") for name in ("lena", "luis")]
    bypass = granted(Target(package_name="flask"), alice, lena, luis)
    for _ in range(5):
        pair = [make_patch(severity="critical", package_name="flask") for _ in range(2)]
        told = at_once(*[partial(use, alice, decision, bypass) for decision in pair])
        assert [answer.code for answer in told] == [302, 302]
    assert Entry.objects.filter(type="bypass.used").count() == 10
    assert_settled()


def test_two_leads_judge_one_use_at_once(make_patch: MakePatch) -> None:
    alice, lena, luis = member("alice", "reviewer"), *[member(name, "security-leads") for name in ("lena", "luis")]
    for _ in range(5):
        decision = make_patch(severity="critical")
        use(alice, decision, granted(Target(decision.decision_id), alice, lena, luis))

        def judge(lead: Member, decision: Decision = decision) -> str:
            actor, now = actor_for(lead.user), timezone.now()
            try:
                bypasses.review(decision.decision_id, True, "Fine.", user=lead.user, actor=actor, now=now)
            except Conflict as error:
                return error.detail
            return "recorded"

        told = at_once(partial(judge, lena), partial(judge, luis))
        assert sorted(said == "recorded" for said in told) == [False, True]
        assert any("reviewed this use: justified" in said for said in told)
        assert_settled()
