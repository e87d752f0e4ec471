"""What a page's form may send: to anybody, so no more than any of them needs."""

import pytest

pytestmark = pytest.mark.django_db
MIB = 1024 * 1024
FORM = "application/x-www-form-urlencoded"


def send(client, size: int, content_type: str = FORM):
    return client.generic("POST", "/accounts/login", b"login=" + b"x" * (size - 6), content_type=content_type)


def test_a_form_has_at_most_one_mebibyte(client):
    assert send(client, MIB).status_code == 422  # read, and nobody of that name
    answer = send(client, MIB + 1)
    assert answer.status_code == 413
    assert "What a form sends may have 1 MiB" in answer.content.decode()


def test_so_has_one_with_files(client):
    assert send(client, MIB + 1, "multipart/form-data; boundary=x").status_code == 413


def test_documents_of_machines_keep_their_limit(client):
    answer = client.generic("POST", "/hitl/patches", b" " * (2 * MIB), content_type="application/json")
    assert answer.status_code == 401


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_an_absence_has_days_that_are_some(sign_in, alice, bob, day):
    form = {"delegate": bob.pk, "starts": day, "ends": day, "reason": "Away."}
    answer = sign_in(alice).post("/accounts/absence", form)
    assert answer.status_code == 422
    assert "Name a day from 1900 to 9000." in answer.content.decode()
