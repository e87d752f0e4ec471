"""`manage.py renew_secrets`: second factors' secrets under a new SECRET_KEY, before the old one is taken away."""

from typing import Any

from allauth.mfa.adapter import get_adapter
from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError

from approvals.accounts.services import identity


class Command(BaseCommand):
    """Encrypt anew what SECRET_KEY or one of SECRET_KEY_FALLBACKS reads; all of it or nothing."""

    help = "Encrypt the secrets of second factors with SECRET_KEY; then SECRET_KEY_FALLBACKS may be emptied."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = identity.renew_secrets(get_adapter().renewed)
        except InvalidToken as error:
            raise CommandError(
                "A second factor was written under a key that is neither SECRET_KEY nor one of SECRET_KEY_FALLBACKS. "
                "Nothing was changed."
            ) from error
        self.stdout.write(f"{count} second factors are encrypted with SECRET_KEY.")
