"""Pages have a limit for each person, and for each address before anybody signs in."""

import pytest
from django.test import Client

from approvals.api.caller import Bucket
from hitl import page_limits

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Let one person have three pages and one address two, and nothing more for a while."""
    for name, burst in (("people", 3), ("addresses", 2)):
        bucket = Bucket(1)
        monkeypatch.setattr(bucket, "burst", burst)
        monkeypatch.setattr(page_limits, name, bucket)


def test_a_person_who_asks_too_often_is_told_to_wait(sign_in, alice, bob):
    client = sign_in(alice)
    assert [client.get("/history").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get("/")
    assert int(refused["Retry-After"]) > 0
    assert "Wait a moment" in refused.content.decode()
    assert sign_in(bob).get("/history").status_code == 200
    other_session = sign_in(alice)
    assert other_session.get("/history").status_code == 429


def test_an_address_has_its_limit_before_sign_in(sign_in, alice):
    client = Client()
    path = client.get("/", follow=False)["Location"]
    assert client.post(path, {"username": "x", "password": "y"}).status_code != 429
    assert client.get(path).status_code == 429
    assert Client(REMOTE_ADDR="192.0.2.7").get(path).status_code == 200
    assert sign_in(alice).get("/history").status_code == 200, "who is signed in is no part of that"


def test_machines_and_probes_have_other_limits(producer_api, client):
    for _ in range(5):
        assert client.get("/healthz").status_code == 200
        assert producer_api.get("/hitl/patches/pending").status_code in (200, 403)


def test_the_addresses_of_one_ipv6_network_share_a_limit():
    codes = [Client(REMOTE_ADDR=f"2001:db8::{host}").get("/accounts/login").status_code for host in (1, 2, 3)]
    assert codes == [200, 200, 429]
    assert Client(REMOTE_ADDR="2001:db8:0:1::1").get("/accounts/login").status_code == 200
