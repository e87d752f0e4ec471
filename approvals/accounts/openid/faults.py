"""Why a sign-in through the provider ends: a sentence for the person, a reason for the log."""

from allauth.socialaccount.providers.base import ProviderException


class ProviderFault(ProviderException):  # type: ignore[misc]
    """The provider, or what it answered, is not to be believed. `reason` names no secret and stands in the log."""

    def __init__(self, detail: str, reason: str, status: int = 403) -> None:
        super().__init__(reason)
        self.detail = detail
        self.reason = reason
        self.status = status


def unreachable(reason: str) -> ProviderFault:
    return ProviderFault("Your provider does not answer. Try again in a few minutes.", reason, 503)


def unreadable(reason: str) -> ProviderFault:
    return ProviderFault("Your provider gave an answer that cannot be used. Ask an administrator.", reason, 502)


def unbelievable(why: str, reason: str = "") -> ProviderFault:
    """Return the fault of an ID token; `why` ends the sentence that begins with what the provider said."""
    sentence = f"What your provider says of you was not believed: it {why}. Try again, or ask an administrator."
    return ProviderFault(sentence, reason or f"the ID token {why}")
