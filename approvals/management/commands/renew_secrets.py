"""`manage.py renew_secrets`: stored secrets under a new SECRET_KEY, before the old one is taken away."""

from typing import Any

from allauth.mfa.adapter import get_adapter
from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from approvals.accounts.services import identity
from approvals.services import endpoints


class Command(BaseCommand):
    """Encrypt anew what SECRET_KEY or one of SECRET_KEY_FALLBACKS reads; all of it or nothing."""

    help = "Encrypt the secrets of second factors and webhooks with SECRET_KEY; then empty SECRET_KEY_FALLBACKS."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                factors, webhooks = identity.renew_secrets(get_adapter().renewed), endpoints.renew_secrets()
        except InvalidToken as error:
            raise CommandError(
                "A secret was written under a key that is neither SECRET_KEY nor one of SECRET_KEY_FALLBACKS. "
                "Nothing was changed."
            ) from error
        self.stdout.write(f"{factors} second factors and {webhooks} secrets of webhooks are encrypted with SECRET_KEY.")
