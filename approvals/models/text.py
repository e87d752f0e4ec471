"""Free text that people write, stored once so that it can be erased without a change of the rows that point to it."""

import os

from django.db import models

MAX_REASON = 2_000  # characters
MAX_COMMENT = 10_000
MOST_COMMENTS = 1_000  # on one revision of a patch


def new_salt() -> bytes:
    return os.urandom(16)


class Text(models.Model):
    """A reason or a comment. `body` becomes NULL on erasure, the only update the database allows."""

    salt = models.BinaryField(default=new_salt)
    body = models.TextField(null=True)  # noqa: DJ001  NULL says 'erased', which '' could not

    def __str__(self) -> str:
        return "[erased]" if self.body is None else self.body
