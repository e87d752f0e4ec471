"""A backup's three files (dump, manifest, checksums), which of them go after a while, and PostgreSQL's own programs."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from psycopg.conninfo import make_conninfo

from hitl import embedded_postgres

FORMAT = 1
STAMP = "%Y%m%dT%H%M%SZ"
NAME = re.compile(r"hitl-(\d{8}T\d{6}Z)")
OURS = re.compile(rf"\.?({NAME.pattern})\.(dump|json|sha256)(\.partial)?")
"""Every name that a backup uses, finished or not; nothing else in the directory is touched."""
SECRETS = {"oauth_client_secret", "scram_client_key", "scram_server_key", "sslpassword"}
"""Of libpq's options, beside the password; they have no variable in the environment."""
LEFT_BEHIND = timedelta(days=1)
"""After which what a killed backup left is deleted: no backup runs that long."""


@dataclass(frozen=True)
class Backup:
    """A finished or future backup, by the path of its dump: a file, or a directory where it was made in parallel."""

    dump: Path

    @classmethod
    def named(cls, directory: Path, at: datetime) -> "Backup":
        return cls(directory / f"hitl-{at:{STAMP}}.dump")

    @property
    def partial(self) -> Path:
        return _partial(self.dump)

    @property
    def manifest_file(self) -> Path:
        return self.dump.with_suffix(".json")

    @property
    def checksums_file(self) -> Path:
        return self.dump.with_suffix(".sha256")

    def claim(self) -> None:
        """Make the name ours alone, in a directory that only its owner reads; raise CommandError if it is taken."""
        self.dump.parent.mkdir(mode=0o700, exist_ok=True)
        taken = f"{self.dump} is there already, or being written: try again in a second."
        try:
            os.close(os.open(_partial(self.manifest_file), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError as error:
            raise CommandError(taken) from error
        if self.dump.exists():
            _remove(_partial(self.manifest_file))
            raise CommandError(taken)

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write manifest and checksums beside the partial dump, and give that its name last: what has it is whole."""
        _write(self.manifest_file, json.dumps(manifest, indent=2) + "\n")
        files = {self.dump.name + name: path for name, path in _files(self.partial)}
        files[self.manifest_file.name] = self.manifest_file
        # As sha256sum writes it, so that `sha256sum --check` reads it too.
        _write(self.checksums_file, "".join(f"{_digest(path)}  {name}\n" for name, path in files.items()))
        for path in files.values():
            _sync(path)
        self.partial.rename(self.dump)
        _sync(self.dump.parent)

    def read(self) -> dict[str, Any]:
        """Return the manifest after every file was compared with its checksum; raise CommandError."""
        try:
            lines = [line.partition("  ") for line in self.checksums_file.read_text().splitlines()]
            wanted = {name: digest for digest, _, name in lines}
            there = {self.dump.name + name: path for name, path in _files(self.dump)}
            there[self.manifest_file.name] = self.manifest_file
            found = {name: _digest(path) for name, path in there.items()}
            manifest: dict[str, Any] = json.loads(self.manifest_file.read_text())
        except (OSError, ValueError) as error:
            raise CommandError(f"{self.dump} is no whole backup: {error}. Nothing was touched.") from error
        if wrong := sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)):
            raise CommandError(
                f"{', '.join(wrong)} is not what {self.checksums_file.name} says: damaged or changed since. "
                "Nothing was touched; take another backup."
            )
        if manifest.get("format") != FORMAT:
            raise CommandError(
                f"{self.manifest_file} has format {manifest.get('format')}; this release reads {FORMAT}."
            )
        return manifest

    def remove(self) -> None:
        """Delete it, the dump first: what is left of an interrupted deletion is no backup."""
        for path in (self.dump, self.manifest_file, self.checksums_file):
            _remove(path)
            _remove(_partial(path))


def delete_old(directory: Path, days: int, database: str, now: datetime) -> list[str]:
    """Delete backups of this database that are older, but never the newest, and what killed ones left; return names."""
    names = {match[1] for path in directory.iterdir() if (match := OURS.fullmatch(path.name))}
    backups = [Backup(directory / f"{name}.dump") for name in sorted(names)]
    whole = [backup for backup in backups if backup.dump.exists() and _is_of(backup, database)]
    old = [backup for backup in whole[:-1] if _made(backup) < now - timedelta(days=days)]
    left = [backup for backup in backups if not backup.dump.exists() and _made(backup) < now - LEFT_BEHIND]
    for backup in [*old, *left]:
        backup.remove()
    return [backup.dump.name for backup in old]


def _is_of(backup: Backup, database: str) -> bool:
    try:
        return bool(json.loads(backup.manifest_file.read_text())["database"] == database)
    except (OSError, ValueError, KeyError, TypeError):
        return False  # not ours, or not whole: a person looks at it


def _made(backup: Backup) -> datetime:
    return datetime.strptime(backup.dump.stem, f"hitl-{STAMP}").replace(tzinfo=UTC)


def program(name: str, least: int) -> str:
    """Return the path of one of PostgreSQL's programs of version `least` or the next above: the embedded server's own
    or one of the PATH. Raise CommandError that says what to install."""
    found: dict[int, str] = {}
    for path in (shutil.which(name), _embedded(name)):
        if path:
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            if version := re.search(r"\) (\d+)", said):
                found[int(version[1])] = path
    if good := [version for version in found if version >= least]:
        return found[min(good)]
    have = f"the newest here is {max(found)}" if found else "there is none here"
    raise CommandError(
        f"This needs {name} {least} or newer, and {have}. Install postgresql-client-{least} (Debian, Ubuntu: from "
        "https://apt.postgresql.org) or put the directory of a newer one first in PATH."
    )


def _embedded(name: str) -> str | None:
    try:
        return embedded_postgres.binary(name)
    except embedded_postgres.EmbeddedPostgresError:
        return None


def connecting(parameters: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return what a program of PostgreSQL gets to connect: options for all to see, and the environment with the
    password. Raise CommandError for another secret, which would have no place but a command line."""
    if secret := sorted(SECRETS & parameters.keys()):
        raise CommandError(f"{secret[0]} would stand on a command line, where others read it. Nothing was touched.")
    shown = {name: value for name, value in parameters.items() if name != "password"}
    environment = dict(os.environ) | {"PGAPPNAME": "hitl backup"}
    if parameters.get("password"):
        environment["PGPASSWORD"] = parameters["password"]
    return f"--dbname={make_conninfo(**shown)}", environment


def _files(dump: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file of a dump with its name below it; '' for a dump that is a file."""
    if dump.is_dir():
        yield from ((f"/{path.name}", path) for path in sorted(dump.iterdir()))
    else:
        yield "", dump


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(_partial(path), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    _partial(path).rename(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
