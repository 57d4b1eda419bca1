"""Creates of runs that are sent again since nobody heard their answer.

As with Kling's own creates (`tasks/retries.py`): without a key, one joins an earlier one of the
same token with the same path and bytes, if nobody awaits that one's answer any more. Of which
account there are such, its row says, which every create reads.
"""

from typing import NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.driver import Pool
from relay.database.faults import PERSIST_S, log_failure, persist
from relay.tasks.retries import JOINED_FOR, Client, Marks
from relay.tenants.caller import Caller

log = structlog.get_logger()

MARK = f"""
WITH marked AS (
    UPDATE runs SET fingerprint = $3
    WHERE id = $1 AND request_id = $2 AND key IS NULL AND state NOT IN ('failed', 'cancelled')
    RETURNING tenant_id, created_at + {JOINED_FOR} AS unheard_until
)
UPDATE accounts a SET unheard_until = greatest(a.unheard_until, m.unheard_until)
FROM marked m JOIN tenants n ON n.id = m.tenant_id
WHERE a.id = n.account_id
"""  # noqa: S608 (composed of constants)
"""Note that nobody awaits its answer, unless another create does by now: $2 is who gives up."""

JOIN = text(f"""
UPDATE runs SET fingerprint = NULL, request_id = :request_id
WHERE id = (
    -- Along an index of those alone: without a key one has a fingerprint only while it is unheard.
    SELECT id FROM runs
    WHERE token_id = :token_id AND fingerprint = :fingerprint AND key IS NULL
        AND created_at > now() - {JOINED_FOR} AND state NOT IN ('failed', 'cancelled')
    ORDER BY id LIMIT 1
    FOR NO KEY UPDATE
)
RETURNING id, public_id
""")  # noqa: S608 (composed of constants)
"""Choose the oldest such run and await its answer: of several retries, one alone gets it."""


class Joined(NamedTuple):
    """The run that a create joined."""

    id: int
    public_id: UUID


class RunRetries(Marks[int]):
    """Knows which creates of runs are retries."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self._pool = pool

    async def join(
        self, session: AsyncSession, caller: Caller, client: Client[int]
    ) -> Joined | None:
        """Find the run of an equal create whose answer nobody awaits, and await it from now on.

        The client does before this is committed: should nobody know whether it was, it gives up
        what it may have.
        """
        given = {
            "token_id": caller.token_id,
            "fingerprint": await client.fingerprint(),
            "request_id": client.request_id,
        }
        row = (await session.execute(JOIN, given)).one_or_none()
        if row is None:
            return None
        client.task_id = row.id
        log.info("run.joined", id=row.id)
        return Joined(*row)

    async def mark(self, client: Client[int]) -> None:
        if client.task_id is None or client.key is not None:
            return
        given = (client.task_id, client.request_id, await client.fingerprint())
        try:
            await persist(lambda: self._pool.execute(MARK, *given), for_s=PERSIST_S)
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "run.mark_failed", error, id=client.task_id)
