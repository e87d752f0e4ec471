"""NDJSON intake: up to 1,000 documents in one request, spooled, then one answer a line."""

import json
import logging
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, TypeVar

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from pydantic import BaseModel, ValidationError

from approvals.errors import Invalid, Refusal, TooMany
from approvals.models import Producer
from approvals.services.intake import Submission, SubmissionResult, submit_all
from approvals.strict_json import measured

from .caller import Caller, bulk_lines
from .intake import submission_of
from .problems import counted, field_errors, listed
from .schemas import IntakeDocument

log = logging.getLogger(__name__)

MAX_LINES = 1_000
MAX_BYTES = 32 * 1024 * 1024
MAX_LINE = 8 * 1024 * 1024
MAX_VALUES = 500_000  # of all lines together; a document has some 50
MAX_SECONDS = 2.2  # of processor time in this process; what the database does comes on top
SLOWEST = 4 * 1024 * 1024  # bytes a second, of the diffs that take longest to read
LINES_IN_ONE_TRANSACTION = 100
SPOOL = 1024 * 1024  # bytes kept in memory; more goes to a temporary file

Answer = dict[str, Any]
Shape = TypeVar("Shape", bound=BaseModel)


class TooLarge(Refusal):
    """A body above the limit."""

    status = 413
    title = "Content too large"


class Unreadable(Refusal):
    """A line that is no JSON document."""

    title = "Bad Request"


class Unanswered(Refusal):
    """The database was away; sending again is safe."""

    status = 503
    title = "Service unavailable"


class Defect(Refusal):
    """Ours, not the sender's."""

    status = 500
    title = "Internal server error"


class Work:
    """What the lines of one request may cost together: limits in bytes and lines do not bound it, for a megabyte of
    diff may take as long to read as a thousand small patches."""

    def __init__(self) -> None:
        self.values = MAX_VALUES
        self.ends = time.thread_time() + MAX_SECONDS

    def too_much(self, line: bytes) -> bool:
        """Tell whether a line must come in another request; never the first one, so that every line can be taken."""
        begun = self.values < MAX_VALUES
        return begun and (self.values <= 0 or time.thread_time() + len(line) / SLOWEST >= self.ends)

    def read(self, raw: bytes) -> Any:
        """Return the document of a line; raise as `strict_json.read`."""
        document, values = measured(raw)
        self.values -= values
        return document


def answer_lines(request: HttpRequest, caller: Caller, producer: Producer) -> HttpResponse:
    """Return the NDJSON answer: `{line, status, decision_id | error}` per input line, in order."""
    with tempfile.SpooledTemporaryFile(max_size=SPOOL) as spool:
        try:
            lines = _receive(request, spool)
        except RequestDataTooBig:
            raise TooLarge(f"A bulk body may have {MAX_BYTES // 1024 // 1024} MiB.") from None
        bulk_lines.take(caller.actor.id, lines)
        spool.seek(0)
        body = b"".join(
            json.dumps(answer, default=str).encode() + b"\n" for answer in _answers(spool, caller, producer)
        )
    return HttpResponse(body, content_type="application/x-ndjson")


def _receive(request: HttpRequest, spool: IO[bytes]) -> int:
    """Copy the body to the spool within the limits; return its number of lines."""
    size = lines = 0
    last = b""
    while chunk := request.read(65_536):
        size += len(chunk)
        if size > MAX_BYTES:
            raise RequestDataTooBig
        lines += chunk.count(b"\n")
        last = chunk[-1:]
        spool.write(chunk)
    lines += last not in {b"", b"\n"}
    if lines > MAX_LINES:
        raise Invalid(f"A bulk body may have {MAX_LINES:,} lines, not {lines:,}.")
    if not lines:
        raise Invalid("The body has no lines.")
    return lines


