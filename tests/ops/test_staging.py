"""start-staging.sh and stop-staging.sh with a stand-in for docker that records calls and fails where it is told."""

import os
import shutil
import socket
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hitl.test_serve import ROOT
from tests.ports import free_port

# One line a call. What it is asked for exists once it was started; FAIL_AT is a part of the call that fails.
DOCKER = r"""#!/usr/bin/env bash
call=$(printf '%s ' "$@" | sed "s#--project-directory [^ ]* --file [^ ]* --env-file [^ ]* ##; s# \$##")
echo "$call" >>"$STANDIN/calls"
if [ -n "${FAIL_AT:-}" ] && [[ $call == *"$FAIL_AT"* ]]; then
    echo "docker: it broke" >&2
    exit 1
fi
case $call in
    "compose ps --quiet") [ ! -e "$STANDIN/up" ] || echo all ;;
    "compose ps --all --quiet "*) echo "${call##* }" ;;
    "compose up "*) touch "$STANDIN/up" ;;
    inspect*)
        seen=$(grep -c "^inspect.* ${call##* }\$" "$STANDIN/calls")
        if [ "${call##* }" = "${SICK:-}" ]; then
            echo "${SICKNESS:-starting}"
        elif [ "${call##* }" = "${SLOW:-}" ] && [ "$seen" -eq 1 ]; then
            echo starting
        else
            echo healthy
        fi
        ;;
    *"cat /var/lib/hitl/demo-accounts") echo "alice@example.org  a-password" ;;
    *logs*) echo "the last words of ${call##* }" ;;
esac
"""
STEPS = {
    "compose version": "'docker compose' is missing",
    "info": "The Docker daemon does not answer",
    "build --quiet": "The image could not be built",
    "run --rm --user 0:0": "The secrets could not be given",
    "compose up --detach postgres": "PostgreSQL could not be started",
    "compose run --rm migrate": "The migrations failed",
    "compose up --detach --no-deps web worker": "Web and worker could not be started",
    "compose up --detach --remove-orphans": "Not everything could be started",
    "load_demo": "The demo could not be loaded; everything else runs",
}


@dataclass
class Staging:
    """A copy of deploy/ with the stand-in first in the PATH."""

    place: Path

    @property
    def compose(self) -> Path:
        return self.place / "deploy/compose"

    def run(self, script: str, *arguments: str, answer: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
            "STANDIN": str(self.place),
            "HOME": str(self.place),
        }
        return subprocess.run(
            [self.compose / script, *arguments],
            env={**environment, **more},
            input=answer,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        calls = self.place / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def files(self) -> dict[str, str]:
        return {file.name: file.read_text() for file in (self.compose / "secrets").iterdir()}


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    ignored = shutil.ignore_patterns(".env", "secrets", "tls", "backups")
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=ignored)
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin/docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    example = tmp_path / "deploy/compose/.env.example"
    text = example.read_text()
    for name in ("HTTP", "HTTPS", "API", "PROMETHEUS", "ALERTMANAGER", "GRAFANA"):
        before = next(line for line in text.splitlines() if line.startswith(f"{name}_PORT="))
        text = text.replace(before, f"{name}_PORT={free_port()}")
    example.write_text(text)
    return Staging(tmp_path)


@pytest.fixture
def started(staging: Staging) -> Staging:
    assert staging.run("start-staging.sh").returncode == 0
    return staging


def position(calls, part):
    return next(number for number, call in enumerate(calls) if part in call)


def test_everything_comes_up_in_order_and_says_where_it_is(staging):
    done = staging.run("start-staging.sh", SLOW="web")
    assert done.returncode == 0, done.stderr
    calls = staging.calls()
    order = [position(calls, part) for part in STEPS]
    assert order == sorted(order)
    waited = [call.rsplit(" ", 1)[1] for call in calls if call.startswith("inspect")]
    assert list(dict.fromkeys(waited)) == [
        "postgres",
        "web",
        "worker",
        "nginx",
        "alertmanager",
        "prometheus",
        "grafana",
    ]
    for line in (
        "  web          . healthy after",
        "API          http://127.0.0.1:",
        "Pages        http://localhost:8080",
    ):
        assert line in done.stdout
    assert "alice@example.org  a-password" in done.stdout
    secrets = staging.files()
    assert not [value for value in secrets.values() if value and value in done.stdout + done.stderr + "\n".join(calls)]


