"""How long the database may take for each kind of work; the numbers come from the settings."""

from dataclasses import dataclass, field
from pathlib import Path

GRACE_SECONDS = 3
"""How much longer we wait than the server should need to break a statement off; then it is frozen or unreachable."""
IDLE_SECONDS = 60
"""How long a process that has stopped may hold a transaction, and with it the locks that others wait for."""

# A server that is gone without a word is noticed in seconds (libpq: seconds, but tcp_user_timeout in milliseconds).
# What DATABASE_URL says wins.
REACHING = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
SEARCH_ADVICE = "Search for a longer or rarer word, or choose a shorter time."
EXPORT_ADVICE = "Narrow the list by a filter, or take a shorter time, and export it in parts."


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for one statement and for its wait for a lock (0: no limit), and what a person can do about it."""

    statement: int
    lock: int
    advice: str = field(default="", compare=False)

    @property
    def options(self) -> str:
        """Return the limits as libpq's `options`."""
        if not self.statement:
            return ""
        given = {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": max(IDLE_SECONDS, self.statement),
        }
        return " ".join(f"-c {name}={seconds}s" for name, seconds in given.items())

    @property
    def patience(self) -> float | None:
        """Return after how many seconds without an answer we give the connection up, or None for never."""
        return self.statement + GRACE_SECONDS if self.statement else None


def kind_of_work(arguments: list[str]) -> str:
    """Return what this process does, from its command line: `web`, `worker`, or a `command` that somebody watches."""
    if Path(arguments[0]).name not in {"manage.py", "django-admin"}:
        return "web"
    return {"worker": "worker", "runserver": "web"}.get("".join(arguments[1:2]), "command")
