"""The decision feed: consecutive positions, the same for every reader."""

from approvals.models import FeedEntry


def after(position: int, limit: int) -> list[FeedEntry]:
    """Return the changes after a position, oldest first."""
    return list(
        FeedEntry.objects.filter(position__gt=position)
        .select_related("decision__patch__producer", "decision__policy_version__policy", "decision__revocation")
        .defer("decision__patch__wargaming_log")  # up to 1 MiB a row
        .order_by("position")[:limit]
    )
