"""The receiver of docs/webhooks.md as it stands there: it loses nothing over restarts and keeps nothing twice."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from approvals.models import Decision, User
from approvals.services import endpoints, webhooks
from approvals.services.dispatch import dispatch
from approvals.services.endpoints import Wanted
from notifications.services import deliveries
from tests.cast import SYSTEM, Api
from tests.hitl.test_serve import ROOT, wait_until
from tests.ports import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PAGE = (ROOT / "docs" / "webhooks.md").read_text()


@contextmanager
def receiver(directory: Path, port: int, secret: str) -> Iterator[None]:
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    environment = os.environ | {"WEBHOOK_SECRET": secret, "PORT": str(port)}
    with subprocess.Popen([sys.executable, "-c", program], cwd=directory, env=environment, stderr=-3) as process:
        try:
            assert wait_until(lambda: listens(port))
            yield
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tell(later: timedelta = timedelta()) -> None:
    while dispatch():
        pass
    webhooks.tell_endpoints(timezone.now())
    while deliveries.deliver_due(timezone.now() + later):
        pass


def test_it_keeps_each_decision_once_whatever_restarts(
    tmp_path: Path,
    settings: Any,
    deployer_api: Api,
    make_patch: Callable[..., Decision],
    approve: Callable[..., Decision],
    alice: User,
) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    port = free_port()
    wanted = Wanted("a", f"http://127.0.0.1:{port}/", "standard", "deployer:argo")
    _, secret = endpoints.add(wanted, 0, actor=SYSTEM, now=timezone.now())
    with receiver(tmp_path, port, secret):
        approve(make_patch(), alice)
        tell()
        forged = urllib.request.Request(f"http://127.0.0.1:{port}/", b"{}", {"webhook-id": "x"})
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(forged)
    approve(make_patch(), alice)
    tell()
    approve(make_patch(), alice)
    with receiver(tmp_path, port, secret):
        tell(timedelta(hours=1))
    with closing(sqlite3.connect(tmp_path / "told.db")) as kept:
        told = [
            json.loads(body)["data"]["position"] for (body,) in kept.execute("select body from told order by rowid")
        ]
    assert told == [1, 2, 3]
