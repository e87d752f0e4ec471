"""W3C Trace Context (https://www.w3.org/TR/trace-context/): the trace that a caller says a request is part of, read
strictly. What is not well formed counts as not sent."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from approvals.requests import trace_headers
from hitl.logs import trace_id

TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-[\x21-\x7e]{0,200})?"
)
KEY, VALUE = r"[a-z0-9][a-z0-9_*/-]{0,240}(?:@[a-z][a-z0-9_*/-]{0,13})?", r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}"
MEMBER = rf"[ \t]*(?:{KEY}={VALUE})?[ \t]*"
TRACESTATE = re.compile(f"{MEMBER}(?:,{MEMBER}){{0,31}}")
LONGEST_STATE = 512


def sent_with(meta: Mapping[str, str]) -> dict[str, str]:
    """Return the headers `traceparent` and `tracestate` of a WSGI environment; {} where no trace is named."""
    parent, state = meta.get("HTTP_TRACEPARENT", ""), meta.get("HTTP_TRACESTATE", "")
    if not _trace_of(parent):
        return {}
    headers = {"traceparent": parent}
    if state and len(state) <= LONGEST_STATE and TRACESTATE.fullmatch(state):
        headers["tracestate"] = state
    return headers


def _trace_of(parent: str) -> str:
    found = TRACEPARENT.fullmatch(parent)
    if not found or found["version"] == "ff" or found["version"] == "00" and found["more"]:
        return ""
    return found["trace"] if set(found["trace"]) != {"0"} and set(found["parent"]) != {"0"} else ""


@contextmanager
def following(meta: Mapping[str, str]) -> Iterator[None]:
    """Name the trace of a request in the lines written in here, and pass it on to whoever is asked in here."""
    headers = sent_with(meta)
    tokens = trace_id.set(_trace_of(headers.get("traceparent", ""))), trace_headers.set(headers)
    try:
        yield
    finally:
        trace_id.reset(tokens[0])
        trace_headers.reset(tokens[1])
