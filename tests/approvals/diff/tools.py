"""GNU patch and git on a folder of their own: what they make of a patch, to hold our reading against."""

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    **os.environ,
    "LC_ALL": "C",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CEILING_DIRECTORIES": "/",
}
Tree = dict[str, bytes]


def write(folder: Path, tree: Tree) -> Path:
    """Write files into a folder and return it."""
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def read(folder: Path) -> Tree:
    """Return the files of a folder, without what tools leave behind."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".orig", ".rej")
    }


def run(*command: str, folder: Path, data: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a tool in a folder with the patch on its standard input; it may take ten seconds."""
    return subprocess.run(command, cwd=folder, input=data, capture_output=True, env=ENVIRONMENT, timeout=10)


def patched(folder: Path, tree: Tree, data: bytes, *options: str) -> Tree:
    """Return the tree as `patch -p1` with these options leaves it."""
    write(folder, tree)
    run("patch", "-p1", "-f", "--no-backup-if-mismatch", "-r", "-", *options, folder=folder, data=data)
    return read(folder)


def applied(folder: Path, tree: Tree, data: bytes) -> Tree:
    """Return the tree as `git apply` leaves it."""
    write(folder, tree)
    run("git", "apply", "-", folder=folder, data=data)
    return read(folder)
