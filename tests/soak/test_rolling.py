"""The last release's web processes beside the new web and worker, on the database that the new release migrated."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hitl.test_serve import ROOT, wait_until
from tests.ports import free_port

from .callers import Callers
from .product import Product, running, settings_of, shell

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

WORK_SECONDS = 30.0
PAGES = ("/", "/history", "/analytics", "/audit/entries", "/policies", "/patches/{decision_id}")
# Printed as JSON: a session of somebody who may see everything.
SESSION = """
import json
from django.contrib.auth.models import Group
from django.test import Client
from approvals.models import User
user = User.objects.create_user("lena", "lena@example.org")
user.groups.add(*Group.objects.filter(name__in=["security-leads", "auditor"]))
client = Client()
client.force_login(user)
print(json.dumps({name: cookie.value for name, cookie in client.cookies.items()}))
"""


def last_release() -> str:
    """Return the commit of HITL_LAST_RELEASE, else of the newest tag of a release, else ''."""
    named = os.environ.get("HITL_LAST_RELEASE")
    if not named:
        tags = git("tag", "--list", "v*", "--sort=-version:refname", "--merged", "HEAD^").split()
        named = tags[0] if tags else ""
    return git("rev-parse", "--verify", "--quiet", f"{named}^{{commit}}").strip() if named else ""


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return the tree of the last release."""
    commit = last_release()
    if not commit:
        pytest.skip("no tag v* of a release in this clone; HITL_LAST_RELEASE names a commit instead")
    tree = tmp_path / "old"
    tree.mkdir()
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "--extract"], cwd=tree, input=packed.stdout, check=True)
    return tree


@contextmanager
def old_web(tree: Path, product: Product, output: Path) -> Iterator[int]:
    """Run the last release's gunicorn on the product's database, and give its port."""
    port = free_port()
    command = [sys.executable, "-P", "-m", "gunicorn", "-c", "hitl/gunicorn.conf.py", "hitl.wsgi"]
    environment = settings_of(product.data_dir, port) | {"PYTHONPATH": str(tree)}
    with output.open("w") as log:
        process = subprocess.Popen(command, cwd=tree, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        assert wait_until(lambda: answered(port, "/readyz")[0] == 200 or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        yield port
    finally:
        process.terminate()
        process.wait(60)


def answered(port: int, path: str, cookies: dict[str, str] | None = None) -> tuple[int, str]:
    pairs = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Cookie": pairs})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.url
    except urllib.error.HTTPError as error:
        return error.code, path
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return 0, path


def test_old_and_new_work_side_by_side(old: Path, tmp_path: Path) -> None:
    with running(tmp_path) as product, old_web(old, product, tmp_path / "old.log") as port:
        with Callers(product, port) as of_old, Callers(product) as of_new:
            time.sleep(WORK_SECONDS)
            assert answered(port, "/readyz")[0] == 200
        session = shell(product.data_dir, port, SESSION)
        pages = [page.format(decision_id=of_new.sent[0].decision_id) for page in PAGES]
        seen = {path: answered(port, path, session) for path in pages}
        assert seen == {path: (200, f"http://127.0.0.1:{port}{path}") for path in pages}
        for callers in (of_old, of_new):
            print(dict(callers.codes))
            assert callers.codes.keys() <= {200, 201, 409}, callers.codes
            assert len(callers.told) > 100
        product.assert_settled()
        for callers in (of_old, of_new):
            callers.assert_told_the_truth()
            callers.assert_deployers_know_the_feed()
    assert not re.search(r"Traceback|ERROR", (tmp_path / "old.log").read_text())
