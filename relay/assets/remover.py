"""What is kept no longer: rows end first, and what no row has is then taken out of the store."""

import time

import structlog

from relay.assets.statements import CLAIM_DOOMED, DOOM, END_OF_REMOVED, EXPIRE, REMOVED
from relay.assets.store import AssetStore, StoreFailed, key_of
from relay.database.driver import Pool

log = structlog.get_logger()

ENDED_AT_ONCE, REMOVED_AT_ONCE = 500, 100
REMOVE_EVERY_S, TIDY_EVERY_S = 60.0, 86400.0


class Remover:
    """Removes what is over."""

    def __init__(self, pool: Pool, store: AssetStore) -> None:
        self._pool = pool
        self._store = store
        self._tidy_at = 0.0

    async def turn(self) -> None:
        """End what is over, or a removed tenant's, and take out of the store what nobody has.

        An object that cannot be taken out is tried again; the others are none the worse.
        """
        if time.monotonic() > self._tidy_at:
            self._tidy_at = time.monotonic() + TIDY_EVERY_S
            await self._store.tidy()
        for end in (EXPIRE, END_OF_REMOVED):
            ended = ENDED_AT_ONCE
            while ended == ENDED_AT_ONCE:
                ended = await self._pool.fetchval(end, ENDED_AT_ONCE)
        await self._pool.execute(DOOM, ENDED_AT_ONCE)
        while doomed := await self._pool.fetch(CLAIM_DOOMED, REMOVED_AT_ONCE):
            for one in doomed:
                key = key_of(one["tenant_id"], one["sha256"], one["id"])
                try:
                    await self._store.delete(key)
                except StoreFailed as error:
                    log.warning("asset.not_removed", key=key, reason=str(error))
                    continue
                await self._pool.execute(REMOVED, one["id"])
                log.info("asset.removed", key=key)
