"""Which new passwords are refused, and by which of the validators."""

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from approvals.models import User
from hitl.passwords import GuessedSoon

ALICE = User(username="alice.ashgrove", email="alice@ashgrove.example", first_name="Alice", last_name="Ashgrove")


def codes(password):
    try:
        validate_password(password, ALICE)
    except ValidationError as error:
        return {one.code for one in error.error_list}
    return set()


@pytest.mark.parametrize(
    "password",
    [
        "Password1234!",
        "P@ssw0rd!P@ssw0rd!",
        "qwertyuiop[]asdf",
        "1q2w3e4r5t6y7u",
        "iloveyouforever",
        "Summer2026!!",
        "January2025!",
        "Ashgrove1984!",
        "hitlhitlhitl",
        "ab" * 100,
    ],
)
def test_what_is_soon_guessed_is_refused_though_it_is_long_enough(password):
    assert "password_guessed_soon" in codes(password)
    assert "password_too_short" not in codes(password)


def test_what_is_on_djangos_list_is_refused_as_such():
    assert "password_too_common" in codes("password1234")


@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "Zf7$kk91Lmqp", "Zürich im Nebel am Morgen", "x7Q!" + "é" * 3 + "vK29mLp"],
)
def test_what_is_not_soon_guessed_passes(password):
    assert codes(password) == set()


def test_a_very_long_one_is_judged_by_its_beginning_in_no_time():
    GuessedSoon().validate("correct horse battery staple " * 100, ALICE)


def test_the_sentence_says_what_to_do():
    with pytest.raises(ValidationError, match="Take four or more unrelated words"):
        GuessedSoon().validate("Password1234!", None)
