"""The detached process that owns the server: `python -m … HOME LOCK_DESCRIPTOR LINGER_S`.

Started by `attach.py`, which describes the locks. It survives the command that started it, since
other commands may use the server, and ends some seconds after the last user did.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from relay.database.embedded import locks
from relay.database.embedded.binaries import programs
from relay.database.embedded.errors import EmbeddedPostgresError, reason
from relay.database.embedded.place import LOG_NAME, PORT, settle, socket_directory
from relay.database.embedded.server import LOG_DESCRIPTOR, Server

POLL_S = 0.1
LOG_BYTES_MAX = 16 * 1024 * 1024
LIFE_MIN_S = 2.0  # a server that ended sooner is not started again: it would end again


class Supervisor:
    """Keep one server running for as long as there are users."""

    def __init__(self, home: Path, *, own_lock: int, linger_s: float) -> None:
        self._home = home
        self._own_lock = own_lock
        self._linger_s = linger_s
        self._free_since: float | None = None
        self._asked_to_stop = False

    def run(self) -> None:
        """Start the server, tell who waits for it, and return when it has been stopped.

        Raises:
            EmbeddedPostgresError: it did not start, or ended by itself soon after.
        """
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._ask_to_stop)
        self._publish()
        with locks.lock_file(self._home / "users.lock") as users:
            server = self._start()
            _answer("ready")
            try:
                while not self._may_stop(users):
                    time.sleep(min(POLL_S, self._linger_s / 4))
                    if server.has_ended:
                        server = self._replace(server)
                    if os.fstat(LOG_DESCRIPTOR).st_size > LOG_BYTES_MAX:
                        os.ftruncate(LOG_DESCRIPTOR, 0)
            finally:
                os.ftruncate(self._own_lock, 0)
                server.stop()

    def _may_stop(self, users: int) -> bool:
        """Say whether to stop now. If no user is left, `users` stays locked: nobody joins any more.

        Until then the lock is only tried for an instant at each look, instead of being kept
        through the linger, so that whoever arrives meanwhile need not ask for it back.
        """
        if self._asked_to_stop or self._is_deleted():
            return True
        now = time.monotonic()
        if not locks.try_lock(users):
            self._free_since = None
            return False
        if self._free_since is None:
            self._free_since = now
        if now - self._free_since >= self._linger_s:
            return True
        locks.unlock(users)
        return False

    def _is_deleted(self) -> bool:
        """Say whether the data directory was removed, or replaced by a new one."""
        try:
            found = (self._home / "supervisor.lock").stat()
        except FileNotFoundError:
            return True
        return not os.path.samestat(found, os.fstat(self._own_lock))

    def _start(self) -> Server:
        place = settle(self._home)
        socket_dir = socket_directory(place)
        server = Server(place, programs(place), socket_dir, self._home / LOG_NAME)
        self._started_at = time.monotonic()
        self._publish(postmaster=server.pid, socket_dir=str(socket_dir), port=PORT)
        return server

    def _replace(self, ended: Server) -> Server:
        """Start a server again that ended by itself: its users can reconnect."""
        if time.monotonic() - self._started_at < LIFE_MIN_S:
            raise EmbeddedPostgresError(f"PostgreSQL {ended.pid} ended soon after its start.")
        self._publish()
        return self._start()

    def _publish(self, **state: str | int) -> None:
        """Write where the server listens, for those who join; nothing of it while it starts."""
        os.ftruncate(self._own_lock, 0)
        os.pwrite(self._own_lock, json.dumps({"supervisor": os.getpid()} | state).encode(), 0)

    def _ask_to_stop(self, _signal: int, _frame: object) -> None:
        self._asked_to_stop = True


def main() -> None:
    home, own_lock, linger_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    os.set_inheritable(own_lock, False)  # noqa: FBT003 - positional in the standard library
    if os.fork():
        os._exit(0)  # who started us waits for this one, and need not wait for the other
    os.setsid()
    os.umask(0o077)
    try:
        Supervisor(home, own_lock=own_lock, linger_s=linger_s).run()
    except EmbeddedPostgresError as error:
        _give_up(str(error))
    except OSError as error:
        _give_up(
            f"The embedded Postgres cannot use {home}: {reason(error)}; its log is "
            f"{home / LOG_NAME}."
        )


def _give_up(why: str) -> None:
    sys.stderr.write(f"{why}\n")
    _answer(why)
    sys.exit(1)


def _answer(text: str) -> None:
    """Send the one line that the command which started us waits for, if it still does."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.write(1, text.encode())
    except BrokenPipeError:
        sys.stderr.write("Who started this did not wait for it.\n")
    os.dup2(nowhere, 1)
    os.close(nowhere)


if __name__ == "__main__":
    main()
