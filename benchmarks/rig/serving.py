"""The whole product as `manage.py serve` runs it, on a free port with data of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection

from benchmarks.scale.product import PATIENCE_SECONDS, ROOT, free_port, wait_until_it_answers
from hitl import embedded_postgres

from . import DATA


@contextmanager
def database() -> Iterator[None]:
    """Hold the embedded server for this process and remove all data at the end."""
    embedded_postgres.ensure_running(DATA)
    try:
        yield
    finally:
        embedded_postgres.release(DATA)
        shutil.rmtree(DATA, ignore_errors=True)


def database_url() -> str:
    """Return the address of the embedded database of this run."""
    return embedded_postgres.database_url(DATA)


def copy_database(name: str) -> str:
    """Copy our database as it is under another name in the same server and return the copy's URL."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # a template must have no session
    url = database_url()
    with psycopg.connect(url.replace(f"/{embedded_postgres.DATABASE}?", "/postgres?"), autocommit=True) as server:
        server.execute(f"create database {name} template {embedded_postgres.DATABASE}".encode())
    return url.replace(f"/{embedded_postgres.DATABASE}?", f"/{name}?")


@contextmanager
def product(**environment: str) -> Iterator[int]:
    """Serve and return the port; web, worker and database are those of a real start."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "serve"],
        cwd=ROOT,
        env={**os.environ, "PORT": str(port), **environment},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until_it_answers(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def manage(*arguments: str) -> str:
    """Run a management command and return what it prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def import_patches(file: Path) -> None:
    """Import real patches; rows that repeat one before it are no failure here."""
    command = [sys.executable, str(ROOT / "manage.py"), "import_patches", str(file), "--producer", "import"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(f"{file.name}: {done.stdout.strip()}")


def web_workers(port: int) -> list[int]:
    """Return the pids of gunicorn's workers: the children of the one that was started with this port."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"PORT={port}\0".encode() in (directory / "environ").read_bytes()
            command = (directory / "cmdline").read_bytes()
            parent = int((directory / "stat").read_text().rsplit(")", 1)[1].split()[1])
            of_gunicorn = b"gunicorn" in Path(f"/proc/{parent}/cmdline").read_bytes()
        except (OSError, IndexError):
            continue  # ended meanwhile
        if ours and of_gunicorn and b"gunicorn" in command:
            found.append(int(directory.name))
    return sorted(found)


def processor_seconds() -> float:
    """Return the processor time of web, worker and database so far, ended children included."""
    ticks = 0
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if _is_ours(directory):
                fields = (directory / "stat").read_text().rsplit(")", 1)[1].split()
                ticks += sum(int(field) for field in fields[11:15])  # utime stime cutime cstime, proc(5)
        except OSError:
            continue  # ended meanwhile, or not ours
    return ticks / os.sysconf("SC_CLK_TCK")


def _is_ours(process: Path) -> bool:
    """Tell by the environment, or by the working directory for PostgreSQL, which writes its title over the former."""
    of_product = f"HITL_DATA_DIR={DATA}\0".encode() in (process / "environ").read_bytes()
    return of_product or (process / "cwd").readlink() == DATA / "pg"
