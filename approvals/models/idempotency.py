"""Answers stored for a day, so that a retried request is answered but not run again."""

from django.db import models


class KeptAnswer(models.Model):
    """The answer to one caller's request under an `Idempotency-Key`; `status` is NULL while it is being worked on.

    `caller` names the caller as audit entries do: a person's pseudonym or a token's public prefix.
    """

    caller = models.CharField(max_length=64)
    path = models.CharField(max_length=500)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    location = models.CharField(max_length=500, blank=True)
    body = models.BinaryField(default=b"")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two retries that arrive at once: one works, the other finds the row.
            models.UniqueConstraint(fields=["caller", "path", "key"], name="kept_answer_once"),
        ]
        indexes = [models.Index(fields=["at"], name="kept_answer_by_age")]  # services.idempotency.forget

    def __str__(self) -> str:
        return f"{self.path} {self.key}"
