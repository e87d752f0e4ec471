"""Read what the workbench stores: saved views, files viewed, who else has a page open."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from approvals.models import Comment, Decision, PatchView, Presence, SavedView, User, ViewedFile

PRESENT = timedelta(seconds=45)  # pages refresh it every 20 seconds


def saved_views(user: User) -> list[SavedView]:
    """Return this person's saved views, by name."""
    return list(SavedView.objects.filter(user=user))


def viewed_files(decision: Decision, user: User) -> set[str]:
    """Return the digests of the files of this patch that this person ticked, in any revision."""
    patch = decision.patch
    rows = ViewedFile.objects.filter(user=user, producer=patch.producer_id, patch_id=patch.patch_id)
    return set(rows.values_list("file_sha256", flat=True))


def looked_at(decision: Decision, user: User) -> int | None:
    """Return the newest earlier revision of this patch that this person had open; no query for a first revision."""
    patch = decision.patch
    if patch.revision == 1:
        return None
    seen = PatchView.objects.filter(user=user, patch__producer=patch.producer_id, patch__patch_id=patch.patch_id)
    earlier = seen.filter(patch__revision__lt=patch.revision).order_by("-patch__revision")
    return earlier.values_list("patch__revision", flat=True).first()


def earlier_comments(decision: Decision, most: int, before: int) -> list[Comment]:
    """Return the newest comments on earlier revisions of the same patch before the one with this key, oldest first."""
    patch = decision.patch
    rows = Comment.objects.filter(
        decision__patch__producer=patch.producer_id,
        decision__patch__patch_id=patch.patch_id,
        decision__patch__revision__lt=patch.revision,
        id__lt=before,
    )
    newest = rows.select_related("author", "text", "decision__patch").order_by("-created_at", "-id")[:most]
    return list(newest)[::-1]


def others_present(decision: Decision, user: User, now: datetime) -> list[User]:
    """Return who else has this patch's page open."""
    rows = Presence.objects.filter(patch=decision.patch_id, seen_at__gte=now - PRESENT).exclude(user=user)
    return [presence.user for presence in rows.select_related("user").order_by("user__username")]


def presence_of(decisions: Iterable[Decision], user_id: int, now: datetime) -> dict[int, list[User]]:
    """Return, by patch key, who else has its page open; one query."""
    rows = (
        Presence.objects.filter(patch__in=[decision.patch_id for decision in decisions], seen_at__gte=now - PRESENT)
        .exclude(user=user_id)
        .select_related("user")
    )
    people: dict[int, list[User]] = {}
    for presence in rows:
        people.setdefault(presence.patch_id, []).append(presence.user)
    return people
