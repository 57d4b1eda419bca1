"""Tasks that Kling has under our external ids, and this database does not: lost as it was set back.

Each channel's lists are read from the moment it was set back to. Asking costs nothing. A channel
that was added since is lost too, and with it what stands on its account.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.backups.tables import Restore
from relay.channels.opened import OpenedChannel
from relay.database.engine import Sessions
from relay.kling.catalogue import Catalogue
from relay.kling.codes import Code
from relay.kling.endpoint import Endpoint, EndpointKind, Generation
from relay.kling.endpoints import NEW, QUERY_PATHS, SOLUTIONS
from relay.kling.task_object import Cost, TaskNews, read_listed_tasks, read_task_page
from relay.kling.transport import NoUsableReply, Reply
from relay.kling.wire import read_envelope
from relay.moments import ms_of
from relay.pricing.book import Pack
from relay.tasks.tables import Deployment, Task
from relay.tasks.upstream import Upstream
from relay.trial.ids import is_trial_id

MARGIN = timedelta(hours=1)
"""Kling's clock and ours may differ, and a task that was begun is committed later."""
TIMEOUT_S = 30.0
PAGE_SIZE = 500
PAGES_MAX = 40
"""20,000 tasks of an endpoint; who lost more has to ask Kling's console."""
ASKED_AT_ONCE = 2
"""Lists of one channel: Kling limits an account's questions, and nobody is in a hurry."""
PAUSES_S = (1.0, 2.0, 4.0, 8.0)
GONE = frozenset({Code.INVALID_METHOD, Code.NO_SUCH_RESOURCE})
"""An endpoint that Kling has no more makes no tasks."""
IDS_AT_ONCE = 1000


class SetBack(msgspec.Struct, frozen=True):
    """What this database knows of its own past."""

    as_of: datetime | None
    """What was committed later is lost; None if it was never set back."""
    source: str | None
    prefixes: list[str]
    """Of external ids: the present one, and former ones."""


class LostTask(msgspec.Struct, frozen=True):
    """One that nobody here knows of."""

    channel: str
    where: str
    """The endpoint, or the generation whose list it stands in."""
    kling_id: str
    injected_id: str
    """As we gave it to Kling."""
    task_id: int | None
    """Ours, as the logs of that time name it; another task may have that number now."""
    created_at: datetime | None
    status: str | None
    cost: Cost
    pack: str | None
    """Whose units they are: what Kling says, or else the endpoint's."""


class NotAsked(msgspec.Struct, frozen=True):
    """A list that could not be read to its end, so that tasks may be missing."""

    channel: str
    where: str
    reason: str


class Recovered(msgspec.Struct, frozen=True):
    lost: list[LostTask]
    """Oldest first."""
    not_asked: list[NotAsked]


async def read_set_back(session: AsyncSession) -> SetBack:
    """Read when this database was set back last, and which prefixes it has had."""
    restores = list(await session.scalars(select(Restore).order_by(Restore.id.desc())))
    current = await session.scalar(select(Deployment.external_prefix))
    assert current is not None, "the migrations wrote it"
    last = restores[0] if restores else None
    return SetBack(
        as_of=last.as_of if last else None,
        source=last.source if last else None,
        prefixes=list(dict.fromkeys([current, *(one.former_prefix for one in restores)])),
    )


async def find_lost(
    sessions: Sessions,
    upstream: Upstream,
    catalogue: Catalogue,
    channels: Sequence[OpenedChannel],
    *,
    prefixes: Sequence[str],
    since: datetime,
) -> Recovered:
    """List what Kling has of ours since then, less what this database knows.

    What it lists without a moment of its creation counts as made since.
    """
    since -= MARGIN
    found: dict[tuple[str, str], LostTask] = {}
    not_asked: list[NotAsked] = []

    async def ask(channel: OpenedChannel) -> None:
        turns = asyncio.Semaphore(ASKED_AT_ONCE)

        async def read(one: _List) -> None:
            async with turns:
                try:
                    async for page in one.pages:
                        for news in page:
                            if is_ours(news, prefixes, since):
                                task = _lost(channel, one, news)
                                # Of both generations' lists, the first is of its own endpoint.
                                found.setdefault((task.channel, task.kling_id), task)
                except NoUsableReply as error:
                    not_asked.append(NotAsked(channel.name, one.where, error.reason))
                except Unlisted as error:
                    not_asked.append(NotAsked(channel.name, one.where, str(error)))

        await asyncio.gather(*map(read, _lists(upstream, catalogue, channel, since)))

    await asyncio.gather(*map(ask, channels))
    known: set[str] = set()
    ids = [task.injected_id for task in found.values()]
    async with sessions() as session:
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = ids[start : start + IDS_AT_ONCE]
            known |= set(
                await session.scalars(select(Task.injected_id).where(Task.injected_id.in_(some)))
            )
    lost = [task for task in found.values() if task.injected_id not in known]
    lost.sort(key=lambda task: (task.created_at is not None, task.created_at, task.kling_id))
    return Recovered(lost, not_asked)


class _List(NamedTuple):
    where: str
    pack: str | None
    pages: AsyncIterator[list[TaskNews]]


