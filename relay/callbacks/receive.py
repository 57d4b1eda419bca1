"""Kling's callbacks (design.md, "Callback from Kling"; kling-api.md section 6)."""

from typing import NamedTuple

import msgspec
import structlog
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay.channels.channel import Channel
from relay.channels.directory import ChannelDirectory
from relay.database.batch import Batcher
from relay.database.line import Line
from relay.database.rows import unnest
from relay.kling.surrogates import mended
from relay.kling.wire import TaskNews, UnreadableTask, read_task
from relay.tasks.callback_path import CallbackPaths, Named
from relay.tasks.finish import EVENT_BYTES_MAX, Finisher, Unsettled, Via
from relay.tasks.look import Looker, differing_ids
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.task import TaskRow

log = structlog.get_logger()


class FindRow(NamedTuple):
    """One call of FIND."""

    external_id: str | None
    channel_id: int
    task_id: str | None


FIND = f"""
SELECT DISTINCT ON (n.ord) n.ord, {TASK_COLUMNS}
FROM {unnest(FindRow, "n")}
JOIN LATERAL (
    SELECT 0 AS preference, a.* FROM tasks a WHERE a.external_id = n.external_id
    UNION ALL
    SELECT 1, b.* FROM tasks b WHERE b.channel_id = n.channel_id AND b.task_id = n.task_id
) t ON true
ORDER BY n.ord, t.preference
"""  # noqa: S608 (composed of constants)
"""By our external id first, by Kling's id on the channel second."""


class Received(msgspec.Struct, frozen=True):
    """How a callback is answered, and why; the reason is for the log."""

    http_status: int
    reason: str
    id: int | None = None
    """Our id of the task it was about."""


class CallbackReceiver:
    def __init__(
        self,
        line: Line,
        *,
        paths: CallbackPaths,
        directory: ChannelDirectory,
        finisher: Finisher,
        looker: Looker,
    ) -> None:
        self._finds = Batcher(line, FIND, is_idempotent=True)
        self.paths = paths
        self._directory = directory
        self._finisher = finisher
        self._looker = looker

    async def has_signers(self) -> bool:
        """Whether the bare path is open at all."""
        return any(channel.webhook_secret for channel in await self._directory.all())

    async def receive_on_path(self, named: Named, body: bytes) -> Received:
        """Take a callback on a path that we injected, and `paths` has read.

        The path is the authority: it names one task on one channel. A body about another task is
        kept on the named one, flagged, and not applied.
        """
        news = _read(body)
        if news is None:
            return Received(400, "not a task object")
        task = await self._find(named.external_id, named.channel_id, None)
        if task is None:
            return Received(200, "its task is gone")
        if task.channel_id != named.channel_id:
            await self._flag(task, "sent by a channel that the task has left", body)
            return Received(200, "of another channel", id=task.id)
        return await self._apply(task, news, body)

    async def receive_signed(self, headers: dict[str, str], body: bytes) -> Received:
        """Take a callback on the bare path, with Kling's own Standard Webhooks signature."""
        channel = await self._signer(headers, body)
        if channel is None:
            return Received(401, "no channel's secret made this signature")
        news = _read(body)
        if news is None:
            return Received(400, "not a task object")
        external_id = news.external_ids[0] if news.external_ids else None
        task = await self._find(external_id, channel.id, news.task_id)
        if task is None:
            return Received(200, "its task is gone")
        if task.channel_id != channel.id:
            await self._flag(task, "signed by another channel than the task's", body)
            return Received(200, "of another channel", id=task.id)
        return await self._apply(task, news, body)

    async def aclose(self) -> None:
        await self._finds.aclose()

    async def _apply(self, task: TaskRow, news: TaskNews, body: bytes) -> Received:
        if not news.external_ids and news.task_id is None:
            await self._flag(task, "it names no task", body)
            return Received(200, "names no task", id=task.id)
        if difference := differing_ids(task, news):
            await self._flag(task, difference, body)
            return Received(200, difference, id=task.id)
        await self._directory.note_callback(await self._directory.get(task.channel_id))
        if news.status is None:
            await self._flag(task, "its status is not one we know", body)
            return Received(200, "of unknown status", id=task.id)
        try:
            finished = await self._finisher.learn(
                task,
                news,
                via=Via.CALLBACK,
                look_after_s=await self._looker.look_pause_s(task),
            )
        except Unsettled as error:
            await self._looker.hurry(task.id, f"not settled yet: {error}", body[:EVENT_BYTES_MAX])
            return Received(200, "Kling is asked what it cost", id=task.id)
        return Received(200, "applied" if finished.moved else "nothing new", id=task.id)

    async def _find(
        self, external_id: str | None, channel_id: int, task_id: str | None
    ) -> TaskRow | None:
        record = await self._finds.run(FindRow(external_id, channel_id, task_id))
        return None if record is None else TaskRow.of(record)

    async def _flag(self, task: TaskRow, why: str, body: bytes) -> None:
        await self._looker.flag(task.id, "callback.not_applied", why, body[:EVENT_BYTES_MAX])

    async def _signer(self, headers: dict[str, str], body: bytes) -> Channel | None:
        for channel in await self._directory.all():
            if channel.webhook_secret is None:
                continue
            try:
                Webhook(channel.webhook_secret).verify(body, headers, json_parse=False)
            except (WebhookVerificationError, ValueError):
                continue
            return channel
        return None


def _read(body: bytes) -> TaskNews | None:
    try:
        return read_task(mended(body))
    except UnreadableTask:
        return None
