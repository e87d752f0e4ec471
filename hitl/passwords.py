"""Which new passwords are refused because they are soon guessed; offline, by estimate. Not who may set one."""

import re

from django.conf import settings
from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

STRONG = 4  # of 0 to 4: at least 10^10 guesses, https://github.com/dropbox/zxcvbn#usage
READ = 72  # characters; a longer one takes the library more time than it says more
PRODUCT_WORDS = ["hitl", "patch", "reviewer", "approve"]  # and PASSWORD_WORDS
SENTENCE = "This password is soon guessed. Take four or more unrelated words, or what a password manager makes."


class GuessedSoon:
    """Refuse what an attacker would try first: common and leaked passwords alone or put together, names and words,
    keyboard rows, dates and repeats, with digits and signs for letters, and what is known of the account."""

    def validate(self, password: str, user: object = None) -> None:
        known = [str(getattr(user, name, "") or "") for name in ("username", "email", "first_name", "last_name")]
        words = [word for text in known for word in (text, *re.split(r"\W+", text)) if len(word) > 2]
        found = zxcvbn(password[:READ], user_inputs=[*words, *PRODUCT_WORDS, *settings.PASSWORD_WORDS])
        if found["score"] < STRONG:
            raise ValidationError(" ".join(filter(None, [SENTENCE, _why(found)])), code="password_guessed_soon")

    def get_help_text(self) -> str:
        return "Your password must not be one that is soon guessed: four or more unrelated words are good."


def _why(found: dict[str, dict[str, str]]) -> str:
    warning = found["feedback"]["warning"]
    return f"{warning.rstrip('.')}." if warning else ""