class Unlisted(Exception):
    """Kling refused a list, or it is too long."""


def is_ours(news: TaskNews, prefixes: Sequence[str], since: datetime) -> bool:
    """Tell a task of ours since then from other deployments', and from trials."""
    if news.created_at is not None and news.created_at < since:
        return False
    return any(
        external_id.partition("-")[0] in prefixes and not is_trial_id(external_id)
        for external_id in news.external_ids
    )


def _lost(channel: OpenedChannel, of: _List, news: TaskNews) -> LostTask:
    assert news.kling_id is not None, "what has none is not listed"
    injected_id = news.external_ids[0]
    number = injected_id.split("-")[1:2]
    return LostTask(
        channel=channel.name,
        where=of.where,
        kling_id=news.kling_id,
        injected_id=injected_id,
        task_id=int(number[0]) if number and number[0].isdigit() else None,
        created_at=news.created_at,
        status=news.status and news.status.value,
        cost=news.cost,
        pack=news.cost.pack or of.pack,
    )


def _lists(
    upstream: Upstream, catalogue: Catalogue, channel: OpenedChannel, since: datetime
) -> list[_List]:
    """Name each list that a task of this channel may stand in."""
    lists = [
        _List(
            endpoint.name,
            Pack.VIDEO if endpoint.pricing.count is None else Pack.IMAGE,
            _pages(upstream, channel, endpoint, since),
        )
        for endpoint in catalogue.endpoints
        if endpoint.generation is Generation.LEGACY
        and endpoint.kind is EndpointKind.TASK
        and endpoint.is_listed
        and channel.credentials & endpoint.credentials
    ]
    for any_of, pack in ((NEW[0], Pack.VIDEO), (SOLUTIONS[0], None)):
        # Who has no API key has made no task there.
        if channel.credentials & any_of.credentials:
            where = QUERY_PATHS[any_of.generation]
            lists.append(_List(where, pack, _cursor_pages(upstream, channel, any_of, since)))
    return lists


async def _pages(
    upstream: Upstream, channel: OpenedChannel, endpoint: Endpoint, since: datetime
) -> AsyncIterator[list[TaskNews]]:
    """Read a legacy list; no further than need be, if the newest stand first in it.

    Raises:
        NoUsableReply, Unlisted
    """
    for number in range(1, PAGES_MAX + 1):
        query = f"pageNum={number}&pageSize={PAGE_SIZE}".encode()
        reply = await _patiently(
            partial(upstream.read, channel, endpoint, query, timeout_s=TIMEOUT_S)
        )
        if _code_of(reply) in GONE:
            return
        _refuse_unlisted(reply)
        page = read_listed_tasks(reply)
        yield page
        if len(page) < PAGE_SIZE:
            return
        moments = [news.created_at for news in page if news.created_at is not None]
        if moments and moments == sorted(moments, reverse=True) and moments[-1] < since:
            return
    raise Unlisted(f"it has more than {PAGES_MAX * PAGE_SIZE:,} tasks")


async def _cursor_pages(
    upstream: Upstream, channel: OpenedChannel, any_of: Endpoint, since: datetime
) -> AsyncIterator[list[TaskNews]]:
    """Read the list of API 2.0, or of the solutions.

    Raises:
        NoUsableReply, Unlisted
    """
    window = {"start_time": ms_of(since), "end_time": ms_of(datetime.now(UTC) + MARGIN)}
    asked: dict[str, object] = {**window, "limit": PAGE_SIZE}
    for number in range(PAGES_MAX):
        read = partial(upstream.list_page, channel, any_of, timeout_s=TIMEOUT_S)
        reply = await _patiently(partial(read, asked))
        if number == 0 and _code_of(reply) in (Code.INVALID_REQUEST, Code.INVALID_PARAMETER):
            # Of the type of these two its pages say one thing each (docs/kling-api.md 5.5).
            asked |= {name: str(ms) for name, ms in window.items()}
            reply = await _patiently(partial(read, asked))
        _refuse_unlisted(reply)
        page = read_task_page(reply)
        yield page.tasks
        if page.next_cursor is None:
            return
        asked = {"cursor": page.next_cursor, "limit": PAGE_SIZE}
    raise Unlisted(f"it has more than {PAGES_MAX * PAGE_SIZE:,} tasks")


async def _patiently(ask: Callable[[], Awaitable[Reply]]) -> Reply:
    """Ask again where Kling says that it was asked too fast."""
    for pause_s in PAUSES_S:
        reply = await ask()
        if _code_of(reply) != Code.RATE_LIMITED:
            return reply
        await asyncio.sleep(pause_s)
    return await ask()


def _code_of(reply: Reply) -> int | None:
    envelope = read_envelope(reply)
    return None if envelope is None else envelope.code


def _refuse_unlisted(reply: Reply) -> None:
    envelope = read_envelope(reply)
    if envelope is None or envelope.code != Code.OK:
        said = f": {envelope.code} {envelope.message}" if envelope else ""
        raise Unlisted(f"Kling answered HTTP {reply.status}{said}")
