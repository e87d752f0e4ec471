"""The files of the built image as a container runs them: process 1 in a namespace of its own, uid 1000, no capability,
a tree that is read-only but for /tmp and the data directory."""

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

# "$1" is the tree, "$2" the directory that becomes /tmp, "$3" the data directory; the command follows.
PROGRAM = """
set -eu
tree=$1 tmp=$2 data=$3
shift 3
mount --make-rprivate /
mount --bind "$tree" "$tree"
mount -o remount,bind,ro "$tree"
mount --bind "$tmp" "$tree/tmp"
mount --bind "$data" "$tree/var/lib/hitl"
mount -t proc proc "$tree/proc"
for node in null zero urandom; do mount --bind "/dev/$node" "$tree/dev/$node"; done
cd "$tree"
exec chroot . /usr/bin/setpriv --reuid=1000 --regid=1000 --clear-groups --bounding-set=-all --inh-caps=-all \
    --no-new-privs /usr/bin/env -C /app "$@"
"""


@dataclass(frozen=True)
class Image:
    """An image's files and configuration, and the directories that a container of it may write."""

    tree: Path
    configuration: Path
    writable: Path

    def settings(self) -> dict[str, list[str]]:
        """Return what the Dockerfile set: Env, Entrypoint, Cmd, Labels and so on."""
        found: dict[str, list[str]] = json.loads(self.configuration.read_text())["Docker"]["config"]
        return found

    def start(
        self, name: str, *command: str, more: "dict[str, str] | None" = None, plain: bool = False
    ) -> "subprocess.Popen[str]":
        """Start a command as a container with this name would, or without the image's entrypoint where `plain`."""
        settings = self.settings()
        directories = []
        for kind in ("tmp", "data"):
            directory = self.writable / name / kind
            directory.mkdir(parents=True, exist_ok=True)
            os.chown(directory, 1000, 1000)
            directories.append(str(directory))
        environment = dict(line.split("=", 1) for line in settings["Env"]) | (more or {})
        given = [f"{key}={value}" for key, value in environment.items()]
        entry = [] if plain else settings["Entrypoint"]
        with (self.writable / f"{name}.log").open("a") as log:
            return subprocess.Popen(
                [
                    "unshare",
                    "--mount",
                    "--pid",
                    "--fork",
                    "--kill-child",
                    "sh",
                    "-c",
                    PROGRAM,
                    "sh",
                    str(self.tree),
                    *directories,
                    "-i",
                    *given,
                    *entry,
                    *(command or settings["Cmd"]),
                ],  # fmt: skip
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                env={"PATH": os.environ["PATH"]},
                cwd=self.tree,
            )

    def log(self, name: str) -> str:
        return (self.writable / f"{name}.log").read_text()

    def written(self, name: str) -> set[str]:
        """Return what a container has left in the two directories that it may write."""
        place = self.writable / name
        return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def process_one(container: "subprocess.Popen[str]") -> int:
    """Return the pid, as we see it, of a container's process 1."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
    return int(children[0])


def stop(container: "subprocess.Popen[str]", seconds: float) -> int:
    """Stop it as `docker stop` does, and return its exit status; raises TimeoutExpired where it does not listen."""
    os.kill(process_one(container), signal.SIGTERM)
    return container.wait(seconds)


def ends_in_order(container: "subprocess.Popen[str]") -> bool:
    """Tell whether the command of a container has said by now what it does at SIGTERM."""
    try:
        one = process_one(container)
        [child, *_] = Path(f"/proc/{one}/task/{one}/children").read_text().split()
        [caught] = re.findall(r"SigCgt:\s+(\w+)", Path(f"/proc/{child}/status").read_text())
    except (OSError, IndexError, ValueError):
        return False  # not there yet
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


def called(name: str, container: "subprocess.Popen[str]") -> list[str]:
    """Return the processes of a container with this name, also those that have ended and that nobody looked after."""
    found = []
    try:
        namespace = os.readlink(f"/proc/{process_one(container)}/ns/pid")
    except (OSError, IndexError):
        return []  # not there yet
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            status = (directory / "stat").read_text()
            if f"({name})" in status and os.readlink(directory / "ns/pid") == namespace:
                found.append(status)
        except OSError:
            continue  # ended meanwhile
    return found
