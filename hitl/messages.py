"""The notices shown once after a form: kept in a cookie of this host alone; in the session what is too long for it."""

from typing import Any

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class OurCookie(CookieStorage):
    """Django's, under the name that the settings give it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.cookie_name = settings.MESSAGES_COOKIE_NAME
        super().__init__(*args, **kwargs)


class Kept(FallbackStorage):
    """Django's order: the cookie first."""

    storage_classes = (OurCookie, SessionStorage)
