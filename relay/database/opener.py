"""Opening connections to one database: none is waited for without a limit, and all can be dropped.

After a failover a peer may be gone without a word. Its sockets stay open, what is sent on them is
never answered, and no error tells. So each connection gives up on an answer by itself.
"""

import asyncio
import weakref
from collections.abc import Mapping
from typing import Any

import asyncpg

from relay.database.arrays import know_arrays
from relay.database.driver import Connection
from relay.database.url import Place, read_url

CONNECT_TIMEOUT_S = 5.0
"""All places of the database together."""
STATEMENT_TIMEOUT_S = 10.0
"""Of what somebody waits for. The disk of a busy server may take seconds for one commit."""
SESSION_TIMEOUT_S = 5.0
"""Of what reads a few rows for all that goes on: shorter, since the old ones do for some time."""
LONG_TIMEOUT_S = 3600.0
"""Of what recomputes or deletes much, and of a person's command."""
FREE_TIMEOUT_S = 5.0
"""How long one that is free is waited for, where all are in use."""

READ_ONLY = "25006"
"""SQLSTATE of a statement that a standby refused, or a primary that has become one: its connections
may stay open, and only a new one finds the primary."""


class NotWanted(OSError):
    """What answers is not what the URL asks for."""

    def __init__(self) -> None:
        super().__init__("it is not what target_session_attrs asks for")


class Nowhere(OSError):
    """None of the places that a URL names has the database."""


ELSEWHERE = (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)
"""What a place says where the database may be at the next one: not that a password is wrong."""


class Stopping(ConnectionAbortedError):
    """This process is about to end, and connects no more."""


class SettingsDropped(OSError):
    """Something between us and Postgres refuses or drops what a session sets."""

    def __init__(self, names: str) -> None:
        super().__init__(
            f"RELAY_DATABASE_URL leads through a pooler that does not pass on {names}: it must name"
            " Postgres itself; RELAY_DATABASE_POOL_URL is for a pooler"
        )


READ_BACK = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"


class Opener:
    """Opens connections to one database, and knows which of them are open.

    Of several places that a URL names it tries first the one where it found the database last: a
    server that was switched off answers nothing, and costs each connection its part of the time.
    """

    def __init__(self, url: str, *, is_shared: bool = False) -> None:
        """`is_shared`: a pooler gives each transaction a server connection that others use too.

        Then nothing is left on it: no statement is prepared by a name, and what is set is set in
        the transaction. True of a URL that leads elsewhere, it only costs some messages.

        Raises:
            ValueError: `url` is none of Postgres.
        """
        self.is_shared = is_shared
        self._url = read_url(url)
        self._found_at = 0
        """Number of the place."""
        self._opened: weakref.WeakSet[Any] = weakref.WeakSet()
        self._is_shut = False

    async def open(
        self,
        *,
        statement_timeout_s: float | None,
        settings: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Connection:
        """Connect; each statement ends in TimeoutError after so long, None waits for ever.

        `settings` of Postgres, spelled as `pg_settings` does, hold for the whole connection and are
        read back: not for one that is shared. `options` are asyncpg's own.

        Raises:
            SettingsDropped
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: not connected.
        """
        self._refuse_if_shut()
        wanted = dict(settings or {})
        assert not (wanted and self.is_shared), "they are another client's after the transaction"
        if self.is_shared:
            # Then asyncpg names no statement, and sends its text with each run: SQLAlchemy may keep
            # what it prepared.
            options["statement_cache_size"] = 0
        try:
            connection = await self._connect(
                command_timeout=statement_timeout_s, server_settings=wanted, **options
            )
        except asyncpg.PostgresError as error:
            if "startup parameter" in str(error):  # PgBouncer's words
                raise SettingsDropped(", ".join(wanted)) from error
            raise
        know_arrays(connection)
        await _read_back(connection, wanted)
        self._opened.add(connection)
        if self._is_shut:
            connection.terminate()
        self._refuse_if_shut()
        opened: Connection = connection
        return opened

    async def _connect(self, **options: Any) -> Any:
        places = self._url.places or (None,)
        if len(places) == 1:
            return await self._connect_at(places[0], **options)
        if self._url.target is None and not self.is_shared:
            options["target_session_attrs"] = "primary"
        found = []
        begin = self._found_at
        for number in (*range(begin, len(places)), *range(begin)):
            try:
                connection = await self._connect_at(places[number], **options)
            except ELSEWHERE as error:
                found.append(f"{places[number]}: {_why(error)}")
            else:
                self._found_at = number
                return connection
        raise Nowhere("; ".join(found))

    async def _connect_at(self, place: Place | None, **options: Any) -> Any:
        # One after the other, since the driver gives all of the time to a place that is silent.
        if place is not None:
            options |= {"host": place.host, "port": place.port}
        timeout_s = CONNECT_TIMEOUT_S / max(1, len(self._url.places))
        try:
            return await asyncpg.connect(self._url.dsn, timeout=timeout_s, **options)
        except asyncpg.TargetServerAttributeNotMatched as error:
            raise NotWanted from error

    def _refuse_if_shut(self) -> None:
        if self._is_shut:
            raise Stopping

    def shut(self) -> None:
        """Drop every connection, and open none any more: whoever waits for an answer fails now."""
        self._is_shut = True
        for connection in list(self._opened):
            connection.terminate()

    def shut_after(self, seconds: float) -> None:
        """Do that in so many seconds: what closes in good order by then is not disturbed."""
        asyncio.get_running_loop().call_later(seconds, self.shut)


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return getattr(error, "strerror", None) or str(error)


async def _read_back(connection: Any, wanted: Mapping[str, str]) -> None:
    if not wanted:
        return
    rows = await connection.fetch(READ_BACK, list(wanted))
    found = {row["name"]: row["setting"] for row in rows}
    dropped = [name for name, value in wanted.items() if found.get(name) != value]
    if dropped:
        connection.terminate()
        raise SettingsDropped(", ".join(dropped))


Database = Opener | str
"""Whose connections are wanted: a URL, or who opens them for others too."""


def opener_of(database: Database) -> Opener:
    return Opener(database) if isinstance(database, str) else database
