"""Log lines as JSON or text, with the ids of their request and trace, and without secrets of a known shape."""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="")
trace_id: ContextVar[str] = ContextVar("trace_id", default="")  # of the trace that a caller named, or our own began
CONTEXT = {"request_id": request_id, "trace_id": trace_id}

# Bearer tokens, tokens as `issue_token` makes them, those of Slack and of the webhooks of Slack and Teams, passwords
# inside URLs (a DATABASE_URL in an error message).
SECRET = re.compile(
    r"(?i)(\bbearer\s+|\bhitl_[a-z0-9]{8}_|\bxox[a-z]-|\bhooks\.slack(?:-gov)?\.com/[a-z]+/|[?&]sig=)[^\s@\"',;]+"
    r"|(://[^:/@\s\"']*:)[^\s@/\"']+(?=@)"
)
# A line break in a message would let a sender forge the next log line; an escape would drive the terminal.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class JsonFormatter(logging.Formatter):
    """One JSON object a line; `extra={"fields": {...}}` stands beside the fixed names, never over them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        fields = getattr(record, "fields", {})
        line = {
            **{name: _without_secrets(value) if isinstance(value, str) else value for name, value in fields.items()},
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _without_secrets(record.getMessage()),
        }
        line |= {name: value for name, variable in CONTEXT.items() if (value := variable.get())}
        if record.exc_info and _is_ours(record):
            line["exception"] = _without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """The same for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, with the traceback below it."""
        clock = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        message = record.getMessage()
        words = [clock, f"{record.levelname:<7}", record.name, message]
        # What the sentence already says is not said twice.
        fields = {name: str(value) for name, value in getattr(record, "fields", {}).items()}
        words += [f"{name}={value}" for name, value in fields.items() if value not in message.split()]
        words += [f"{name}={value}" for name, variable in CONTEXT.items() if (value := variable.get())]
        line = CONTROL.sub(lambda found: repr(found[0])[1:-1], " ".join(words))
        if record.exc_info and _is_ours(record):
            line += "\n" + self.formatException(record.exc_info)
        return _without_secrets(line)


def _is_ours(record: logging.LogRecord) -> bool:
    """Return whether a traceback says something: what callers send wrongly, as often as they like, is one line."""
    return not record.name.startswith("django.security.")


def _without_secrets(text: str) -> str:
    return SECRET.sub(r"\1\2***", text)
