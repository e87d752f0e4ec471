"""What a browser's session remembers of its person: when they proved who they are, and words they have not sent."""

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest

AUTHENTICATED = "authenticated_at"
WORDS = "words_not_sent"


def remember_authentication(request: HttpRequest, now: datetime) -> None:
    """Keep that the session's person just gave a password or second factor, or came from their provider."""
    request.session[AUTHENTICATED] = now.isoformat()


def authenticated_at(request: HttpRequest) -> datetime | None:
    """Return when this session's person last proved who they are; None where the session does not say."""
    at = request.session.get(AUTHENTICATED)
    return datetime.fromisoformat(at) if at else None


def keep_words(request: HttpRequest, decision_id: UUID, text: str) -> None:
    """Keep what was typed about one decision while its writer gives a password."""
    if text:
        request.session[WORDS] = {"decision": str(decision_id), "text": text}


def give_words_back(request: HttpRequest, decision_id: UUID) -> str:
    """Return the words kept for this decision, once."""
    kept = request.session.get(WORDS) or {}
    if kept.get("decision") != str(decision_id):
        return ""
    del request.session[WORDS]
    return str(kept["text"])
