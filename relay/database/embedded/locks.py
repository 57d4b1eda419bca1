"""Locks between processes, on files that are never deleted.

flock and not fcntl locks: they belong to the opened file, so two contexts in one process count
twice, closing one does not drop the other, and an opened file can be handed to a child with its
lock. Python opens files close-on-exec, so no other child ever holds one by accident.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":  # where it does not exist; embedded_postgres() refuses there first
    import fcntl


@contextlib.contextmanager
def lock_file(path: Path) -> Iterator[int]:
    """Open the file of a lock, created if need be; closing it lets go of whatever it holds."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def lock_shared(descriptor: int) -> None:
    """Wait for the shared lock, without limit: who holds the exclusive one limits itself."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock if that is possible now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_UN)
