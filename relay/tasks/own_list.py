"""A tenant's own tasks, newest first, by any filter; of an index that is there for Kling's lists.

No index has a tenant's tasks in the order of their ids, which each create would pay for. So of each
endpoint the newest are passed in the index alone, and the newest of those are read and filtered,
for a while: a tenant of ten tasks among millions of others' has them at once, and one of a million
goes on where a page ended. Reads only.
"""

import time
from datetime import datetime

import msgspec

from relay.database.driver import Pool, Record
from relay.tasks.tables import TaskState

BUDGET_S = 0.05
"""Of the database's time, for one page; at least one step is made."""
STEP, STEP_MAX = 1000, 16_000
"""Of ids that a step looks at, where a filter may leave few of them; each twice the one before."""

NEAR = """
SELECT l.id
FROM unnest($2::text[]) AS asked (endpoint) CROSS JOIN LATERAL (
    SELECT n.id FROM tasks n
    WHERE n.tenant_id = $1 AND n.endpoint = asked.endpoint AND n.state <> 'refused'
        AND (n.kling_id IS NOT NULL OR n.public_id IS NOT NULL)
        AND n.id < $3 AND n.id >= $4
    ORDER BY n.id DESC LIMIT $5
) l
ORDER BY l.id DESC LIMIT $5
"""

NEAR_OPEN = """
SELECT n.id FROM tasks n
WHERE n.account_id = $1 AND n.tenant_id = $2 AND n.state = ANY($3::text[])
    AND n.hold_ended_at IS NULL AND (n.kling_id IS NOT NULL OR n.public_id IS NOT NULL)
    AND n.id < $4 AND n.id >= $5
ORDER BY n.id DESC LIMIT $6
"""
"""Of what has not ended there is little, and an index."""

NEAR_KNOWN = """
SELECT n.id FROM tasks n
WHERE n.tenant_id = $1 AND n.state <> 'refused' AND n.tenant_external_id = $2
    AND (n.kling_id IS NOT NULL OR n.public_id IS NOT NULL) AND n.id < $4
UNION
SELECT n.id FROM tasks n
WHERE n.tenant_id = $1 AND n.state <> 'refused' AND n.request_id = $3
    AND (n.kling_id IS NOT NULL OR n.public_id IS NOT NULL) AND n.id < $4
ORDER BY id DESC
"""

FITTING = """
SELECT t.id, t.tenant_id, t.token_id, t.endpoint, t.model, t.state,
    coalesce(t.public_id, t.kling_id) AS shown_id, t.tenant_external_id, t.hold_micros,
    t.hold_ended_at, t.charged_micros, t.refunded_micros, t.quote, t.fail_message,
    t.created_at, t.submitted_at, t.ended_at, k.is_test
FROM tasks t JOIN tokens k ON k.id = t.token_id
WHERE t.id = ANY($1::bigint[])
    AND ($2::text[] IS NULL OR t.state = ANY($2))
    AND ($3::text IS NULL OR t.model = $3)
    AND ($4::bigint IS NULL OR t.token_id = $4)
    AND ($5::timestamptz IS NULL OR t.created_at >= $5)
    AND ($6::timestamptz IS NULL OR t.created_at < $6)
    AND ($7::text IS NULL OR t.endpoint = $7)
    AND ($8::text IS NULL OR t.tenant_external_id = $8)
    AND ($9::text IS NULL OR t.request_id = $9)
ORDER BY t.id DESC LIMIT $10
"""

STATES = {
    TaskState.QUEUED: [TaskState.QUEUED],
    TaskState.SUBMITTED: [
        *(TaskState.QUEUED, TaskState.PENDING, TaskState.UNKNOWN, TaskState.SUBMITTED),
    ],
    TaskState.PROCESSING: [TaskState.PROCESSING],
    TaskState.SUCCEED: [TaskState.SUCCEED],
    TaskState.FAILED: [TaskState.FAILED],
}
"""What a tenant may ask for, in Kling's words: those that wait for room are `submitted` too."""
ENDED = frozenset({TaskState.SUCCEED, TaskState.FAILED})


class OwnFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a tenant's tasks a list has; what is None wants nothing."""

    tenant_id: int
    account_id: int
    endpoints: list[str]
    """All that there are."""
    endpoint: str | None = None
    state: TaskState | None = None
    """A key of `STATES`."""
    model: str | None = None
    """As the tenant spelled it."""
    token_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    external_id: str | None = None
    request_id: str | None = None
    before_id: int
    """Ours, of the last one on the page before."""
    from_id: int = 1

    @property
    def is_whole(self) -> bool:
        """Tell whether whatever is near fits."""
        one = (self.state, self.model, self.token_id, self.since, self.until)
        return all(given is None for given in one)


async def list_own(
    pool: Pool, wanted: OwnFilter, *, limit: int, budget_s: float = BUDGET_S, step: int = STEP
) -> tuple[list[Record], int | None]:
    """Find what fits, newest first; beside it the id that the next page is before, None at the end.

    A page may have fewer than there are, where few fit.
    """
    found: list[Record] = []
    before_id, spent_s = wanted.before_id, 0.0
    if wanted.is_whole:
        step = limit + 1
    while True:
        began = time.perf_counter()
        near = await _near(pool, wanted, before_id, step)
        if near:
            found += await _fitting(pool, wanted, near, limit + 1 - len(found))
        spent_s += time.perf_counter() - began
        if len(found) > limit:
            return found[:limit], found[limit - 1]["id"]
        if len(near) < step:
            return found, None
        before_id, step = near[-1], min(step * 2, STEP_MAX)
        if spent_s >= budget_s:
            return found, before_id


async def _near(pool: Pool, wanted: OwnFilter, before_id: int, step: int) -> list[int]:
    """Find the newest ids that may fit: fewer than asked for are the last ones."""
    if wanted.external_id is not None or wanted.request_id is not None:
        values = (wanted.tenant_id, wanted.external_id, wanted.request_id, before_id)
        records = await pool.fetch(NEAR_KNOWN, *values)
    elif wanted.state is not None and wanted.state not in ENDED:
        records = await pool.fetch(
            NEAR_OPEN,
            *(wanted.account_id, wanted.tenant_id, STATES[wanted.state]),
            *(before_id, wanted.from_id, step),
        )
    else:
        endpoints = wanted.endpoints if wanted.endpoint is None else [wanted.endpoint]
        values_near = (wanted.tenant_id, endpoints, before_id, wanted.from_id, step)
        records = await pool.fetch(NEAR, *values_near)
    return [record["id"] for record in records]


async def _fitting(pool: Pool, wanted: OwnFilter, near: list[int], limit: int) -> list[Record]:
    return await pool.fetch(
        FITTING,
        near,
        None if wanted.state is None else STATES[wanted.state],
        *(wanted.model, wanted.token_id, wanted.since, wanted.until, wanted.endpoint),
        *(wanted.external_id, wanted.request_id, limit),
    )
