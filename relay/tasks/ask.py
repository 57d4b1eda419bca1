"""One question to Kling about one task, in the words of its generation."""

import structlog

from relay.channels.channel import Channel
from relay.channels.directory import ChannelDirectory
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Endpoint
from relay.kling.transport import NoUsableReply, Reply
from relay.kling.wire import (
    TaskNews,
    read_envelope,
    read_listed_tasks,
    read_queried_task,
    says_not_found,
)
from relay.tasks.task import TaskRow
from relay.tasks.upstream import Upstream

log = structlog.get_logger()

ASK_TIMEOUT_S = 15.0
LIST_PAGES_MAX = 3
LIST_SIZE = 500


class Asker:
    """Asks Kling, and says what it said; what follows from it is for others."""

    def __init__(
        self, upstream: Upstream, directory: ChannelDirectory, catalogue: Catalogue
    ) -> None:
        self._upstream = upstream
        self._directory = directory
        self._catalogue = catalogue

    async def ask(self, task: TaskRow) -> TaskNews | bool | None:
        """Kling's word on a task: news, True for "not found", None for nothing usable."""
        try:
            endpoint = self._catalogue.of(task.endpoint_name)
        except LookupError:
            # An endpoint that the operator took out of the settings: its tasks keep their holds.
            log.warning("task.endpoint_gone", id=task.id, endpoint=task.endpoint_name)
            return None
        channel = await self._directory.get(task.channel_id)
        try:
            return await self._ask(channel, endpoint, task)
        except NoUsableReply as error:
            log.warning("task.ask_failed", id=task.id, channel=channel.name, reason=error.reason)
            return None

    async def _ask(
        self, channel: Channel, endpoint: Endpoint, task: TaskRow
    ) -> TaskNews | bool | None:
        reply = await self._upstream.query(
            channel,
            endpoint,
            task_id=task.task_id,
            external_id=task.external_id,
            timeout_s=ASK_TIMEOUT_S,
        )
        if says_not_found(reply):
            if task.task_id is None and not endpoint.is_found_by_external_id:
                return await self._search(channel, endpoint, task)
            return True
        news = read_queried_task(reply)
        if news is None:
            _log_unanswered(task, channel, reply)
        return news

    async def _search(
        self, channel: Channel, endpoint: Endpoint, task: TaskRow
    ) -> TaskNews | bool | None:
        """Look for our external id in the endpoint's list.

        Some endpoints document no query by external id, so their "not found" proves nothing.
        """
        for page in range(1, LIST_PAGES_MAX + 1):
            query = f"pageNum={page}&pageSize={LIST_SIZE}".encode()
            reply = await self._upstream.read(channel, endpoint, query, timeout_s=ASK_TIMEOUT_S)
            envelope = read_envelope(reply)
            if envelope is None or envelope.code != 0:
                _log_unanswered(task, channel, reply)
                return None
            tasks = read_listed_tasks(reply)
            for news in tasks:
                if task.external_id in news.external_ids:
                    return news
            if len(tasks) < LIST_SIZE:
                return True
        # It may stand further down; the next look searches again.
        return None


def _log_unanswered(task: TaskRow, channel: Channel, reply: Reply) -> None:
    envelope = read_envelope(reply)
    log.warning(
        "task.ask_unanswered",
        id=task.id,
        channel=channel.name,
        http_status=reply.status,
        code=envelope.code if envelope else None,
    )
