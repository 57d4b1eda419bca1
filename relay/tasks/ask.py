"""One question to Kling about one task, in the words of its generation."""

from typing import assert_never

import msgspec
import structlog

from relay.channels.directory import ChannelDirectory
from relay.channels.opened import OpenedChannel
from relay.kling.catalogue import Catalogue
from relay.kling.codes import ABOUT_THE_ACCOUNT, TROUBLE_MIN
from relay.kling.endpoint import Endpoint
from relay.kling.task_object import TaskNews, read_listed_tasks, read_queried_task, read_task
from relay.kling.transport import NoUsableReply, Reply, distrust
from relay.kling.verdicts import names_another
from relay.kling.wire import read_envelope, says_not_found
from relay.tasks.callback_path import CallbackPaths
from relay.tasks.redact import reply_without_credential, without_credential
from relay.tasks.task import TaskRow
from relay.tasks.upstream import Upstream

log = structlog.get_logger()

ASK_TIMEOUT_S = 15.0
LIST_PAGES_MAX = 3
LIST_SIZE = 500


class NotFound(msgspec.Struct, frozen=True):
    """Kling says that it has no such task."""


class NoAnswer(msgspec.Struct, frozen=True):
    """Nothing usable came back, so nothing follows from it."""


class Unread(NoAnswer, frozen=True):
    """Kling answered about the task, and we cannot read what: a person should."""

    reason: str
    body: bytes


KlingsWord = TaskNews | NotFound | NoAnswer | Unread
"""What a question about one task may come to."""


def word_of(answer: KlingsWord) -> str:
    """Say for the counts what it came to: a status of Kling's, or why there is none."""
    match answer:
        case TaskNews():
            return "unread" if answer.status is None else answer.status.value
        case NotFound():
            return "not_found"
        case Unread():
            return "unread"
        case NoAnswer():
            return "none"
        case _:
            assert_never(answer)


class Asker:
    """Asks Kling, and says what it said; what follows from it is for others."""

    def __init__(
        self,
        upstream: Upstream,
        directory: ChannelDirectory,
        catalogue: Catalogue,
        callback_paths: CallbackPaths,
    ) -> None:
        self._upstream = upstream
        self._callback_paths = callback_paths
        self._directory = directory
        self._catalogue = catalogue

    async def ask(self, task: TaskRow) -> KlingsWord:
        """Ask Kling about a task, wherever it may be found."""
        try:
            endpoint = self._catalogue.of(task.endpoint_name)
        except LookupError:
            # An endpoint that the operator took out of the settings: its tasks keep their holds.
            log.warning("task.endpoint_gone", id=task.id, endpoint=task.endpoint_name)
            return NoAnswer()
        if task.is_untraceable:
            return NoAnswer()
        channel = await self._directory.get(task.channel_id)
        try:
            return await self._ask(channel, endpoint, task)
        except NoUsableReply as error:
            log.warning("task.ask_failed", id=task.id, channel=channel.name, reason=error.reason)
            return NoAnswer()

    def about(self, news: TaskNews, task: TaskRow) -> TaskNews:
        """Read anew what came to a question about another row: without this one's credential."""
        macs = self._callback_paths.macs(task.injected_id, task.channel_id)
        body = without_credential(news.raw, macs, own_url=task.callback_url)
        return news if body is news.raw else read_task(body)

    async def _ask(self, channel: OpenedChannel, endpoint: Endpoint, task: TaskRow) -> KlingsWord:
        reply = await self._upstream.query(
            channel,
            endpoint,
            kling_id=task.kling_id,
            injected_id=task.injected_id,
            timeout_s=ASK_TIMEOUT_S,
        )
        reply = self._redacted(reply, task)
        if says_not_found(reply):
            if task.kling_id is None and not endpoint.is_found_by_external_id:
                return await self._search(channel, endpoint, task)
            return NotFound()
        news = read_queried_task(reply)
        if news is None:
            return _unanswered(task, channel, reply)
        if _is_anothers(news, task):
            distrust(reply)
        return news

    async def _search(
        self, channel: OpenedChannel, endpoint: Endpoint, task: TaskRow
    ) -> KlingsWord:
        """Look for our external id in the endpoint's list.

        Some endpoints document no query by external id, so their "not found" proves nothing.
        """
        for page in range(1, LIST_PAGES_MAX + 1):
            query = f"pageNum={page}&pageSize={LIST_SIZE}".encode()
            reply = await self._upstream.read(channel, endpoint, query, timeout_s=ASK_TIMEOUT_S)
            reply = self._redacted(reply, task)
            envelope = read_envelope(reply)
            if envelope is None or envelope.code != 0:
                return _unanswered(task, channel, reply)
            tasks = read_listed_tasks(reply)
            for news in tasks:
                if task.injected_id in news.external_ids:
                    return news
            if len(tasks) < LIST_SIZE:
                return NotFound()
        # It may stand further down; the next look searches again.
        return NoAnswer()

    def _redacted(self, reply: Reply, task: TaskRow) -> Reply:
        macs = self._callback_paths.macs(task.injected_id, task.channel_id)
        return reply_without_credential(reply, macs, own_url=task.callback_url)


def _is_anothers(news: TaskNews, task: TaskRow) -> bool:
    """Tell whether it answers another question than the one that was put."""
    if task.kling_id is not None:
        return news.kling_id != task.kling_id
    return names_another(news, task.injected_id)


def _unanswered(task: TaskRow, channel: OpenedChannel, reply: Reply) -> NoAnswer | Unread:
    """Say in the log what came instead of a task, and whether it was about the task at all."""
    envelope = read_envelope(reply)
    code = envelope.code if envelope else None
    log.warning(
        "task.ask_unanswered",
        id=task.id,
        channel=channel.name,
        http_status=reply.status,
        code=code,
    )
    is_outage = (
        reply.status >= 500  # noqa: PLR2004 (HTTP's own numbers)
        or reply.status == 408  # noqa: PLR2004
        or (code is not None and (code in ABOUT_THE_ACCOUNT or code >= TROUBLE_MIN))
    )
    return NoAnswer() if is_outage else Unread(f"HTTP {reply.status}, code {code}", reply.body)
