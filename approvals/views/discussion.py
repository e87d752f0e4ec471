"""What a page shows of the discussion of a patch: the newest comments, and where those before them are."""

from dataclasses import dataclass
from itertools import accumulate

from approvals.models import Comment, Decision
from approvals.queries import decisions as find
from approvals.queries.workbench import earlier_comments
from approvals.requests import Request

from . import list_navigation

MOST_SHOWN = 100  # comments on a page
MOST_DRAWN = 40_000  # of `drawn_size`; the newest comment is shown whatever its size


@dataclass(frozen=True, slots=True)
class Discussion:
    """What a page shows of a discussion, and the addresses of what was said before and since; '' for nothing."""

    shown: list[Comment]
    older_url: str
    newest_url: str


def discussion_of(request: Request, decision: Decision) -> Discussion:
    """Return the newest of the discussion of all revisions up to this one, before the comment that the address names:
    what was said of a line outlives a new revision."""
    asked = request.GET.get("before", "")
    before = int(asked) if asked.isdecimal() and len(asked) < 19 else find.NEWEST
    said = find.comments(decision, MOST_SHOWN + 1, before)
    if decision.patch.revision > 1:
        said = sorted([*earlier_comments(decision, MOST_SHOWN + 1, before), *said], key=lambda one: one.id)
    drawn = accumulate(drawn_size(one.text.body or "") for one in reversed(said[-MOST_SHOWN:]))
    shown = said[-max(1, sum(size <= MOST_DRAWN for size in drawn)) :]
    address = list_navigation.patch_address(request, decision.decision_id)
    further = f"{address}{'&' if '?' in address else '?'}before="
    older_url = f"{further}{shown[0].id}#discussion" if len(said) > len(shown) else ""
    return Discussion(shown, older_url, f"{address}#discussion" if before < find.NEWEST else "")


def drawn_size(text: str) -> int:
    """Return about how much of a page a text takes: letters beyond ASCII may each be drawn by an element."""
    return len(text.encode("unicode_escape"))
