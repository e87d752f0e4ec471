"""Which patches a person decides although the machine could have. Pure."""


def drawn(sha256: str, percent: int) -> bool:
    """Return whether a patch is drawn for a spot check at this share.

    By its digest: nobody can send it again until it is not drawn, and anybody can check afterwards that it was.
    """
    return int(sha256[:8], 16) % 100 < percent
