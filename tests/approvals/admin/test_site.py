"""The admin's doors: sign-in and sign-out are the product's, every one an entry."""

import pytest
from django.test import Client
from django.urls import reverse

from approvals.models import User
from tests.cast import PASSWORD

NEW = "quite another battery staple"
pytestmark = pytest.mark.django_db


def test_a_visitor_is_led_to_the_sign_in_of_the_product():
    response = Client().get("/admin/approvals/policy/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login?next=/admin/approvals/policy/"
    assert "registration/login.html" in [template.name for template in response.templates]


def test_signing_in_leads_back_to_the_admin_page_and_is_an_entry(root, entries):
    client = Client()
    wrong = client.post("/accounts/login", {"username": "root", "password": "wrong", "next": "/admin/"})
    assert (wrong.status_code, len(entries("login.failed"))) == (422, 1)
    right = client.post("/accounts/login", {"username": "root", "password": PASSWORD, "next": "/admin/"})
    assert right["Location"] == "/admin/"
    assert len(entries("login.succeeded")) == 1


def test_the_admins_own_sign_in_takes_no_password(root, entries):
    client = Client()
    response = client.post("/admin/login/", {"username": "root", "password": PASSWORD})
    assert response["Location"].startswith("/accounts/login")
    assert "_auth_user_id" not in client.session
    assert entries() == []


def test_a_person_who_is_not_staff_gets_403_and_no_circle_of_redirects(alice, sign_in):
    response = sign_in(alice).get("/admin/", follow=True)
    assert response.status_code == 403


def test_signed_in_staff_who_open_the_sign_in_get_the_index(admin_page):
    assert admin_page.get("/admin/login/?next=/admin/auth/")["Location"] == "/admin/"


def test_signing_out_of_the_admin_is_an_entry_and_takes_a_post(admin_page, entries):
    assert admin_page.get("/admin/logout/").status_code == 405
    assert entries("login.ended") == []
    admin_page.post("/admin/logout/")
    assert "_auth_user_id" not in admin_page.session
    assert len(entries("login.ended")) == 1


@pytest.mark.parametrize("page", ["/admin/password_change/", "/admin/password_change/done/"])
def test_ones_own_password_is_changed_on_the_products_page_with_its_limits(root, admin_page, entries, page):
    new = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    for answer in (admin_page.get(page), admin_page.post(page, new)):
        assert answer["Location"] == reverse("password")
    assert User.objects.get(pk=root.pk).check_password(PASSWORD)
    assert entries() == []
