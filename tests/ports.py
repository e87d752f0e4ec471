"""Ports for the servers that tests start. It imports nothing of the product, which a conftest may not do yet."""

import os
import socket
from itertools import cycle

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = cycle(range(10_000 + 1_000 * WORKER, 11_000 + 1_000 * WORKER))
"""Each worker of a run has its own, below those that the kernel gives to whoever connects: of the kernel, two servers
that were to start at once got the same one."""


def free_port() -> int:
    """Return a port that nobody listens at, another one at each call."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("the ports never end")
