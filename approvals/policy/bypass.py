"""When an emergency bypass may be used. Pure."""

from dataclasses import dataclass
from datetime import datetime

from approvals.errors import moment
from approvals.models import Bypass


@dataclass(frozen=True, slots=True)
class Grant:
    """A bypass as the rules see it; `covers` says whether it names the decision at hand or its package, `granter` are
    the names, folded, by which a patch would name who granted it."""

    holder: int
    state: str
    covers: bool
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    granted_by: str = ""
    granter: frozenset[str] = frozenset()


def unusable(grant: Grant | None, person_id: int, now: datetime) -> str | None:
    """Return why this person cannot approve alone under this bypass now, or None. Whose it is comes first, so that
    nobody learns of another's."""
    if grant is None or grant.holder != person_id:
        return "You hold no such emergency bypass."
    if not grant.covers:
        return "Your emergency bypass names something else and does not cover this."
    if grant.ended_at is not None:
        return f"Your emergency bypass was ended at {moment(grant.ended_at)}."
    if grant.state != Bypass.State.GRANTED or grant.ends_at is None:
        return "Your emergency bypass is not granted: a second person must do that."
    if now >= grant.ends_at:
        return f"Your emergency bypass ended at {moment(grant.ends_at)}."
    return None
