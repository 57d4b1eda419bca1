"""Whether a submit could run in this process now: whatever it awaits of the database is tried.

Not only that some connection answers: after a failover it is one of several that hangs, or a
primary that has become a standby and goes on answering questions.
"""

import asyncio
import time
from typing import NamedTuple

from relay.channels.directory import ChannelDirectory
from relay.database.batch import Batcher
from relay.database.cached import Cached
from relay.database.driver import Pool
from relay.database.faults import end_if_cancelled
from relay.database.lines import Lines
from relay.database.opener import SettingsDropped
from relay.database.rows import unnest
from relay.pricing.in_force import Prices


class ProbeRow(NamedTuple):
    """One call of PROBE."""

    number: int
    """Nothing goes by it: a batch is of rows, a row of columns."""


PROBE = f"""
SELECT n.ord, current_setting('transaction_read_only')::boolean AS is_read_only,
    extract(epoch FROM clock_timestamp())::float8 AS now_s
FROM {unnest(ProbeRow, "n")}
"""  # noqa: S608 (composed of constants)


CLOCK_AHEAD_MAX_S = 20.0
"""Of our clock against the database's, either way: not long after that Kling refuses what we sign,
and a tenant's bearer counts as too old or too new."""


class Unable(Exception):
    """A submit could not run; the message is a sentence for the operator."""


class Ability:
    """Tries it, over the very connections that a submit has."""

    def __init__(
        self,
        lines: Lines,
        pool: Pool,
        *,
        directory: ChannelDirectory,
        prices: Cached[Prices],
    ) -> None:
        self._probes = [
            Batcher(line, PROBE, is_idempotent=True)
            for line in (lines.reads, lines.holds, lines.records)
        ]
        self._pool = pool
        self._directory = directory
        self._prices = prices
        self.clock_ahead_s = 0.0
        """Of our clock against the database's, as the last try found it; 0 within its precision."""

    async def check(self) -> None:
        """Return if a submit could run.

        Raises:
            Unable
            DatabaseUnavailable, OSError, DBAPIError, asyncpg.PostgresError: as a submit would.
        """
        tries = [
            *(self._probe(batcher) for batcher in self._probes),
            self._pool.fetchval("SELECT 1"),
            self._prices.try_read(),
            self._try_channels(),
        ]
        # All at once, and to the end: each that hangs is found out, and connected anew.
        for outcome in await asyncio.gather(*tries, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def find_trouble(self) -> str | None:
        """Say in a sentence why a submit could not run, or None."""
        try:
            await self.check()
        except Unable as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 (whatever it is, we are not ready)
            end_if_cancelled(error)
            cause = error.__cause__ or error
            said = str(cause) if isinstance(cause, SettingsDropped) else type(cause).__name__
            return f"the database cannot be used: {said}"
        return _wrong_clock(self.clock_ahead_s)

    async def aclose(self) -> None:
        for batcher in self._probes:
            await batcher.aclose()

    async def _try_channels(self) -> None:
        enabled = [channel for channel in await self._directory.try_read() if channel.enabled]
        if enabled and all(channel.is_sealed for channel in enabled):
            raise Unable("RELAY_SECRET_KEY opens the keys of no channel")

    async def _probe(self, batcher: Batcher) -> None:
        before_s = time.time()
        record = await batcher.run(ProbeRow(0))
        after_s = time.time()
        assert record is not None, "each row has its record"
        middle_s, doubt_s = (before_s + after_s) / 2, (after_s - before_s) / 2
        ahead_s = middle_s - record["now_s"]
        self.clock_ahead_s = 0.0 if abs(ahead_s) <= doubt_s else ahead_s
        if record["is_read_only"]:
            raise Unable("the database takes no writes: it is a standby, or has become one")


def _wrong_clock(ahead_s: float) -> str | None:
    if abs(ahead_s) <= CLOCK_AHEAD_MAX_S:
        return None
    side = "ahead of" if ahead_s > 0 else "behind"
    return f"the clock of this machine is {abs(ahead_s):.0f} s {side} the database's"
