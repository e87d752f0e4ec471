"""How the pools of connections are used, counted in each process; a scrape adds gunicorn's processes up."""

from prometheus_client import Counter, Gauge


def _gauge(name: str, text: str) -> Gauge:
    return Gauge(name, text, ["database"], multiprocess_mode="livesum")  # a process that has gone holds nothing


SIZE = _gauge("hitl_pool_size_connections", "Connections that the pools may have at most")
USED = _gauge("hitl_pool_used_connections", "Connections of the pools that are in use")
WAITING = _gauge("hitl_pool_waiting_requests", "Requests that wait for a connection")
TIMEOUTS = Counter("hitl_pool_timeouts", "Requests that gave up waiting for a connection", ["database"])


def begin(database: str, size: int) -> None:
    """Let all of a pool be there from the start: a counter that is born with 1 has no increase."""
    SIZE.labels(database).set(size)
    for metric in (USED, WAITING, TIMEOUTS):
        metric.labels(database)
