"""A WSGI application for gunicorn that needs nothing of ours; `/slow` reads the body first, `/held` or `?held` takes a
while."""

import time
from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/slow":
        environ["wsgi.input"].read()
    elif "held" in {environ["PATH_INFO"].strip("/"), environ["QUERY_STRING"]}:
        time.sleep(8)
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
