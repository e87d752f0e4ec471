"""Sign-in by e-mail address or user name."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from approvals.models import User
from approvals.queries.people import account_of, signed_in


class EmailOrUsernameBackend(ModelBackend):
    """Django's model backend, looking the person up by either name, case-insensitively."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if not username or password is None:
            return None
        user = account_of(username)
        if user is None:
            User().set_password(password)  # the same time as a wrong password, so that names cannot be probed
            return None
        return user if user.check_password(password) and self.user_can_authenticate(user) else None

    def get_user(self, user_id: Any) -> User | None:
        """Return the active person of a session, with the memberships of this moment; every request of theirs asks
        this."""
        user = signed_in(user_id)
        return user if user and self.user_can_authenticate(user) else None

    def get_all_permissions(self, user_obj: User | AnonymousUser, obj: Any = None) -> set[str]:
        """Return what came with the account, for every page asks; a superuser has all there are."""
        read = None if obj is not None or user_obj.is_anonymous else user_obj.permissions_read
        if read is None or user_obj.is_superuser or not user_obj.is_active:
            return super().get_all_permissions(user_obj, obj)
        return set(read)
