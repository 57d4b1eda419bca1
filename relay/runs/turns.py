"""Which steps are moved next: tenants by turns, and what is sent apart from what is looked at.

To send a step takes as long as Kling takes to answer, to look at one a few milliseconds. So one
sweep sends and another one looks: however slow Kling is, what it has made is gone on with. In both
a tenant with thousands of steps has few in hand at once, and the first of every tenant goes before
the second of any.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple
from uuid import UUID

from relay.database.driver import Pool
from relay.runs.statements import LANES_MAX, TAKE_TURN

SENDS_AT_ONCE, LOOKS_AT_ONCE = 50, 20
"""In hand of one worker. A send waits for Kling and holds no session meanwhile; a look is short."""
SENDS_OF_TENANT, LOOKS_OF_TENANT = 16, 8
"""In hand of one worker for one tenant: so that three slow ones fill no sweep."""


class DueStep(NamedTuple):
    """A step that this process alone moves until its lease ends."""

    id: int
    lease: UUID


class Turns:
    """Claims steps of one kind for one worker, by turns among their tenants."""

    def __init__(
        self,
        pool: Pool,
        statement: str,
        advance: Callable[[DueStep], Awaitable[None]],
        *,
        of_tenant: int,
        lanes_max: int = LANES_MAX,
    ) -> None:
        """`statement`: one of the two claims. `of_tenant`: the most in hand for one tenant."""
        self._pool = pool
        self._statement = statement
        self._advance = advance
        self._of_tenant = of_tenant
        self._lanes_max = lanes_max
        self._in_hand: dict[UUID, int] = {}
        """Tenants by the leases of their steps."""
        self._after = 0
        """The tenant that was looked at last, where there are more behind it."""

    async def claim(self, limit: int) -> list[DueStep]:
        """Lease steps that are due; no other worker gets them while the lease lasts."""
        async with self._pool.begin() as connection:
            await connection.execute(TAKE_TURN)
            records = await connection.fetch(
                self._statement,
                *(limit, self._of_tenant, list(self._in_hand.values())),
                *(self._after, self._lanes_max),
            )
        leased = [record for record in records if record["id"] is not None]
        seen = next(record for record in records if record["id"] is None)
        self._after = seen["last_tenant_id"] or 0
        self._in_hand |= {record["lease"]: record["tenant_id"] for record in leased}
        return [DueStep(record["id"], record["lease"]) for record in leased]

    async def move(self, due: DueStep) -> None:
        """Move a step as far as it goes now; then its tenant may have another one in hand."""
        try:
            await self._advance(due)
        finally:
            self._in_hand.pop(due.lease, None)
