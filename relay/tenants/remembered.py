"""What was read of tokens and of whose they are: good until any of them is changed.

Triggers count each change of a token, a tenant or an operator in `token_changes`; whoever remembers
something asks for that number every `NOTICED_S`.
"""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from relay.database.batch import Batcher
from relay.database.cached import Cached
from relay.database.line import Line
from relay.database.rows import unnest

NOTICED_S = 2.0
"""How long a revoked token may still be taken by a running process: between two looks at whether
any token or tenant was changed. Until one was, what was read of them holds."""
UNASKED_MAX_S = 10.0
"""How long at most, where the database does not say whether there was one."""
AGE_MAX_S = 60.0
"""And no longer, should a change ever go uncounted: triggers can be switched off."""
CACHED_MAX = 20_000


class ChangesRow(NamedTuple):
    """One call of COUNT_CHANGES."""

    known: int
    """The number that the asker has. Nothing goes by it: a batch is of rows, a row of columns."""


COUNT_CHANGES = f"""
SELECT n.ord, c.number
FROM {unnest(ChangesRow, "n")}, token_changes c
"""  # noqa: S608 (composed of constants)
"""Read the number of the latest change of a token, a tenant or an operator."""


class Remembered:
    """Dictionaries that are emptied once anything was changed."""

    def __init__(
        self,
        line: Line,
        *caches: dict[Any, Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._caches = caches
        self._clock = clock
        self._changes = Batcher(line, COUNT_CHANGES, is_idempotent=True)
        self.changed = Cached(
            self._forget_if_changed,
            of="token changes",
            age_max_s=NOTICED_S,
            stale_max_s=UNASKED_MAX_S,
            clock=clock,
        )
        """To be got before anything is taken from a dictionary."""
        self.number = -1
        """Of the latest change that was looked for: what is remembered was read after that one."""
        self._read_since = -math.inf

    def keep(self, cache: dict[Any, Any], key: object, value: object, *, read_at: int) -> None:
        """Keep what was read when `read_at` was the latest change, unless there was one since."""
        if read_at == self.number:
            if len(cache) >= CACHED_MAX:
                cache.clear()
            cache[key] = value

    async def aclose(self) -> None:
        await self._changes.aclose()

    async def _forget_if_changed(self) -> None:
        asked_at = self._clock()
        record = await self._changes.run(ChangesRow(self.number))
        number = -1 if record is None else record["number"]
        if number != self.number or asked_at - self._read_since > AGE_MAX_S or record is None:
            self.number, self._read_since = number, asked_at
            for cache in self._caches:
                cache.clear()