def test_the_image_is_labelled_and_the_secrets_belong_to_their_readers(staging):
    assert staging.run("start-staging.sh").returncode == 0
    calls = staging.calls()
    build = calls[position(calls, "build")]
    for argument in ("VERSION=", "REVISION=", "CREATED=20", "SOURCE="):
        assert f"--build-arg {argument}" in build
    given = {call.split()[-2]: call for call in calls if "--entrypoint chown" in call}
    assert set(given) == {"999:999", "1000:1000", "472:472", "65534:65534"}
    assert "/secrets/owner_password:" in given["999:999"]
    assert "/secrets/database_migrate_url:" in given["1000:1000"]
    assert "/secrets/metrics_token:" in given["65534:65534"]


def test_certificates_belong_to_nginx_which_sees_whether_there_are_any(staging):
    assert staging.run("start-staging.sh").returncode == 0
    assert stat.S_IMODE((staging.compose / "tls").stat().st_mode) == 0o755
    assert not [call for call in staging.calls() if "-R 101:101" in call]
    (staging.compose / "tls/tls.key").touch()
    assert staging.run("start-staging.sh").returncode == 0
    assert [call for call in staging.calls() if "/compose/tls:/given/tls" in call and "-R 101:101" in call]


def test_secrets_are_made_once_each_of_its_own_and_for_nobody_else_to_read(staging):
    assert staging.run("start-staging.sh").returncode == 0
    first = staging.files()
    assert set(first) == {
        "postgres_password", "owner_password", "app_password", "database_url", "database_migrate_url", "secret_key",
        "metrics_token", "web_metrics_token", "grafana_password",
    }  # fmt: skip
    assert first["metrics_token"] == first.pop("web_metrics_token")
    assert len(set(first.values())) == len(first)
    assert first["database_url"] == f"postgresql://hitl_app:{first['app_password']}@postgres:5432/hitl"
    assert min(len(first[name]) for name in first if name.endswith("password")) == 64
    for path in ((staging.compose / "secrets").iterdir(), [staging.compose / ".env"]):
        assert {stat.S_IMODE(file.stat().st_mode) for file in path} == {0o600}
    assert stat.S_IMODE((staging.compose / "secrets").stat().st_mode) == 0o700
    assert staging.run("start-staging.sh").returncode == 0
    assert staging.files() == first | {"web_metrics_token": first["metrics_token"]}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_ends_it_with_a_sentence(staging, step):
    done = staging.run("start-staging.sh", FAIL_AT=step)
    assert done.returncode == 1
    [sentence] = [line for line in done.stderr.splitlines() if line.startswith("start-staging.sh: ")]
    assert STEPS[step] in sentence
    later = list(STEPS)[list(STEPS).index(step) + 1 :]
    assert [call for call in staging.calls() if any(part in call for part in later)] == []


def test_after_a_failure_it_goes_on_where_it_stopped(staging):
    staging.run("start-staging.sh", FAIL_AT="compose run --rm migrate")
    made = staging.files()
    (staging.compose / "secrets/web_metrics_token").unlink()
    assert staging.run("start-staging.sh").returncode == 0
    again = staging.files()
    assert {name for name in made if made[name] != again[name]} == {"metrics_token", "web_metrics_token"}


@pytest.mark.parametrize("sickness", ["exited", "unhealthy"])
def test_a_service_that_does_not_become_healthy_shows_its_last_words(staging, sickness):
    done = staging.run("start-staging.sh", SICK="worker", SICKNESS=sickness)
    assert done.returncode == 1
    assert "the last words of worker" in done.stderr
    assert f"worker is {sickness}; its last lines are above" in done.stderr
    assert not [call for call in staging.calls() if "load_demo" in call]


