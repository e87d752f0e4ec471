"""What the workbench stores for each reviewer: saved views, files viewed, which pages are open right now."""

from django.conf import settings
from django.db import models

from .access import Producer
from .patch import Patch


class SavedView(models.Model):
    """A named set of queue filters, as the query string that shows them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="saved_view_once")]

    def __str__(self) -> str:
        return self.name


class ViewedFile(models.Model):
    """A file somebody ticked as viewed. The key is the digest of the file's part of the patch, so that the tick
    survives revisions that leave the file alone and is gone if they change it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    producer = models.ForeignKey(Producer, models.CASCADE, related_name="+")
    patch_id = models.CharField(max_length=200)
    file_sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "producer", "patch_id", "file_sha256"], name="viewed_file_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} viewed {self.file_sha256[:12]}"


class Presence(models.Model):
    """Who has a patch page open; the page refreshes it, and after 45 seconds it no longer counts."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    patch = models.ForeignKey(Patch, models.CASCADE, related_name="presences")
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["patch", "user"], name="presence_once")]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.patch_id}"
