"""Ten thousand webhooks, three in ten calls failing in every way a call can, two workers killed again and again: each
arrives at least once, with the same id each time, and in order at each endpoint."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from standardwebhooks import Webhook

from approvals.models import Channel, Decision, User
from approvals.services import endpoints, lifecycle
from approvals.services.dispatch import dispatch
from approvals.services.endpoints import Wanted
from notifications.models import Delivery
from tests.cast import SYSTEM, actor_for
from tests.hitl.test_serve import ROOT
from tests.notifications.receiver import answering, receiving

pytestmark = [pytest.mark.soak, pytest.mark.django_db(transaction=True)]

ENDPOINTS = 8
ITEMS = 1_250  # each, ten thousand in all
FAILING = 0.3
LIFE = (5.0, 20.0)  # seconds a worker lives, once it has begun
PATIENCE = 1_500.0  # seconds without end would be a delivery that is lost

# What the worker's jobs do, with pauses of a moment instead of hours, and claims that end in seconds.
WORKER = """
import sys, time
from datetime import timedelta
from django.db import connection
from django.utils import timezone
from approvals.services import webhooks
from notifications import backoff
from notifications.services import deliveries
connection.settings_dict.update(NAME=NAME, USER=USER)
backoff.FIRST, backoff.LONGEST, deliveries.CLAIM = 0.05, 0.5, timedelta(seconds=6)
print("begun", flush=True)
while True:
    webhooks.tell_endpoints(timezone.now())
    if not deliveries.deliver_due(timezone.now()):
        time.sleep(0.02)
"""


@contextmanager
def worker() -> Iterator[subprocess.Popen[str]]:
    names = f"NAME, USER = {connection.settings_dict['NAME']!r}, {connection.settings_dict['USER']!r}\n"
    process = subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "shell", "--no-imports", "-c", names + WORKER],
        env=os.environ | {"OUTBOUND_ALLOW": "127.0.0.0/8", "LOG_LEVEL": "ERROR"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def keep_killing(stop: threading.Event, killed: list[int]) -> None:
    """Run one worker after the other, each until it is killed in the middle of something."""
    while not stop.is_set():
        with worker() as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            stop.wait(random.uniform(*LIFE))
            process.send_signal(signal.SIGKILL)
            killed.append(process.pid)


def broken_off(handler: Any) -> None:
    """Take a message and break off before the answer: we have it, and whoever sent it does not know."""
    handler.close_connection = True


def cut_short(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 ")
    handler.close_connection = True


def test_each_arrives_with_one_id_and_in_order_whoever_is_killed(
    make_patch: Callable[..., Decision],
    lena: User,
    token_for: Callable[..., str],
    settings: Any,
) -> None:
    token_for("deployer", "argo")
    now = timezone.now()
    for _ in range(ITEMS):
        ended: dict[str, Any] = {"channel": Channel.PAGE, "user": lena, "actor": actor_for(lena), "now": now}
        lifecycle.cancel(make_patch().decision_id, "Not needed.", **ended)
    while dispatch():
        pass
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.1")]
    came: dict[str, list[tuple[int, str]]] = defaultdict(list)
    taken: set[tuple[str, int]] = set()
    secrets: dict[str, str] = {}
    outcomes = [answering(503), answering(429, Retry_After="0"), answering(500), cut_short, broken_off]

    def answer(handler: Any) -> None:
        request = handler.came
        fails = random.choice(outcomes) if random.random() < FAILING else None
        if fails in (None, broken_off):
            said = Webhook(secrets[request.path]).verify(request.body, request.headers)
            came[request.path].append((said["data"]["position"], request.headers["webhook-id"]))
            taken.add((request.path, said["data"]["position"]))
        (fails or answering(204))(handler)

    lock = threading.Lock()

    def one_at_a_time(handler: Any) -> None:
        with lock:
            answer(handler)

    stop = threading.Event()
    killed: list[int] = []
    with receiving(one_at_a_time) as receiver:
        for number in range(ENDPOINTS):
            wanted = Wanted(f"{number}", f"http://127.0.0.1:{receiver.port}/{number}", "standard", "deployer:argo")
            _, secrets[f"/{number}"] = endpoints.add(wanted, 0, actor=SYSTEM, now=now)
        workers = [threading.Thread(target=keep_killing, args=(stop, killed)) for _ in range(2)]
        started = time.monotonic()
        for thread in workers:
            thread.start()
        try:
            while len(taken) < ENDPOINTS * ITEMS:
                assert time.monotonic() - started < PATIENCE, f"{len(taken)} of {ENDPOINTS * ITEMS} arrived"
                time.sleep(0.2)
        finally:
            stop.set()
            for thread in workers:
                thread.join()
    calls = sum(map(len, came.values()))
    seconds = time.monotonic() - started
    print(f"{len(taken)} arrived in {calls} accepted calls, {len(killed)} workers killed, {seconds:.0f} s")
    assert len(killed) > 4
    for path, seen in came.items():
        newest = 0
        ids: dict[int, str] = {}
        for position, message in seen:
            assert position <= newest + 1, f"{path}: {position} came before {newest + 1}"
            newest = max(newest, position)
            assert ids.setdefault(position, message) == message, f"{path}: {position} has two ids"
        assert newest == ITEMS
    assert Delivery.objects.filter(state="dead").count() == 0
