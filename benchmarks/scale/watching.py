"""What the processes of a product take: processor time, memory, and statements from PostgreSQL's own log."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .product import Product, rows

ROLES = {
    b"hitl.supervisor": "serve",
    b"gunicorn": "web",
    b"worker": "worker",
    b"serve": "serve",
    b"embedded_postgres": "keeper",
}
EXECUTED = (b" LOG:  statement: ", b" LOG:  execute ")


def processes(product: Product) -> dict[str, list[int]]:
    """Return the pids of each part of a running product: serve, web, worker, database and its keeper."""
    found: dict[str, list[int]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if role := _role(directory, product.data):
                found.setdefault(role, []).append(int(directory.name))
        except OSError:
            continue  # ended meanwhile, or not ours
    return found


def _role(process: Path, data: Path) -> str | None:
    """Tell by the environment, or by the working directory for PostgreSQL, which writes its title over the former."""
    if (process / "cwd").readlink() == data / "pg":
        return "database"
    if f"HITL_DATA_DIR={data}\0".encode() not in (process / "environ").read_bytes():
        return None
    command = (process / "cmdline").read_bytes()
    return next((role for word, role in ROLES.items() if word in command), None)


def processor_seconds(product: Product) -> dict[str, float]:
    """Return the processor time of each part so far, ended children included."""
    taken = {}
    for role, pids in processes(product).items():
        ticks = 0
        for pid in pids:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # ended meanwhile
            ticks += sum(int(field) for field in fields[11:15])  # utime stime cutime cstime, proc(5)
        taken[role] = ticks / os.sysconf("SC_CLK_TCK")
    return taken


def megabytes(product: Product) -> dict[str, float]:
    """Return the resident memory of each part; PostgreSQL's without what its processes share."""
    held = {}
    for role, pids in processes(product).items():
        status = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
        name = "RssAnon:" if role == "database" else "VmRSS:"
        held[role] = sum(int(one.split(name, 1)[1].split()[0]) for one in status if name in one) / 1024
    return held


@contextmanager
def counted(product: Product, url: str) -> Iterator[Callable[[], int]]:
    """Give a function that returns how many statements the product sent since it was last called; the worker is stopped
    meanwhile."""
    worker = processes(product).get("worker", [])
    for pid in worker:
        os.kill(pid, signal.SIGSTOP)
    try:
        rows(url, "alter system set log_statement = 'all'")
        rows(url, "select pg_reload_conf(), pg_sleep(0.3)")
        log = max((product.data / "pg" / "log").glob("*.log"), key=lambda file: file.stat().st_mtime)
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)

            def count() -> int:
                time.sleep(0.1)  # the log is written by a process of its own
                return sum(any(mark in line for mark in EXECUTED) for line in file)

            yield count
    finally:
        rows(url, "alter system reset log_statement")
        rows(url, "select pg_reload_conf()")
        for pid in worker:
            os.kill(pid, signal.SIGCONT)
