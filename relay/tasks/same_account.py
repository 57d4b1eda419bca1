"""Whether new keys are of a Kling account that is a channel already: they see its tasks.

One account may have many key pairs, and nothing that Kling says names an account
(docs/kling-api.md 4.16). A task is seen by the keys of its own account alone, and asking is free.
"""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.opened import OpenedChannel
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import EndpointKind
from relay.kling.task_object import read_queried_task
from relay.kling.transport import NoUsableReply
from relay.tasks.upstream import Upstream

NEWEST = 10_000
TASKS_OF_CHANNEL = 3
"""New keys may be of a kind that some endpoints do not take, and Kling forgets after 30 days."""
TIMEOUT_S = 15.0
ASKED_AT_ONCE = 8

NEWEST_TASKS = """
SELECT ranked.channel, ranked.endpoint, ranked.kling_id
FROM (
    SELECT c.name AS channel, t.endpoint, t.kling_id, t.id,
           row_number() OVER (PARTITION BY c.id, t.endpoint ORDER BY t.id DESC) AS rank
    FROM (SELECT * FROM tasks ORDER BY id DESC LIMIT :newest) t
    JOIN channels c ON c.id = t.channel_id
    WHERE t.kling_id IS NOT NULL AND c.removed_at IS NULL
) ranked
WHERE ranked.rank = 1
ORDER BY ranked.id DESC
"""


class KnownTask(NamedTuple):
    """A task that a channel made at Kling."""

    channel: str
    endpoint: str
    kling_id: str


async def read_newest_tasks(session: AsyncSession, catalogue: Catalogue) -> list[KnownTask]:
    """Read each channel's newest tasks that can be asked about, of endpoints that differ."""
    known: dict[str, list[KnownTask]] = {}
    for row in await session.execute(text(NEWEST_TASKS), {"newest": NEWEST}):
        task = KnownTask(row.channel, row.endpoint, row.kling_id)
        of_channel = known.setdefault(task.channel, [])
        if len(of_channel) < TASKS_OF_CHANNEL and _can_be_asked_about(task, catalogue):
            of_channel.append(task)
    return [task for tasks in known.values() for task in tasks]


async def find_whose_tasks_are_seen(
    upstream: Upstream, catalogue: Catalogue, new: OpenedChannel, known: Iterable[KnownTask]
) -> str | None:
    """Name the channel whose tasks `new` sees; None if there is none, or Kling does not say."""
    turns = asyncio.Semaphore(ASKED_AT_ONCE)

    async def sees(task: KnownTask) -> bool:
        endpoint = catalogue.of(task.endpoint)
        if not new.credentials & endpoint.credentials:
            return False
        async with turns:
            try:
                reply = await upstream.query(
                    new, endpoint, kling_id=task.kling_id, injected_id="", timeout_s=TIMEOUT_S
                )
            except NoUsableReply:
                return False
        news = read_queried_task(reply)
        return news is not None and news.kling_id == task.kling_id

    tasks = list(known)
    seen = await asyncio.gather(*map(sees, tasks))
    return next((task.channel for task, is_seen in zip(tasks, seen, strict=True) if is_seen), None)


def _can_be_asked_about(task: KnownTask, catalogue: Catalogue) -> bool:
    try:
        return catalogue.of(task.endpoint).kind is EndpointKind.TASK
    except LookupError:  # the operator took it out of the settings
        return False
