"""What a server says of itself, as far as it matters to whoever keeps books in it."""

import time
from pathlib import Path

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

DIRECTORY = """
    -- Hidden from users without pg_read_all_settings.
    (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_directory,
    inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr() AS is_here
"""
READ = text(
    f"""
    SELECT
        current_setting('server_version') AS version,
        current_setting('server_version_num')::int / 10000 AS major,
        pg_is_in_recovery() AS is_standby,
        current_setting('default_transaction_read_only')::bool AS is_read_only,
        current_setting('fsync')::bool AS is_synced,
        current_setting('full_page_writes')::bool AS writes_full_pages,
        current_setting('max_connections')::int AS connections_max,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
            AS connections,
        pg_database_size(current_database()) AS bytes,
        {DIRECTORY}
    """  # noqa: S608 (composed of constants)
)
TIMES_ASKED = 5
CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::float8")


class Facts(msgspec.Struct, frozen=True):
    """Of the server, and how this process sees it."""

    version: str
    major: int
    is_standby: bool
    is_read_only: bool
    is_synced: bool
    writes_full_pages: bool
    connections_max: int
    connections: int
    bytes: int
    data_directory: str | None
    is_here: bool
    """On this machine: by its socket, or by one address at both ends."""
    ahead_s: float
    """How far this machine's clock is before the server's; negative is behind."""
    answers_in_s: float

    @property
    def directory(self) -> Path | None:
        """Its data, if that is on this machine and to be seen."""
        return Path(self.data_directory) if self.is_here and self.data_directory else None


async def read_directory(session: AsyncSession) -> Path | None:
    """Find where the data is, if that is on this machine and to be seen."""
    row = (await session.execute(text(f"SELECT {DIRECTORY}"))).one()
    return Path(row.data_directory) if row.is_here and row.data_directory else None


async def read_facts(session: AsyncSession) -> Facts:
    found = (await session.execute(READ)).mappings().one()
    answers_in_s, ahead_s = min([await _ask_the_time(session) for _ in range(TIMES_ASKED)])
    return Facts(**found, ahead_s=ahead_s, answers_in_s=answers_in_s)


async def _ask_the_time(session: AsyncSession) -> tuple[float, float]:
    """Measure how long one question takes, and how far we are ahead; the fastest tells it best."""
    asked_at = time.time()
    server_at = await session.scalar(CLOCK) or 0.0
    answered_at = time.time()
    return answered_at - asked_at, (asked_at + answered_at) / 2 - server_at
