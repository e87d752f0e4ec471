"""In the admin what adds deciders waits for a second person, the rest is saved, and the page says so."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import Policy, Proposal, User
from approvals.services import owners
from audit.models import Entry
from tests.cast import SYSTEM, republish
from tests.html import one_line

pytestmark = pytest.mark.django_db

GROUPS = "/admin/auth/group/"
WHY = "She has read along for a month."


def page_of(user):
    return f"/admin/approvals/user/{user.pk}/change/"


def group_page(name):
    return f"{GROUPS}{Group.objects.get(name=name).pk}/change/"


def ids(*names):
    return list(Group.objects.filter(name__in=names).values_list("pk", flat=True))


def permissions(*codenames):
    return list(Permission.objects.filter(codename__in=codenames).values_list("pk", flat=True))


def ids_of_permissions(group):
    return set(Group.objects.get(name=group).permissions.values_list("pk", flat=True))


def groups_of(user):
    return set(user.groups.values_list("name", flat=True))


def said(client, path="/admin/"):
    return one_line(client.get(path))


@pytest.fixture
def rita(hashed):
    """A second administrator."""
    return User.objects.create(
        username="rita", email="rita@example.org", password=hashed, is_staff=True, is_superuser=True
    )


def test_what_adds_a_decider_waits_and_the_rest_is_saved(admin_page, carol, entries, resend):
    changes = {"first_name": "Caroline", "groups": ids("viewer", "auditor", "reviewer"), "is_superuser": "on"}
    assert resend(admin_page, page_of(carol), **changes, reason=WHY).status_code == 302
    carol.refresh_from_db()
    assert (carol.first_name, groups_of(carol), carol.is_superuser) == ("Caroline", {"viewer", "auditor"}, False)
    page = said(admin_page)
    assert "waits on the Policies page for a second person" in page
    assert "They join reviewer, whose members may decide patches." in page
    assert "They become a superuser" in page
    (saved,) = entries("user.changed")
    assert saved["fields"] == ["first_name", "groups"]
    assert saved["new"]["groups"] == ["auditor", "viewer"]
    (made,) = entries("proposal.made")
    assert made["change"] == {"superuser": True, "groups": ["reviewer"]}
    assert made["person"] == f"user:{carol.pk}"
    assert b"month" not in bytes(Entry.objects.get(type="proposal.made").body)


def test_the_second_person_reads_it_on_the_policies_page_and_makes_it_so(
    admin_page, carol, rita, sign_in, entries, resend
):
    resend(admin_page, page_of(carol), groups=ids("viewer", "reviewer"), reason=WHY)
    mine = said(admin_page, "/policies")
    assert "Rights of carol: waits for a second person" in mine
    assert "You asked for this change, so a second person must agree to it." in mine
    assert "Agree, and make it so" not in mine
    second = sign_in(rita)
    theirs = said(second, "/policies")
    assert WHY in theirs
    assert '<th scope="row">Groups</th><td>viewer</td><td><strong>reviewer, viewer</strong></td>' in theirs
    answer = second.post(f"/policies/proposals/{Proposal.objects.get().pk}/agree", follow=True)
    assert "Rights of a person by root: applied." in answer.content.decode()
    assert groups_of(carol) == {"viewer", "reviewer"}
    assert "They join reviewer, whose members may decide patches." in said(second, "/audit/?action=proposal.applied")
    assert [entry["fields"] for entry in entries("user.changed")] == [["groups"]]
    assert len(entries("proposal.applied")) == 1


def test_who_gains_sees_why_they_may_not_agree(admin_page, lena, sign_in, resend):
    resend(admin_page, page_of(lena), is_superuser="on", reason=WHY)
    hers = sign_in(lena)
    assert "You would gain by this change" in said(hers, "/policies")
    hers.post(f"/policies/proposals/{Proposal.objects.get().pk}/agree")
    lena.refresh_from_db()
    assert not lena.is_superuser


def test_a_stranger_to_the_rules_sees_no_proposal(admin_page, carol, alice, sign_in, resend):
    resend(admin_page, page_of(carol), groups=ids("viewer", "reviewer"), reason=WHY)
    client = sign_in(alice)
    assert client.get("/policies").status_code == 403
    assert client.post(f"/policies/proposals/{Proposal.objects.get().pk}/agree").status_code == 403
    assert groups_of(carol) == {"viewer"}


def test_without_a_reason_nothing_is_saved_and_the_field_says_what_it_is_for(admin_page, carol, entries, resend):
    response = resend(admin_page, page_of(carol), first_name="Caroline", groups=ids("reviewer"))
    (sentence,) = response.context["adminform"].form.errors["reason"]
    assert sentence == "Say why: a reason is required. They join reviewer, whose members may decide patches."
    carol.refresh_from_db()
    assert carol.first_name == "Carol"
    assert entries() == []


def test_a_second_change_of_the_same_person_is_told_that_one_waits(admin_page, carol, entries, resend):
    resend(admin_page, page_of(carol), groups=ids("viewer", "reviewer"), reason=WHY)
    response = resend(admin_page, page_of(carol), groups=ids("viewer", "security-leads"), reason=WHY)
    assert "Another change of this waits for a second person." in response.content.decode()
    assert len(entries("proposal.")) == 1


def test_taking_rights_away_waits_for_nobody(admin_page, lena, alice, entries, resend):
    assert resend(admin_page, page_of(lena), groups=[]).status_code == 302
    assert resend(admin_page, page_of(alice), is_active=None).status_code == 302
    alice.refresh_from_db()
    assert (groups_of(lena), alice.is_active) == (set(), False)
    assert entries("proposal.") == []


def test_a_decider_who_is_switched_on_again_waits(admin_page, alice, rita, sign_in, resend):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    resend(admin_page, page_of(alice), is_active="on", reason=WHY)
    alice.refresh_from_db()
    assert not alice.is_active
    sign_in(rita).post(f"/policies/proposals/{Proposal.objects.get().pk}/agree")
    alice.refresh_from_db()
    assert alice.is_active


def test_an_entry_of_rights_that_only_wait_says_nothing_changed(admin_page, carol, entries, resend):
    resend(admin_page, page_of(carol), groups=ids("viewer", "reviewer"), reason=WHY)
    assert entries("user.changed") == []
    assert entries("proposal.made")


def test_a_groups_deciding_rights_wait_and_the_others_are_saved(admin_page, rita, sign_in, entries, resend):
    kept = list(Group.objects.get(name="viewer").permissions.values_list("pk", flat=True))
    wanted = [*kept, *permissions("view_diff", "review_decision", "lead_decision")]
    assert resend(admin_page, group_page("viewer"), permissions=wanted, reason=WHY).status_code == 302
    viewers = Group.objects.get(name="viewer")
    assert "Its members may decide patches. Its members may decide as security leads." in said(admin_page)
    (entry,) = entries("group.changed")
    assert set(entry["new"]["permissions"]) - set(entry["old"]["permissions"]) == {"approvals.view_diff"}
    second = sign_in(rita)
    page = said(second, "/policies")
    assert "Rights of the group viewer" in page
    assert "<td>none of this</td><td><strong>decide patches, decide as security leads</strong></td>" in page
    second.post(f"/policies/proposals/{Proposal.objects.get().pk}/agree")
    assert viewers.permissions.filter(codename="lead_decision").exists()
    assert len(entries("group.changed")) == 2


def test_a_new_group_starts_without_deciding_rights(admin_page, entries):
    asked = {"name": "night shift", "permissions": permissions("view_diff", "review_decision"), "reason": WHY}
    assert admin_page.post(f"{GROUPS}add/", asked).status_code == 302
    night = Group.objects.get(name="night shift")
    assert [permission.codename for permission in night.permissions.all()] == ["view_diff"]
    assert Proposal.objects.get().group == night
    (entry,) = entries("group.changed")
    assert entry["new"]["permissions"] == ["approvals.view_diff"]


def test_a_group_does_not_take_a_name_that_something_asks_for(admin_page, carol, entries, resend):
    ours = Group.objects.create(name="friends")
    Group.objects.create(name="night shift")
    republish(Policy.objects.get(name="high"), decider_groups=["night shift"])
    Group.objects.filter(name="night shift").delete()
    before = len(entries())
    response = resend(admin_page, group_page("friends"), name="night shift")
    assert response.context["adminform"].form.errors["name"]
    ours.refresh_from_db()
    assert (ours.name, len(entries())) == ("friends", before)


def test_a_group_that_decides_under_a_policy_keeps_its_name(admin_page, resend):
    Group.objects.create(name="night shift")
    republish(Policy.objects.get(name="high"), decider_groups=["night shift"])
    resend(admin_page, group_page("night shift"), name="friends")
    assert Group.objects.filter(name="night shift").exists()


def test_an_install_that_does_without_saves_at_once_and_asks_no_reason(admin_page, carol, entries, resend, settings):
    settings.SECOND_PERSON_REQUIRED = False
    assert "second person" not in said(admin_page, page_of(carol))
    assert resend(admin_page, page_of(carol), groups=ids("reviewer")).status_code == 302
    assert groups_of(carol) == {"reviewer"}
    assert (len(entries("user.changed")), entries("proposal.")) == (1, [])


def test_staff_who_only_read_see_no_reason_to_give(staff, carol):
    client = staff("uma", "view_user")
    assert "reason" not in said(client, page_of(carol))


def test_the_history_of_an_account_names_only_what_was_saved(admin_page, carol, resend):
    resend(admin_page, page_of(carol), last_name="Jones", groups=ids("viewer", "reviewer"), reason=WHY)
    history = said(admin_page, page_of(carol).replace("change", "history"))
    assert "Changed Last name." in history


def test_superusers_see_no_switch_that_only_leads_may_use(admin_page, lena, sign_in):
    assert "Stop automatic approval" not in said(admin_page, "/policies")
    assert "Stop automatic approval" in said(sign_in(lena), "/policies")


def test_the_policies_page_asks_no_more_for_ten_proposals_than_for_two(admin_page, root, lena, sign_in, resend):
    def propose(number):
        person = User.objects.create_user(f"person{number}", f"person{number}@example.org")
        night = Group.objects.create(name=f"night {number}")
        resend(admin_page, page_of(person), groups=ids("reviewer", "viewer"), reason=WHY)
        wanted = permissions("review_decision", "view_diff")
        resend(admin_page, group_page(night.name), permissions=wanted, reason=WHY)

    client, counted = sign_in(lena), []
    for numbers in (range(1), range(1, 5)):
        for number in numbers:
            propose(number)
        client.get("/policies")
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/policies").content.decode().count("Agree, and make it so") == 2 * (numbers[-1] + 1)
        counted.append(len(captured))
    assert counted[0] == counted[1]


def test_an_administrator_whose_account_is_held_changes_no_group(admin_page, root, resend):
    owners.hold(root, ["one-time link"], needs_lead=True, actor=SYSTEM, now=timezone.now())
    before = ids_of_permissions("reviewer")
    for page in (group_page("reviewer"), f"{GROUPS}add/"):
        assert admin_page.post(page, {"name": "reviewer", "permissions": []}).status_code == 403
    assert ids_of_permissions("reviewer") == before != set()
