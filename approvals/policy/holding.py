"""What is said of an account whose means of signing in an administrator changed. Pure."""

from collections.abc import Sequence


def why_held(since: object, changes: Sequence[str], confirmed_at: object) -> str:
    """Return why an account decides nothing at present, for its owner; '' where it does.

    `since` and `confirmed_at` are the times of the change and of its owner's word, None for none.
    """
    if since is None:
        return ""
    changed = ", ".join(changes) or "your account"
    if confirmed_at is not None:
        return (
            f"An administrator changed how you sign in ({changed}), and you have confirmed it: "
            "your account decides nothing until a second lead agrees on the Policies page."
        )
    return (
        f"An administrator changed how you sign in ({changed}): your account decides nothing until you have confirmed "
        "it on your account page and a second lead has agreed."
    )
