"""What somebody may see came with their account: no page asks for it again."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.models import User
from approvals.queries.people import signed_in

pytestmark = pytest.mark.django_db


def found(user: User) -> User:
    again = signed_in(user.pk)
    assert again
    return again


def test_the_permissions_of_groups_and_of_the_person_alone_come_with_the_account(carol: User) -> None:
    carol.user_permissions.add(Permission.objects.get(codename="change_policy"))
    with CaptureQueriesContext(connection) as queries:
        found_user = found(carol)
        assert found_user.has_perms(["approvals.view_decision", "approvals.change_policy"])
        assert found_user.has_module_perms("approvals")
        assert not found_user.has_module_perms("sites")
    assert len(queries) == 1
    assert found_user.get_all_permissions() == User.objects.get(pk=carol.pk).get_all_permissions()


def test_nobody_gains_by_it(carol: User) -> None:
    assert not found(carol).has_perm("approvals.review_decision")
    assert not found(carol).has_perm("approvals.view_decision", carol)  # of one object: nobody has any
    User.objects.filter(pk=carol.pk).update(is_active=False)
    assert found(carol).get_all_permissions() == set()


def test_a_superuser_has_all_there_are(db: None) -> None:
    root = User.objects.create_superuser("root", "root@example.org", "x")
    assert found(root).has_perm("approvals.change_policy")
