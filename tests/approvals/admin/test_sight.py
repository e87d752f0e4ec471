"""The administration shows each person what pages show them: no field, filter or address tells more."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from approvals.admin.kinds import Record
from approvals.models import Comment, Decision, Patch, Review, Revocation, User, Verdict
from approvals.policy.visible_fields import VISIBLE, Reader, sees
from approvals.services import lifecycle, reviews
from tests.cast import PASSWORD, actor_for

PAGES = [admin.site.get_model_admin(model) for model in apps.get_models() if admin.site.is_registered(model)]
RECORDS = [page for page in PAGES if isinstance(page, Record)]

pytestmark = pytest.mark.django_db

BIRDS = {
    "manual_review_reason": "goshawk",
    "log": "lapwing",
    "review": "linnet",
    "comment": "redpoll",
    "revoked": "brent",
}


@pytest.fixture
def pages(make_patch, approve, alice, lena):
    """The pages on which the words of people and the log of the run would stand."""
    run = {"phase1_success": True, "phase2_success": True, "validation_passed": True, "log": "lapwing"}
    one = make_patch(patch_id="P-1", requires_manual_review=True, manual_review_reason="goshawk", wargaming_result=run)
    reviews.comment(one.decision_id, "redpoll", user=alice, actor=actor_for(alice), now=timezone.now())
    approve(one, alice, Verdict.REJECT, text="linnet", category="incomplete")
    two = approve(make_patch(patch_id="P-2"), alice)
    lifecycle.revoke(two.decision_id, "brent", user=lena, actor=actor_for(lena), now=timezone.now())
    rows = [Patch.objects.get(patch_id="P-1"), Decision.objects.get(pk=one.pk), *Review.objects.all()]
    rows += [*Comment.objects.all(), *Revocation.objects.all()]
    return [f"/admin/approvals/{row._meta.model_name}/{row.pk}/change/" for row in rows]


@pytest.fixture
def staff(sign_in):
    """Return a function that signs in somebody of the administration who is in these groups besides."""

    def make(*groups, superuser=False):
        user = User.objects.create_user("stan", "stan@example.org", PASSWORD, is_staff=True, is_superuser=superuser)
        user.groups.set(Group.objects.filter(name__in=groups))
        user.user_permissions.set(Permission.objects.filter(codename__startswith="view_").exclude(codename="view_diff"))
        return sign_in(user)

    return make


def read(client, pages):
    return "".join(client.get(page).content.decode() for page in pages)


@pytest.mark.parametrize("superuser", [True, False])
def test_who_may_not_read_words_on_pages_reads_none_here(pages, staff, superuser):
    client = staff("viewer", superuser=superuser)
    assert all(client.get(page).status_code == 200 for page in pages)
    met = read(client, pages)
    assert [bird for bird in BIRDS.values() if bird in met] == []
    assert "P-1" in met
    lists = {page.split("/")[3] for page in pages}
    assert [
        bird for bird in BIRDS.values() if bird in read(client, [f"/admin/approvals/{one}/" for one in lists])
    ] == []


@pytest.mark.parametrize("group", ["auditor", "reviewer", "security-leads"])
def test_who_reads_them_on_pages_reads_them_here(pages, staff, group):
    met = read(staff(group), pages)
    assert [bird for bird in BIRDS.values() if bird not in met] == []


@pytest.mark.parametrize(
    ("model", "filters"),
    [
        ("patch", "wargaming_log__startswith=lap"),
        ("patch", "manual_review_reason=goshawk"),
        ("patch", "manual_review_reason__startswith=gos"),
        ("decision", "patch__manual_review_reason__startswith=gos"),
        ("decision", "reason__body__startswith=lin"),
        ("decision", "reason=1"),
        ("review", "text__body__startswith=lin"),
        ("comment", "text__body__startswith=red"),
        ("revocation", "reason__body__startswith=bre"),
    ],
)
def test_no_address_filters_by_what_its_caller_may_not_see(pages, staff, model, filters):
    answer = staff("viewer", superuser=True).get(f"/admin/approvals/{model}/?{filters}")
    assert answer.status_code == 400, "Django answers a filter that is not allowed as a bad request"


def test_no_order_of_a_list_compares_it_either(pages, staff):
    client = staff("viewer", superuser=True)
    for page in RECORDS:
        request = client.get(f"/admin/{page.model._meta.app_label}/{page.model._meta.model_name}/").wsgi_request
        for name in (*page.get_list_display(request), *page.get_list_filter(request), *page.get_sortable_by(request)):
            field = page.sight.get(name) if isinstance(name, str) else None
            assert field is None or sees(Reader.VIEWER, field), (page, name)


def test_what_is_named_is_in_the_table():
    for page in RECORDS:
        assert set(page.sight.values()) <= set(VISIBLE), page
