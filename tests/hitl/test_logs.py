"""Log lines: what they carry, and what never gets into them."""

import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from hitl.logs import JsonFormatter, TextFormatter, request_id


def record(message: str, *arguments: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("hitl.test", logging.INFO, __file__, 1, message, arguments, None)
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def in_request() -> Iterator[str]:
    token = request_id.set("req-1")
    yield "req-1"
    request_id.reset(token)


def test_a_json_line_names_time_level_logger_message_request_and_fields(in_request: str) -> None:
    line = json.loads(JsonFormatter().format(record("took %s", "long", fields={"status": 200})))
    assert line.pop("at").endswith("+00:00")
    expected = {"level": "INFO", "logger": "hitl.test", "message": "took long", "request_id": in_request, "status": 200}
    assert line == expected


def test_fields_cannot_replace_what_every_line_has() -> None:
    line = json.loads(JsonFormatter().format(record("true", fields={"message": "forged", "level": "forged"})))
    assert (line["message"], line["level"]) == ("true", "INFO")


def test_outside_a_request_there_is_no_request_id() -> None:
    assert "request_id" not in json.loads(JsonFormatter().format(record("a job")))


def test_a_text_line_carries_the_same(in_request: str) -> None:
    line = TextFormatter().format(record("took %s", "long", fields={"status": 200}))
    assert line.endswith(f"hitl.test took long status=200 request_id={in_request}")


def test_a_text_line_does_not_say_twice_what_the_message_says() -> None:
    line = TextFormatter().format(record("GET / 200", fields={"status": 200, "milliseconds": 3.1}))
    assert line.endswith("GET / 200 milliseconds=3.1")


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_one_record_is_one_line(formatter: logging.Formatter) -> None:
    assert "\n" not in formatter.format(record("name %s", "x\n2026 ERROR forged\r\x1b[2J\u2028"))


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
@pytest.mark.parametrize(
    ("message", "secret"),
    [
        ("Authorization: Bearer abc.DEF-123", "abc.DEF-123"),
        ("token hitl_us28a7ir_deT8wNluA2H-x_9 refused", "deT8wNluA2H"),
        ("cannot reach postgresql://hitl:pa55word@db:5432/hitl", "pa55word"),
        ("token xoxb-17-abcDEF refused", "abcDEF"),
        ("cannot reach https://hooks.slack.com/services/T1/B1/abcDEF", "abcDEF"),
        ("cannot reach https://prod.logic.azure.com/workflows/1/run?api-version=1&sig=abcDEF", "abcDEF"),
    ],
    ids=["bearer", "token", "url", "slack", "slack webhook", "teams"],
)
def test_secrets_do_not_reach_the_line(formatter: logging.Formatter, message: str, secret: str) -> None:
    line = formatter.format(record("%s", message))
    assert secret not in line
    assert "***" in line


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_a_token_as_it_is_issued_reaches_no_field(formatter: logging.Formatter, token_for: Callable[..., str]) -> None:
    for kind in ("producer", "monitor"):
        token = token_for(kind, kind)
        line = formatter.format(record("GET", fields={"path": f"/hitl/decisions/{token}", "status": 404}))
        assert token.split("_", 2)[2] not in line


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_secrets_do_not_reach_the_traceback(formatter: logging.Formatter) -> None:
    made = record("failed")
    try:
        raise ValueError("postgresql://hitl:pa55word@db/hitl")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = formatter.format(made)
    assert "ValueError" in line
    assert "pa55word" not in line


def test_an_address_with_a_port_is_not_taken_for_a_password() -> None:
    assert "http://127.0.0.1:8027/x@y" in TextFormatter().format(record("at http://127.0.0.1:8027/x@y"))


@pytest.mark.parametrize("formatter", [JsonFormatter, TextFormatter])
def test_what_a_caller_sends_wrongly_is_a_line_and_no_traceback(formatter: Callable[[], logging.Formatter]) -> None:
    """Anybody can send a form with too many fields, as often as they like."""
    try:
        raise ValueError("too many fields")
    except ValueError:
        made = record("too many fields", name="django.security.TooManyFieldsSent", exc_info=sys.exc_info())
        ours = record("it broke", exc_info=sys.exc_info())
    assert "Traceback" not in formatter().format(made)
    assert "too many fields" in formatter().format(made)
    assert "Traceback" in formatter().format(ours)
