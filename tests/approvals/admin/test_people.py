"""Users and groups in the admin: every change one entry, nobody their own rights, nothing deleted."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from approvals.models import Policy, User
from approvals.policy.term_table import TERMS
from approvals.services import policies
from audit.models import Entry
from tests.cast import PASSWORD, SYSTEM

pytestmark = pytest.mark.django_db

USERS = "/admin/approvals/user/"
GROUPS = "/admin/auth/group/"
NEW = "quite another battery staple"


def page_of(user):
    return f"{USERS}{user.pk}/change/"


def group_page(name):
    return f"{GROUPS}{Group.objects.get(name=name).pk}/change/"


def ids(*names):
    return list(Group.objects.filter(name__in=names).values_list("pk", flat=True))


def new_user(**changes):
    fields = {"username": "dora", "email": "dora@example.org", "first_name": "Dora", "last_name": ""}
    return {**fields, **changes}


def test_adding_a_user_is_one_entry_and_leads_to_their_groups(admin_page, entries):
    response = admin_page.post(f"{USERS}add/", new_user())
    dora = User.objects.get(username="dora")
    assert response["Location"] == page_of(dora)
    assert not dora.has_usable_password()  # nobody but dora sets one
    (entry,) = entries("user.changed")
    assert entry["old"] is None
    assert entry["new"]["groups"] == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"username": "ALICE"}, "already exists"),
        ({"email": "Alice@Example.org"}, "E-mail in use."),
        ({"email": ""}, "required"),
    ],
)
def test_a_user_who_cannot_be_added_leaves_nothing(admin_page, alice, entries, changes, sentence):
    response = admin_page.post(f"{USERS}add/", new_user(**changes))
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert User.objects.count() == 2
    assert entries() == []


def test_putting_a_person_into_a_group_is_one_entry_with_old_and_new_groups(admin_page, alice, entries, resend):
    response = resend(admin_page, page_of(alice), groups=ids("reviewer", "auditor"))
    assert response.status_code == 302
    (entry,) = entries()
    assert entry["old"]["groups"] == ["reviewer"]
    assert entry["new"]["groups"] == ["auditor", "reviewer"]
    assert entry["fields"] == ["groups"]


def test_the_entry_names_the_administrator_and_holds_no_name_or_address(admin_page, root, alice, resend):
    resend(admin_page, page_of(alice), email="secret-address@example.org")
    entry = Entry.objects.get(type="user.changed")
    assert entry.actor_id == f"user:{root.pk}"
    assert entry.object_id == f"user:{alice.pk}"
    assert b'"fields":["email"]' in bytes(entry.body)
    assert b"example.org" not in bytes(entry.body)


def test_deactivating_a_person_is_an_entry_and_ends_their_session(admin_page, alice, sign_in, entries, resend):
    hers = sign_in(alice)
    assert hers.get("/").status_code == 200
    resend(admin_page, page_of(alice), is_active=None)
    (entry,) = entries()
    assert (entry["old"]["active"], entry["new"]["active"]) == (True, False)
    assert hers.get("/").status_code == 302


def test_saving_a_user_without_a_change_writes_no_entry(admin_page, alice, entries, resend):
    assert resend(admin_page, page_of(alice)).status_code == 302
    assert entries() == []


def test_another_spelling_of_somebodys_user_name_is_refused_at_its_field(admin_page, alice, bob, entries, resend):
    response = resend(admin_page, page_of(bob), username="Alice")
    assert response.context["adminform"].form.errors["username"]
    assert entries() == []


def test_the_password_page_of_nobody_is_a_404(admin_page):
    assert admin_page.post(f"{USERS}999999/password/", {}).status_code == 404


def test_single_permissions_are_not_offered(admin_page, alice):
    assert b"user_permissions" not in admin_page.get(page_of(alice)).content


def test_nobody_changes_their_own_groups_or_rights(admin_page, root, entries, resend):
    assert b"Nobody changes their own groups" in admin_page.get(page_of(root)).content
    resend(admin_page, page_of(root), first_name="Rita", groups=ids("security-leads"), is_active=None)
    mine = User.objects.get(pk=root.pk)
    assert (mine.first_name, mine.groups.count(), mine.is_active) == ("Rita", 0, True)
    (entry,) = entries()
    assert entry["fields"] == ["first_name"]
    assert {name for name in entry["new"] if entry["new"][name] != entry["old"][name]} == {"name"}


def test_nobody_makes_themself_or_another_a_superuser(staff, alice, entries, resend):
    client = staff("uma", "view_user", "change_user")
    uma = User.objects.get(username="uma")
    resend(client, page_of(uma), is_superuser="on")
    resend(client, page_of(alice), is_superuser="on")
    assert not User.objects.filter(is_superuser=True).exists()
    assert entries() == []


def test_only_a_superuser_changes_a_superuser(staff, root, entries):
    client = staff("uma", "view_user", "change_user")
    assert client.get(page_of(root)).status_code == 200
    assert client.post(page_of(root), {"username": "root"}).status_code == 403
    assert client.post(f"{USERS}{root.pk}/password/", {}).status_code == 403
    assert User.objects.get(pk=root.pk).check_password(PASSWORD)
    assert entries() == []


def test_staff_without_the_permission_change_no_user_and_no_group(staff, alice, entries):
    client = staff("pat", "view_user", groups=("policy-admin",))
    assert client.get(page_of(alice)).status_code == 200
    assert client.post(page_of(alice), {"username": "alice"}).status_code == 403
    assert client.post(f"{USERS}add/", new_user()).status_code == 403
    assert client.get(GROUPS).status_code == 403
    assert client.post(group_page("reviewer"), {"name": "reviewer"}).status_code == 403
    assert entries() == []


def test_a_groups_permissions_are_one_entry_with_old_and_new(admin_page, entries, resend):
    added = Permission.objects.get(codename="view_diff")
    kept = Group.objects.get(name="viewer").permissions.values_list("pk", flat=True)
    assert resend(admin_page, group_page("viewer"), permissions=[*kept, added.pk]).status_code == 302
    (entry,) = entries()
    assert "approvals.view_diff" not in entry["old"]["permissions"]
    assert set(entry["new"]["permissions"]) - set(entry["old"]["permissions"]) == {"approvals.view_diff"}


def test_adding_a_group_is_one_entry(admin_page, entries):
    admin_page.post(f"{GROUPS}add/", {"name": "night shift"})
    assert entries("group.changed") == [{"old": None, "new": {"name": "night shift", "permissions": []}}]


def test_saving_a_group_without_a_change_writes_no_entry(admin_page, entries, resend):
    assert resend(admin_page, group_page("viewer")).status_code == 302
    assert entries() == []


def test_a_shipped_group_keeps_its_name(admin_page, entries, resend):
    resend(admin_page, group_page("viewer"), name="friends")
    assert Group.objects.filter(name="viewer").exists()
    assert entries() == []


def test_a_group_that_a_policy_asks_for_keeps_its_name_and_another_does_not(admin_page, entries, resend):
    night = Group.objects.create(name="night shift")
    resend(admin_page, group_page("night shift"), name="day shift")
    night.refresh_from_db()
    assert (night.name, len(entries("group.changed"))) == ("day shift", 1)
    high = Policy.objects.get(name="high")
    terms = {name: getattr(high.current, name) for name in TERMS}
    policies.publish(high, {**terms, "required_groups": ["day shift"]}, actor=SYSTEM, now=timezone.now())
    resend(admin_page, group_page("day shift"), name="nobody")
    night.refresh_from_db()
    assert night.name == "day shift"


def test_nobody_changes_the_permissions_of_a_group_they_are_in(staff, entries, resend):
    client = staff("gus", "view_group", "change_group")
    own = Group.objects.get(name="what gus may")
    lead = Permission.objects.get(codename="lead_decision")
    resend(client, group_page(own.name), permissions=[lead.pk])
    assert lead not in own.permissions.all()
    assert entries() == []


def test_users_and_groups_are_never_deleted(admin_page, alice, entries):
    group = Group.objects.create(name="night shift")
    assert admin_page.post(f"{USERS}{alice.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_page.post(f"{GROUPS}{group.pk}/delete/", {"post": "yes"}).status_code == 403
    for page, pk in ((USERS, alice.pk), (GROUPS, group.pk)):
        admin_page.post(page, {"action": "delete_selected", "_selected_action": pk, "post": "yes"})
    assert User.objects.filter(pk=alice.pk).exists()
    assert Group.objects.filter(pk=group.pk).exists()
    assert entries() == []


@pytest.mark.parametrize("name", ["\u0430lice", "\u0251lice"])  # Cyrillic a, Latin alpha
def test_a_name_that_looks_like_somebody_elses_is_refused_at_its_field(admin_page, resend, alice, bob, name):
    made = admin_page.post(f"{USERS}add/", new_user(username=name))
    assert made.status_code == 200
    assert "username" in made.context["adminform"].form.errors
    renamed = resend(admin_page, f"{USERS}{bob.pk}/change/", username=name)
    assert "username" in renamed.context["adminform"].form.errors
    assert set(User.objects.values_list("username", flat=True)) == {"alice", "bob", "root"}


@pytest.mark.parametrize("name", ["ceo@example.org", "al@example.org", "was-alice", "alice.", "patchgen"])
def test_a_name_that_is_somebody_elses_address_or_was_theirs_is_refused_at_its_field(
    admin_page, resend, alice, bob, producer, name
):
    User.objects.filter(pk=alice.pk).update(former_names=["was-alice"])
    EmailAddress.objects.create(user=alice, email="al@example.org", verified=True)
    made = admin_page.post(f"{USERS}add/", new_user(username=name))
    assert "username" in made.context["adminform"].form.errors
    renamed = resend(admin_page, f"{USERS}{bob.pk}/change/", username=name)
    assert "username" in renamed.context["adminform"].form.errors
    assert set(User.objects.values_list("username", flat=True)) == {"alice", "bob", "root"}


def test_an_accounts_own_address_may_be_its_name(admin_page):
    assert admin_page.post(f"{USERS}add/", new_user(username="Dora@example.org")).status_code == 302


def test_who_has_such_a_name_already_keeps_it(admin_page, resend, alice):
    other = User.objects.create_user("\u0430lice", "other@example.org")
    assert resend(admin_page, f"{USERS}{other.pk}/change/", first_name="Olga").status_code == 302
    assert User.objects.get(pk=other.pk).first_name == "Olga"
