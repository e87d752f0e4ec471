"""The line of each request says who asked, refused or not; a refusal that names nobody cannot be looked into."""

import logging

import pytest
from django.test import Client
from django.urls import reverse

from approvals.models import ApiToken
from tests.cast import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "hitl.request")
    return lambda: [one.fields for one in caplog.records if one.name == "hitl.request"]


def test_a_page_refused_to_somebody_names_them(alice, sign_in, lines):
    client = sign_in(alice)
    assert client.get("/audit/entries").status_code == 403
    last = lines()[-1]
    assert (last["status"], last["caller"], last["route"]) == (403, f"user:{alice.pk}", "/audit/entries")


def test_a_machine_without_the_scope_is_named_by_its_token(token_for, lines):
    assert Api(token_for("producer", "patchgen")).get("/hitl/analytics/audit-logs").status_code == 403
    last = lines()[-1]
    assert (last["status"], last["caller"]) == (403, f"token:{ApiToken.objects.get().prefix}")


def test_a_token_that_is_let_in_is_named_too(token_for, lines):
    assert Api(token_for("producer", "patchgen")).get("/hitl/patches/pending").status_code == 200
    assert lines()[-1]["caller"] == f"token:{ApiToken.objects.get().prefix}"


def test_nobody_in_particular_is_not_named(lines):
    Client().get(reverse("login"))
    assert Api("hitl_aaaaaaaa_wrong").get("/hitl/patches/pending").status_code == 401
    assert [line.get("caller") for line in lines()] == [None, None]
