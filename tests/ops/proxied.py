"""The product as its image holds it, static files collected, behind Debian's nginx with the files of deploy/nginx."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hitl.test_serve import PATIENCE_SECONDS, ROOT, environment, wait_until
from tests.hitl.test_static_files import IMAGE
from tests.ports import free_port

NGINX = ROOT / "deploy/nginx"
# As the official image's own nginx.conf, which includes what its start makes of the templates.
MAIN = """
worker_processes auto;
error_log {directory}/main-error.log notice;
pid {directory}/nginx.pid;
{user}
events {{ worker_connections 4096; }}
http {{
    proxy_temp_path {directory}/proxy_temp;
    client_body_temp_path {directory}/client_temp;
    fastcgi_temp_path {directory}/fastcgi_temp;
    uwsgi_temp_path {directory}/uwsgi_temp;
    scgi_temp_path {directory}/scgi_temp;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    sendfile on;
    include {directory}/hitl.conf;
}}
"""


@dataclass(frozen=True)
class Answer:
    """One answer; `headers` in small letters, each with all its values."""

    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header that is there once."""
        [value] = self.headers[name.lower()]
        return value

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Nginx:
    """A running nginx: the directory of its files, its ports and the port of the web processes behind it."""

    directory: Path
    web: int
    port: int = field(default_factory=free_port)
    https: int = field(default_factory=free_port)
    health: int = field(default_factory=free_port)

    def ask(
        self, path: str, method: str = "GET", body: Any = None, *, source: str = "127.0.0.1", **more: Any
    ) -> Answer:
        """Ask through nginx, from the address `source`; `more` are headers, and `port` to ask somewhere else."""
        return ask(more.pop("port", self.port), path, method, body, source=source, **more)

    def lines(self) -> list[dict[str, Any]]:
        """Return what the access log holds."""
        return [json.loads(line) for line in (self.directory / "access.log").read_text("utf-8").splitlines()]


def ask(
    port: int, path: str, method: str = "GET", body: Any = None, *, source: str = "127.0.0.1", **more: Any
) -> Answer:
    """Send one request on a connection of its own; `_` in the names of headers stands for `-`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS, source_address=(source, 0))
    try:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        try:
            connection.request(method, path, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent; the answer is there
        answer = connection.getresponse()
        found: dict[str, list[str]] = {}
        for name, value in answer.getheaders():
            found.setdefault(name.lower(), []).append(value)
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()


@contextmanager
def stream(port: int, token: str, source: str) -> Iterator[http.client.HTTPResponse]:
    """Open an event stream from this address, and give what is answered while it is open."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS, source_address=(source, 0))
    try:
        connection.request("GET", "/hitl/events", headers={"Authorization": f"Bearer {token}"})
        yield connection.getresponse()
    finally:
        connection.close()


@contextmanager
def flood(nginx: Nginx, path: str, source: str) -> Iterator[Answer]:
    """Ask from this address as fast as it goes, over several connections, while the block runs; give a refusal."""
    ended, refused, refusals = threading.Event(), threading.Event(), []

    def ask_on() -> None:
        while not ended.is_set():
            answer = nginx.ask(path, source=source)
            if answer.status == 429:
                refusals.append(answer)
                refused.set()

    with ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(ask_on) for _ in range(8)]
        try:
            assert refused.wait(PATIENCE_SECONDS)
            yield refusals[0]
        finally:
            ended.set()
    for done in asking:
        done.result()


def collected_tree(to: Path) -> Path:
    """Return a copy of what the image holds, collected as the Dockerfile does."""
    for name in IMAGE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, to / name)
    command = [sys.executable, str(to / "manage.py"), "collectstatic", "--no-input", "--verbosity", "0"]
    subprocess.run(command, env=environment(to / "unused", 1) | {"SECRET_KEY": "build"}, check=True)
    return to


@contextmanager
def product(tree: Path, data: Path, output: Path, **more: str) -> Iterator[int]:
    """Serve a tree on a free port with the prepared data in `data`, and give the port."""
    port = free_port()
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, tree / "manage.py", "serve"],
            cwd=tree,  # gunicorn looks for modules here first
            env=environment(data, port) | more,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        assert wait_until(lambda: answers(port, "/readyz") or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@contextmanager
def nginx(directory: Path, web: int, *, certificates: Path | None = None, base_url: str = "") -> Iterator[Nginx]:
    """Run nginx in front of the port `web`, with TLS where there are certificates."""
    running = Nginx(directory, web)
    directory.mkdir(parents=True, exist_ok=True)
    user = "user root;" if os.getuid() == 0 else ""  # its files are those of this user
    (directory / "nginx.conf").write_text(MAIN.format(directory=directory, user=user))
    (directory / "hitl.conf").write_text(filled_in(running, certificates or directory / "none", base_url))
    command = ["nginx", "-e", str(directory / "main-error.log"), "-c", str(directory / "nginx.conf")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    process = subprocess.Popen([*command, "-g", "daemon off;"], start_new_session=True)
    try:
        assert wait_until(lambda: answers(running.health, "/healthz") or process.poll() is not None)
        yield running
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(PATIENCE_SECONDS)


def filled_in(running: Nginx, certificates: Path, base_url: str) -> str:
    """Return the configuration as the official image's start makes it: its .envsh files are sourced, then envsubst."""
    directory = running.directory
    values = {
        "HITL_RESOLVER": "127.0.0.11",
        "HITL_WEB": f"http://127.0.0.1:{running.web}",
        "HITL_HTTP_PORT": str(running.port),
        "HITL_HTTPS_PORT": str(running.https),
        "HITL_HEALTH_PORT": str(running.health),
        "HITL_PAGES": str(NGINX / "pages"),
        "HITL_CACHE": str(directory / "static"),
        "HITL_ACCESS_LOG": str(directory / "access.log"),
        "HITL_ERROR_LOG": str(directory / "error.log"),
        "HITL_CERTIFICATES": str(certificates),
    } | ({"HITL_BASE_URL": base_url} if base_url else {})
    program = '. "$1" && envsubst "$(env | sed -n \'s/^\\(HITL_[A-Z_]*\\)=.*/${\\1}/p\')"'
    done = subprocess.run(
        ["sh", "-euc", program, "sh", NGINX / "15-tls.envsh"],
        env={"PATH": os.environ["PATH"], **values},
        input=(NGINX / "templates/hitl.conf.template").read_text("utf-8"),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def answers(port: int, path: str) -> bool:
    try:
        return ask(port, path).status == 200
    except OSError:
        return False