def _lines(spool: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines; one above the limit is cut just beyond it, to save memory."""
    while line := spool.readline(MAX_LINE + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = spool.readline(MAX_LINE)
        yield line


def _answers(spool: IO[bytes], caller: Caller, producer: Producer) -> Iterator[Answer]:
    work = Work()
    lines = (_read(raw, work) for raw in _lines(spool))
    for number, result in enumerate(results(lines, caller, producer), start=1):
        yield {"line": number, **answer_of(result)}


def results(
    read: Iterable[Submission | Refusal], caller: Caller, producer: Producer
) -> Iterator[SubmissionResult | Refusal]:
    """Yield what becomes of each, in order, taking sets in one transaction; a patch_id that repeats opens a new set."""
    waiting: list[Submission | Refusal] = []
    ids: set[str] = set()
    for one in read:
        full = len(waiting) >= LINES_IN_ONE_TRANSACTION
        if full or (isinstance(one, Submission) and one.patch_id in ids):
            yield from _settle(waiting, caller, producer)
            waiting, ids = [], set()
        waiting.append(one)
        if isinstance(one, Submission):
            ids.add(one.patch_id)
    yield from _settle(waiting, caller, producer)


def _read(raw: bytes, work: Work) -> Submission | Refusal:
    """Return what a line submits, or why it does not, as the same document alone would be answered."""
    if work.too_much(raw):
        return TooMany("The lines before this one were all the work of one request; send it in another.", retry_after=1)
    if len(raw.removesuffix(b"\n")) > MAX_LINE:
        return TooLarge(f"A line may have {MAX_LINE // 1024 // 1024} MiB.")
    try:
        return submitted(work.read(raw))
    except Refusal as error:
        return error
    except ValueError:
        return Unreadable("The line is not JSON in UTF-8.")


def submitted(document: Any) -> Submission:
    """Return what one document of many submits. Raise Invalid as the same document alone would be answered."""
    return submission_of(read_as(IntakeDocument, document))


def read_as(shape: type[Shape], document: Any) -> Shape:
    """Return a body as what it should be. Raise Invalid, which names each field that is wrong."""
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        placed = [{**found, "loc": ("body", *found["loc"])} for found in error.errors()]
        raise Invalid("The request is not valid.", errors=field_errors(placed, strip=0)) from None


def _settle(
    waiting: list[Submission | Refusal], caller: Caller, producer: Producer
) -> Iterator[SubmissionResult | Refusal]:
    taken = iter(_take([one for one in waiting if isinstance(one, Submission)], caller, producer))
    for one in waiting:
        yield next(taken) if isinstance(one, Submission) else one


def _take(submissions: list[Submission], caller: Caller, producer: Producer) -> Sequence[SubmissionResult | Refusal]:
    """Take a set in; one that the database refuses is taken line by line, so that its other lines still come in."""
    if not submissions:
        return []
    try:
        return submit_all(submissions, producer=producer, actor=caller.actor, now=timezone.now())
    except OperationalError as error:
        log.error("The database did not answer", exc_info=error)
        return [Unanswered("The database did not answer. Send this line again.")] * len(submissions)
    except DatabaseError as error:
        log.error("The database refused a set of lines", exc_info=error)
        if len(submissions) == 1:
            return [Defect("Something broke on our side. The request id stands in our log.")]
        return [_take([submission], caller, producer)[0] for submission in submissions]


def answer_of(result: SubmissionResult | Refusal) -> Answer:
    """Return what one of many is answered: `status` is the HTTP code that it alone would have had."""
    if isinstance(result, SubmissionResult):
        decision = result.decision
        answer: Answer = {
            "status": 201 if result.created else 200,
            "decision_id": decision.decision_id,
            "revision": decision.patch.revision,
        }
        if decision.patch.parse_warnings:
            answer["parse_warnings"] = decision.patch.parse_warnings
        return answer
    error: Answer = {"title": result.title, "detail": counted(result.detail, result.errors or ())}
    if result.errors:
        error["errors"] = listed(result.errors)
    if isinstance(result, TooMany):
        error["retry_after"] = result.retry_after
    return {"status": result.status, "error": error}