def test_nothing_is_waited_for_without_end(staging):
    done = staging.run("start-staging.sh", SICK="web", HITL_WAIT_SECONDS="1")
    assert done.returncode == 1
    assert "web was not healthy within 1 s" in done.stderr


def test_the_small_one_is_postgresql_web_and_worker(staging):
    done = staging.run("start-staging.sh", "--small", "--no-demo", "--no-build")
    assert done.returncode == 0, done.stderr
    calls = staging.calls()
    assert [call for call in calls if "load_demo" in call or call.startswith("build")] == []
    assert {call.rsplit(" ", 1)[1] for call in calls if call.startswith("inspect")} == {"postgres", "web", "worker"}
    assert "Grafana" not in done.stdout


def test_without_docker_it_says_what_to_install(staging):
    (staging.place / "bin/docker").unlink()
    for tool in ("bash", "dirname", "sed", "head", "git", "date", "cat"):
        (staging.place / "bin" / tool).symlink_to(shutil.which(tool))
    done = staging.run("start-staging.sh", PATH=str(staging.place / "bin"))
    assert done.returncode == 1
    assert "docker is missing. Install Docker Engine" in done.stderr


def test_a_port_in_use_and_a_setting_that_is_gone_are_named(staging):
    environment = staging.compose / ".env"
    text = (staging.compose / ".env.example").read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment.write_text(f"{text}API_PORT={port}\n")
        done = staging.run("start-staging.sh")
    assert done.returncode == 1
    assert f"Port {port} is in use. Stop what runs there, or set API_PORT" in done.stderr
    environment.write_text(text.replace("GRAFANA_PASSWORD_FILE=", "#"))
    done = staging.run("start-staging.sh")
    assert done.returncode == 1
    assert "does not set GRAFANA_PASSWORD_FILE" in done.stderr
    assert not [call for call in staging.calls() if "up" in call.split()]


def test_secrets_that_no_longer_fit_together_are_not_replaced(started):
    (started.compose / "secrets/app_password").unlink()
    done = started.run("start-staging.sh")
    assert done.returncode == 1
    assert "Some secrets are there and some are missing" in done.stderr


@pytest.mark.parametrize("script", ["start-staging.sh", "stop-staging.sh"])
def test_what_it_does_not_know_it_refuses(staging, script):
    done = staging.run(script, "--prod")
    assert done.returncode == 1
    assert "There is no option --prod. See --help." in done.stderr
    assert staging.calls() == []
    assert staging.run(script, "--help").stdout.startswith(f"Usage: deploy/compose/{script}")


# stop-staging.sh


def test_stopping_keeps_the_data(started):
    done = started.run("stop-staging.sh")
    assert done.returncode == 0, done.stderr
    assert started.calls()[-1] == "compose down --remove-orphans"
    assert "secret_key" in started.files()


@pytest.mark.parametrize(("answer", "purged"), [("hitl\n", True), ("yes\n", False), ("", False)])
def test_purging_asks_for_the_name(started, answer, purged):
    done = started.run("stop-staging.sh", "--purge", answer=answer)
    assert (done.returncode == 0) == purged
    assert ("compose down --remove-orphans --volumes" in started.calls()) == purged
    assert bool(started.files()) != purged
    assert (started.compose / ".env").exists()


def test_purging_with_yes_asks_nobody_and_keeps_backups_and_certificates(started):
    for name in ("backups/one.dump", "tls/tls.key"):
        (started.compose / name).touch()
    assert started.run("stop-staging.sh", "--purge", "--yes").returncode == 0
    assert started.files() == {}
    assert (started.compose / "backups/one.dump").exists()
    assert (started.compose / "tls/tls.key").exists()


def test_where_purging_fails_the_secrets_stay(started):
    done = started.run("stop-staging.sh", "--purge", "--yes", FAIL_AT="down")
    assert done.returncode == 1
    assert "The secrets are still there" in done.stderr
    assert "secret_key" in started.files()
