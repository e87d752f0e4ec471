"""What a page does when reading or drawing one part of a patch fails: it logs that, and the rest of the page stands."""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError

log = logging.getLogger(__name__)

Result = TypeVar("Result")


def attempted(what: str, call: Callable[[], Result], otherwise: Callable[[], Result]) -> Result:
    """Return what `call` does, or `otherwise` when it raises; the log has the exception with the request's id.

    A patch can hold anything, and people must be able to read it even where our code fails on a part of it. If the
    database is away, that is no failure of one part: the error is raised.
    """
    try:
        return call()
    except DatabaseError:
        raise
    except Exception:
        log.exception("%s failed; the rest of the page is shown", what)
        return otherwise()
