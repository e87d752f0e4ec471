"""Debian's Prometheus and Alertmanager with the files of deploy/, hurried, watching a running product."""

import json
import re
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from tests.hitl.test_serve import ROOT, wait_until
from tests.ports import free_port

PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
SECOND = {r"^(\s*(?:- )?(?:interval|for|group_wait|(?:scrape|evaluation)_interval|scrape_timeout): ).*$": r"\g<1>1s"}


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Return a text after changes by pattern, each of which must change something."""
    for pattern, other in changes.items():
        text, count = re.subn(pattern, other, text, flags=re.M)
        assert count, f"nothing looks like {pattern}"
    return text


@dataclass
class Receiver:
    """An HTTP receiver of notices; those it got, by alert and status."""

    port: int
    got: list[dict[str, Any]] = field(default_factory=list)

    def alerts(self, status: str) -> set[str]:
        alerts = [alert for notice in self.got for alert in notice["alerts"]]
        return {alert["labels"]["alertname"] for alert in alerts if alert["status"] == status}


@dataclass
class Prometheus:
    """A running Prometheus, asked through its API."""

    port: int

    def ask(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=10) as response:
            return json.load(response)["data"]

    def values(self, expression: str) -> list[float]:
        """Return the values of an instant query, without what is not a number."""
        found = [float(row["value"][1]) for row in self.ask("query", query=expression)["result"]]
        return [value for value in found if value == value]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Take notices on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def watching(directory: Path, product_port: int, token_file: Path, receiver: Receiver) -> Iterator[Prometheus]:
    """Run both programs with our files, in which only addresses and times are others."""
    here, alertmanager = free_port(), free_port()
    rules = directory / "rules"
    rules.mkdir(parents=True)
    for file in (PROMETHEUS / "rules").glob("*.yml"):
        (rules / file.name).write_text(replaced(file.read_text(), SECOND))
    ours = {
        r"web:8027": f"127.0.0.1:{product_port}",
        r"alertmanager:9093": f"127.0.0.1:{alertmanager}",
        r"localhost:9090": f"127.0.0.1:{here}",
        r"/etc/prometheus/rules": str(rules),
        r"/run/secrets/metrics_token": str(token_file),
    }
    (directory / "prometheus.yml").write_text(replaced((PROMETHEUS / "prometheus.yml").read_text(), SECOND | ours))
    hook = rf"\g<0>\n    webhook_configs:\n      - url: http://127.0.0.1:{receiver.port}/"
    text = replaced((PROMETHEUS / "alertmanager.yml").read_text(), SECOND | {r"^  - name: page$": hook})
    (directory / "alertmanager.yml").write_text(text)
    commands = [
        [
            "prometheus",
            f"--config.file={directory}/prometheus.yml",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{here}",
            "--enable-feature=expand-external-labels",
        ],
        [
            "prometheus-alertmanager",
            f"--config.file={directory}/alertmanager.yml",
            f"--storage.path={directory}/alerts",
            f"--web.listen-address=127.0.0.1:{alertmanager}",
            "--cluster.listen-address=",
        ],
    ]
    environment = {"HITL_DOCS_URL": "https://docs.example.org", "HITL_GRAFANA_URL": "https://grafana.example.org"}
    with (directory / "output").open("w") as output:
        started = [
            subprocess.Popen(command, env=environment | {"PATH": "/usr/bin"}, stdout=output, stderr=subprocess.STDOUT)
            for command in commands
        ]
    try:
        for port in (here, alertmanager):
            assert wait_until(partial(is_ready, port)), (directory / "output").read_text()
        yield Prometheus(here)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=10) as response:
            return bool(response.status == 200)
    except OSError:
        return False
