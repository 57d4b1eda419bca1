"""A PostgreSQL of our own, for when no database is configured.

- While an `embedded_postgres` context is open, the server runs and its database `relay` exists.
- Any number of processes, and of contexts in one process, share one data directory. The first to
  end stops nothing; some seconds after the last one, however it ended, nothing is left running.
- No TCP: one unix socket in a directory that only its owner can enter. fsync is on.
- As root, PostgreSQL itself runs as a user of its own, `kling-relay-db`, made if need be. No
  permission of any directory that is not ours is changed; see `place.py` for where things then lie.
- It lets in root and who runs it, as the system knows them (peer), whoever reaches the socket.

`attach.py` is what a command does, `supervisor.py` the detached process that owns the server.
Nothing here imports more than the standard library, so that the supervisor starts quickly.
"""

from relay.database.embedded.attach import EmbeddedPostgres, embedded_postgres
from relay.database.embedded.errors import EmbeddedPostgresError
from relay.database.embedded.place import default_data_dir, is_made

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "default_data_dir",
    "embedded_postgres",
    "is_made",
]
