"""`/hitl/events`: server-sent events for open pages; they name what changed, the client fetches it again."""

import json
import queue
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack

from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from ninja import Router

from approvals.live import Notice, Subscriber, listener, wait_slots
from approvals.policy.visible_fields import EVERYBODY, VISIBLE
from approvals.queries import notices
from approvals.services.dispatch import notice_of

from .caller import ApiRequest, Needs
from .openapi import with_body

router = Router(tags=["events"])

LIFE = 300.0  # seconds a stream lives; browsers come back by themselves, and a stopped worker is never waited for
PING = 15.0  # seconds between comments that keep proxies from closing an idle stream
LOOK = 2.0  # seconds between looks at whether the client is still there


@router.get(
    "",
    auth=Needs("decisions:read"),
    openapi_extra=with_body("text/event-stream", {"type": "string"}, "Last-Event-ID"),
    summary="Server-sent events",
)
def events(request: ApiRequest) -> HttpResponse | StreamingHttpResponse:
    """`patch.submitted`, `decision.changed`, `review.recorded` and `stats`; `Last-Event-ID` replays ten minutes,
    otherwise `reset` says that the client must fetch everything again. At a cap: 429 with Retry-After."""
    who = request.auth.actor.id
    with ExitStack() as held:
        wait_slots.acquire(who)
        held.callback(wait_slots.release, who)
        stream = listener.subscribe(_hearer(request))
        held.callback(listener.unsubscribe, stream)
        missed = list(_missed(request.headers.get("Last-Event-ID", "")))
        body = _Stream(_follow(request, stream, missed), held.pop_all())
    response = StreamingHttpResponse(body, content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _hearer(request: ApiRequest) -> Subscriber:
    """Return the token, person and session whose end must end this stream."""
    caller = request.auth
    token_id = caller.token.pk if caller.token else None
    if caller.user is None:
        return Subscriber(token_id=token_id)
    session_key = None if caller.token else request.session.session_key
    return Subscriber(caller.user.pk, caller.user.password, caller.user.signed_out_everywhere, session_key, token_id)


def _missed(last: str) -> Iterator[Notice]:
    if not last:
        return
    found = notices.since(int(last), timezone.now()) if last.isdecimal() and len(last) < 19 else None
    if found is None:
        yield {"event": "reset"}
        return
    for entry in found:
        if notice := notice_of(entry):
            yield notice


class _Stream:
    """The body of one stream: an iterator whose `close` lets go even if nobody ever read from it (a generator's
    `finally` would not run then, and the place would be lost for good)."""

    def __init__(self, frames: Generator[str, None, None], held: ExitStack) -> None:
        self.frames, self.held = frames, held

    def __iter__(self) -> Iterator[str]:
        return self.frames

    def close(self) -> None:
        self.frames.close()
        self.held.close()


def _follow(
    request: ApiRequest, stream: "queue.Queue[Notice | None]", missed: list[Notice]
) -> Generator[str, None, None]:
    """Yield notices until the client goes, the process stops or the stream's life is over. Touches no database."""
    _let_go(request)
    ends = time.monotonic() + LIFE
    pinged = time.monotonic()
    yield "retry: 2000\n\n"
    for notice in missed:
        yield frame(notice)
    while time.monotonic() < ends and not _gone(request):
        try:
            notice_or_end = stream.get(timeout=LOOK)
        except queue.Empty:
            if time.monotonic() - pinged >= PING:
                pinged = time.monotonic()
                yield ": ping\n\n"
            continue
        if notice_or_end is None:
            return
        yield frame(notice_or_end)


def _let_go(request: ApiRequest) -> None:
    """Free what the stream no longer needs: its thread would hold a connection and a session for minutes."""
    for name in ("user", "_cached_user", "session", "auth"):
        vars(request).pop(name, None)
    connection.close()


def frame(notice: Notice) -> str:
    """Return a notice as it goes to every stream: it cannot know whose patch it is about, so it says only what
    everybody sees."""
    data = {name: value for name, value in notice.items() if name not in {"event", "id"} and _is_public(name)}
    place = f"id: {notice['id']}\n" if "id" in notice else ""
    return f"{place}event: {notice['event']}\ndata: {json.dumps(data)}\n\n"


def _is_public(name: str) -> bool:
    return VISIBLE.get(name) == EVERYBODY


def _gone(request: ApiRequest) -> bool:
    """Return whether the client closed the connection: a stream would notice only at its next write, and a page
    that reloads would count twice."""
    client = request.META.get("gunicorn.socket")
    if not isinstance(client, socket.socket):
        return False
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
