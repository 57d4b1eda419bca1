"""How long tasks take: what the last equal ones took, from when Kling had them.

Equal is: of one endpoint, model, mode and priced length. Where too few of those ended well of late,
it is what any of the endpoint and model took. Tests run on a sandbox, whose tasks take moments, and
are told of by themselves.
"""

import time
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions

FEWEST = 5
"""Of equal ones: what fewer took says less than what the model's others did."""
AGE_MAX_S = 60.0
"""Of what is kept for lists, which ask for it at each look."""
AT_ONCE, KEPT_MAX = 10, 1_000
"""Kinds: that a list has read for it, the others at its next look; that are kept."""

# The newest rows of all, by their key: an own index of models would cost each submit.
USUALS = """
SELECT asked.at,
       count(*) FILTER (WHERE is_equal) AS equal,
       percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY took_s)
           FILTER (WHERE is_equal) AS of_equal,
       count(*) AS all,
       percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY took_s) AS of_all
FROM unnest(
    cast(:is_test AS boolean[]), cast(:endpoint AS text[]), cast(:model AS text[]),
    cast(:mode AS text[]), cast(:seconds AS int[])
) WITH ORDINALITY AS asked (is_test, endpoint, model, mode, seconds, at)
CROSS JOIN LATERAL (
    SELECT n.quote #>> '{wanted,mode}' IS NOT DISTINCT FROM asked.mode
               AND (n.quote ->> 'seconds')::int = asked.seconds AS is_equal,
           extract(epoch FROM n.ended_at - coalesce(n.submitted_at, n.created_at))::float8 AS took_s
    FROM (SELECT * FROM tasks ORDER BY id DESC LIMIT 20000) n
    WHERE n.state = 'succeed' AND n.endpoint = asked.endpoint
        AND n.model IS NOT DISTINCT FROM asked.model
        AND n.ended_via <> 'operator' AND n.ended_at > now() - interval '7 days'
        AND (SELECT k.is_test FROM tokens k WHERE k.id = n.token_id) = asked.is_test
    ORDER BY n.id DESC LIMIT 400
) lately
GROUP BY asked.at
"""


class Usual(msgspec.Struct, frozen=True):
    """How long the last successes of a kind took, since Kling had them."""

    tasks: int
    median_s: float
    most_s: float
    """Nine of ten took at most this."""
    p95_s: float


class Alike(NamedTuple):
    """What makes tasks take equally long, as far as a relay can tell."""

    is_test: bool
    endpoint: str
    model: str | None
    mode: str | None
    seconds: int


Known = dict[Alike, Usual | None]
"""None: there was no success of its endpoint and model lately."""


async def read_usuals(session: AsyncSession, kinds: Iterable[Alike]) -> Known:
    """Read what the last tasks of each kind took, whosever they were."""
    asked = list(dict.fromkeys(kinds))
    found: Known = dict.fromkeys(asked)
    fields = {
        name: [kind[at] for kind in asked]
        for at, name in enumerate(("is_test", "endpoint", "model", "mode", "seconds"))
    }
    for row in await session.execute(text(USUALS), fields):
        has_enough = row.equal >= FEWEST
        tasks, took_s = (row.equal, row.of_equal) if has_enough else (row.all, row.of_all)
        found[asked[row.at - 1]] = Usual(tasks, *took_s)
    return found


class Usuals:
    """What is known of them, up to a minute old; for pages that are looked at all day."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._kept: dict[Alike, tuple[float, Usual | None]] = {}
        """With when it is to be read anew, on the process's clock."""

    async def of(self, kinds: Iterable[Alike]) -> Known:
        """Tell of each; what is not read yet is not there."""
        now, wanted = time.monotonic(), set(kinds)
        missing = [one for one in wanted if self._kept.get(one, (0.0,))[0] <= now][:AT_ONCE]
        if missing:
            async with self._sessions() as session:
                read = await read_usuals(session, missing)
            if len(self._kept) > KEPT_MAX:
                self._kept.clear()
            self._kept |= {one: (now + AGE_MAX_S, usual) for one, usual in read.items()}
        return {one: self._kept[one][1] for one in wanted if one in self._kept}
