"""One PostgreSQL: create its data, start it, see it ready, stop it. Runs in the supervisor."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from relay.database.embedded.errors import EmbeddedPostgresError
from relay.database.embedded.place import PORT, Place, give_to

START_MAX_S = 240.0
FAST_STOP_MAX_S = 60.0
ORPHANS_MAX_S = 60.0
ORPHANS_RETRY_S = 0.2
ORPHANS = "pre-existing shared memory block"
POLL_S = 0.02
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOG_DESCRIPTOR = 2
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",  # a DETAIL quotes values of rows
    "cluster_name": "kling-relay",
}


class Server:
    """A running PostgreSQL that is our child, so that on Linux it never outlives us."""

    def __init__(self, place: Place, programs: Path, socket_dir: Path, log: Path) -> None:
        """Start it, and wait until it takes connections and has the database `relay`.

        Raises:
            EmbeddedPostgresError: it did not come up. Nothing is left running.
        """
        self._log = log
        self._programs = programs
        self._place = place
        self._create_cluster()
        self._let_in_by_peer()
        _end_predecessor(place.cluster, socket_dir)
        self._process = self._start(socket_dir)
        self.pid = self._process.pid
        try:
            self._create_database(socket_dir)
        except BaseException:
            self.stop()
            raise

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """Disconnect all clients, write a checkpoint, end; by force if that takes too long."""
        _stop(self._process)

    def _create_cluster(self) -> None:
        """Run initdb beside the final name, so that a killed one is never taken for data."""
        cluster = self._place.cluster
        for leftover in cluster.parent.glob("cluster.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if (cluster / "PG_VERSION").exists():
            return
        partial = cluster.with_name(f"cluster.partial-{os.getpid()}")
        partial.mkdir(mode=0o700)
        give_to(partial, self._place.account)
        options = "--username=postgres --auth=peer --encoding=UTF8 --locale=C --no-instructions"
        self._run("initdb", "-D", partial, *options.split())
        partial.rename(cluster)
        _flush(cluster.parent)

    def _let_in_by_peer(self) -> None:
        """Let in who runs it and root, as the system knows them; a password would lie in a file.

        At each start, since older data let in everybody who reached the socket.
        """
        names = dict.fromkeys(("root", self._place.user_name))
        files = {
            "pg_hba.conf": "local all all peer map=relay\n",
            "pg_ident.conf": "".join(f'relay "{name}" postgres\n' for name in names),
        }
        for name, text in files.items():
            self._write(self._place.cluster / name, text)

    def _write(self, path: Path, text: str) -> None:
        """Put a file in the place of another; the server's user may have put a link there."""
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        give_to(path, self._place.account)

    def _create_database(self, socket_dir: Path) -> None:
        options = f"--port={PORT} --username=postgres --no-password relay"
        self._run("createdb", "-h", socket_dir, *options.split(), harmless="already exists")

    def _start(self, socket_dir: Path) -> subprocess.Popen[bytes]:
        settings = SETTINGS | {"unix_socket_directories": str(socket_dir)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        deadline = time.monotonic() + ORPHANS_MAX_S
        while True:
            offset = _size(self._log)
            process = self._spawn(
                "postgres", "-D", self._place.cluster, *options, when_we_die=signal.SIGINT
            )
            if self._becomes_ready(process):
                return process
            _stop(process)
            # Backends of a server that was killed end with the query they are at.
            if ORPHANS not in _complaint(self._log, offset) or time.monotonic() > deadline:
                raise self._failure("PostgreSQL did not start", offset)
            time.sleep(ORPHANS_RETRY_S)

    def _becomes_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Follow the status that PostgreSQL keeps in postmaster.pid, as pg_ctl does."""
        deadline = time.monotonic() + START_MAX_S
        while process.poll() is None and time.monotonic() < deadline:
            lines = _postmaster_file(self._place.cluster)
            if lines[:1] == [str(process.pid)] and lines[-1].strip() == "ready":
                return True
            time.sleep(POLL_S)
        return False

    def _run(self, program: str, *arguments: str | Path, harmless: str | None = None) -> None:
        offset = _size(self._log)
        process = self._spawn(program, *arguments, when_we_die=signal.SIGKILL)
        try:
            failed = process.wait(timeout=START_MAX_S) != 0
        except subprocess.TimeoutExpired:
            process.kill()
            failed = process.wait() != 0
        if failed and not (harmless and harmless in _complaint(self._log, offset)):
            raise self._failure(f"{program} failed", offset)

    def _failure(self, what: str, log_offset: int) -> EmbeddedPostgresError:
        why = _complaint(self._log, log_offset)
        return EmbeddedPostgresError(f"{what}{why and ': '}{why}; its log is {self._log}.")

    def _spawn(
        self, program: str, *arguments: str | Path, when_we_die: signal.Signals
    ) -> subprocess.Popen[bytes]:
        account = self._place.account
        kept = {k: v for k, v in os.environ.items() if k == "PATH" or re.match("LD_|DYLD_", k)}
        return subprocess.Popen(  # noqa: S603 - fixed programs, our own arguments
            [self._programs / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=LOG_DESCRIPTOR,
            stderr=LOG_DESCRIPTOR,
            cwd="/",
            env=kept | {"LC_ALL": "C", "TZ": "UTC"},
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            start_new_session=True,
            preexec_fn=_signalled_by_our_death(when_we_die),  # noqa: PLW1509 - we have one thread
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    for signal_number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=FAST_STOP_MAX_S)
            return


def _signalled_by_our_death(signal_number: signal.Signals) -> Callable[[], None] | None:
    """Make the kernel signal the child when we are killed (only Linux can).

    Elsewhere the next supervisor ends what it finds (`_end_predecessor`).
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def before_exec() -> None:  # after the change of user, which would clear the request
        prctl(PR_SET_PDEATHSIG, int(signal_number))
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def _end_predecessor(cluster: Path, socket_dir: Path) -> None:
    """Stop a server whose supervisor was killed, and clear what a dead one left.

    A process id left in postmaster.pid may belong to anything by now, and PostgreSQL then refuses
    to start. Deleting the file would also disable its check for orphaned backends by shared
    memory, so our own id is put there: PostgreSQL takes its parent's id for a stale one.
    """
    lines = _postmaster_file(cluster)
    if lines and lines[0].isdecimal():
        _end_postmaster(int(lines[0]), cluster)
    lines = _postmaster_file(cluster)
    if any(lines):
        (cluster / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    else:
        (cluster / "postmaster.pid").unlink(missing_ok=True)
    for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        (socket_dir / name).unlink(missing_ok=True)


def _end_postmaster(pid: int, cluster: Path) -> None:
    for signal_number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if not _is_postmaster(pid, cluster):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        deadline = time.monotonic() + FAST_STOP_MAX_S
        while time.monotonic() < deadline and _is_postmaster(pid, cluster):
            time.sleep(POLL_S)


def _is_postmaster(pid: int, cluster: Path) -> bool:
    """Say whether that process serves this cluster; a zombie does not."""
    if sys.platform != "linux":
        return _is_postmaster_by_ps(pid, cluster)
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == cluster.resolve()
    except OSError:
        return False


def _is_postmaster_by_ps(pid: int, cluster: Path) -> bool:
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    shown = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True).stdout  # noqa: S603 - a fixed command and a number
    return "postgres" in shown and f"-D {cluster}" in shown


def _postmaster_file(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _size(log: Path) -> int:
    return log.stat().st_size


def _complaint(log: Path, offset: int) -> str:
    """Return the first complaint in the log after `offset`, or ''."""
    with log.open("rb") as lines:
        lines.seek(offset)
        text = lines.read().decode(errors="replace")
    found = re.search(r"^.*?((?:FATAL|PANIC|ERROR|error): .*)$", text, re.MULTILINE)
    return found[1].rstrip(".") if found else ""


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
