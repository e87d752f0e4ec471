"""Save what the product stores for each person's convenience. No audit entries, because it decides nothing."""

from datetime import datetime

from approvals.errors import Invalid
from approvals.models import Decision, Patch, Presence, SavedView, Theme, User, ViewedFile

MOST_VIEWS = 50


def save_view(user: User, name: str, query: str) -> SavedView:
    """Save the queue's filters, as its form spells them, under a name; the same name again replaces them. Raise
    Invalid."""
    wanted = name.strip()
    if not wanted or len(wanted) > 60:
        raise Invalid("Give the view a name of up to 60 characters.", field="name", msg="1 to 60")
    if "\x00" in wanted:  # no text of PostgreSQL has it
        raise Invalid("The name has a NUL character in it.", field="name", msg="contains a NUL character")
    if len(query) > 2000:
        raise Invalid("These filters are too long to save.")
    own_views = SavedView.objects.filter(user=user)
    if own_views.count() >= MOST_VIEWS and not own_views.filter(name=wanted).exists():
        raise Invalid(f"You may save {MOST_VIEWS} views; delete one first.")
    view, _ = SavedView.objects.update_or_create(user=user, name=wanted, defaults={"query": query})
    return view


def delete_view(user: User, view_id: int) -> None:
    """Delete one of this person's views, never somebody else's."""
    SavedView.objects.filter(user=user, pk=view_id).delete()


def tick(decision: Decision, user: User, file_sha256: str, viewed: bool) -> None:
    """Save, or delete, that this person viewed a file of this patch."""
    patch = decision.patch
    key = {"user": user, "producer_id": patch.producer_id, "patch_id": patch.patch_id, "file_sha256": file_sha256}
    if viewed:
        ViewedFile.objects.bulk_create([ViewedFile(**key)], ignore_conflicts=True)
    else:
        ViewedFile.objects.filter(**key).delete()


def be_present(patch: Patch, user: User, now: datetime) -> None:
    """Save that this person has the patch's page open now."""
    Presence.objects.bulk_create(
        [Presence(patch=patch, user=user, seen_at=now)],
        update_conflicts=True,
        unique_fields=["patch", "user"],
        update_fields=["seen_at"],
    )


def set_theme(user: User, theme: Theme) -> None:
    """Save a person's colour theme."""
    User.objects.filter(pk=user.pk).update(theme=theme)


def set_single_keys(user: User, on: bool) -> None:
    """Save whether single-key shortcuts are on."""
    User.objects.filter(pk=user.pk).update(single_keys=on)
