"""Calls that schemathesis makes of the committed contract, and what their answers are held against."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, checks

from tests.cast import document, gate_request

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ROOT / "docs/openapi.json"
KINDS = ("producer", "deployer", "auditor", "monitor", "personal")
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
GOOD = {"POST /hitl/patches": document(), "POST /api/approvals": gate_request()}
STREAM = "/hitl/events"  # its answer has no end
STREAM_SECONDS, SECONDS = 0.3, 30.0  # that an answer is waited for


def operations(application: Any = None, contract: Any = None) -> list[Any]:
    """Return every operation of the contract, to be sent to an application in this process or, without, to a server.
    In this process there is no stream: it takes its connection with it."""
    schema = schemathesis.openapi.from_dict(contract or json.loads(CONTRACT.read_text("utf-8")))
    schema.app = application
    found: list[Any] = [operation.ok() for operation in schema.get_all_operations()]  # type: ignore[union-attr]
    return [operation for operation in found if not application or operation.path != STREAM]


def hold(operation: Any, there: dict[str, list[str]], token: str, *, number: int, examples: int, url: str = "") -> Any:
    """Make some calls of an operation, always the same ones for a number, and fail where an answer is not what the
    contract says. Return how often each status came."""
    statuses: Counter[int] = Counter()

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(operation, there))
    def holds(case: Any) -> None:
        answer = case.call(
            base_url=url or None,
            headers={"Authorization": f"Bearer {token}"},
            timeout=STREAM_SECONDS if operation.path == STREAM else SECONDS,
        )
        statuses[answer.status_code] += 1
        # The contract gives the schema of a stream's text, as OpenAPI 3.1 does; schemathesis takes it for an event's.
        unchecked = [checks.response_schema_conformance] if operation.path == STREAM else []
        case.validate_response(answer, checks=CHECKS, excluded_checks=unchecked)

    holds()
    return statuses


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Write what was made up as lines, each twice, that one may be a repetition."""
    line = value if isinstance(value, str) else json.dumps(value)
    return f"{line}\n{line}\n".encode("utf-8", "surrogatepass")


@st.composite
def calls(draw: st.DrawFn, operation: Any, there: dict[str, list[str]]) -> "Case[Any]":
    """Draw a call, as the contract wants it or not, often of what is `there`, by the name of its parameter."""
    mode = draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    names = [name for name in there if f"{{{name}}}" in operation.path]
    path = {name: draw(st.sampled_from(there[name])) for name in names} if draw(st.booleans()) else None
    case: Case[Any] = draw(operation.as_strategy(mode, path_parameters=path))
    for name, known in there.items():
        if isinstance(case.body, dict) and name in case.body and draw(st.booleans()):
            case.body[name] = draw(st.sampled_from(known))
    if operation.label in GOOD and isinstance(case.body, dict) and draw(st.booleans()):
        changed = draw(st.sampled_from([None, *sorted(case.body)]))
        case.body = GOOD[operation.label] | ({changed: case.body[changed]} if changed else {})
    if case.query and isinstance(case.query.get("wait"), int | float):
        case.query["wait"] = min(case.query["wait"], 0)  # nobody else would decide meanwhile
    return case
