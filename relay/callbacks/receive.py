"""Kling's callbacks (docs/paths.md, "Callback from Kling"; docs/kling-api.md 6)."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec
import structlog
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay.channels.directory import ChannelDirectory
from relay.channels.opened import OpenedChannel
from relay.counts import Timing
from relay.database.batch import Batcher
from relay.database.line import Line
from relay.database.rows import unnest
from relay.errors import (
    CallbackForged,
    CallbackRefused,
    CallbackUnreadable,
    InternalError,
    Unavailable,
)
from relay.kling.codes import Code
from relay.kling.mend import mend
from relay.kling.task_object import TaskNews, UnreadableTask, moved_at, read_task
from relay.tasks.callback_path import CallbackPaths, CallbackTarget
from relay.tasks.door import EVENT_BYTES_MAX, Via
from relay.tasks.flags import Flags
from relay.tasks.learn import Learner, Unsettled, differing_ids
from relay.tasks.look import Looker
from relay.tasks.redact import without_credential
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.task import TaskRow
from relay.trial.callbacks import Signature, TrialCallbacks
from relay.trial.ids import is_trial_id

log = structlog.get_logger()


class FindRow(NamedTuple):
    """One call of FIND."""

    injected_id: str | None
    channel_id: int
    kling_id: str | None


FIND = f"""
SELECT DISTINCT ON (n.ord) {TASK_COLUMNS}, n.ord
FROM {unnest(FindRow, "n")}
JOIN LATERAL (
    SELECT 0 AS preference, a.* FROM tasks a WHERE a.injected_id = n.injected_id
    UNION ALL
    SELECT 1, b.* FROM tasks b WHERE b.channel_id = n.channel_id AND b.kling_id = n.kling_id
) t ON true
ORDER BY n.ord, t.preference
"""  # noqa: S608 (composed of constants)
"""By our external id first, by Kling's id on the channel second."""


class Result(StrEnum):
    """What became of a callback, in one word for the counts."""

    APPLIED = "applied"
    """It moved its task."""
    NOTHING_NEW = "nothing_new"
    """It says what was known: a repeat, or later than a look."""
    ASKED = "asked"
    """It says too little, or cannot be read: Kling is asked."""
    NOT_APPLIED = "not_applied"
    """Authentic, and about another task, channel or status than we know: the task is flagged."""
    GONE = "gone"
    """There is no such task."""
    TRIAL = "trial"
    """Of `relay channel try`."""
    FORGED = "forged"
    """Neither its path nor its signature was made by who may."""
    UNREADABLE = "unreadable"
    """Cut short, no POST, or no task object."""
    FAILED = "failed"
    """It was not our moment: the sender is asked to send it again."""


class Received(msgspec.Struct, frozen=True):
    """How a callback is answered, and why; the reason is for the log."""

    result: Result
    reason: str
    id: int | None = None
    """Our id of the task it was about."""
    refusal: CallbackRefused | InternalError | Unavailable | None = None

    @property
    def http_status(self) -> int:
        return Code.OK.http_status if self.refusal is None else self.refusal.http_status


class CallbackReceiver:
    def __init__(
        self,
        line: Line,
        *,
        paths: CallbackPaths,
        directory: ChannelDirectory,
        learner: Learner,
        looker: Looker,
        flags: Flags,
        trials: TrialCallbacks,
        delays: Timing,
    ) -> None:
        self._finds = Batcher(line, FIND, is_idempotent=True)
        self.paths = paths
        self._directory = directory
        self._learner = learner
        self._looker = looker
        self._flags = flags
        self._trials = trials
        self._delays = delays

    async def has_signers(self) -> bool:
        """Say whether the bare path is open at all."""
        return any(channel.webhook_secret for channel in await self._directory.all())

    async def receive_on_path(
        self, target: CallbackTarget, headers: dict[str, str], body: bytes, *, source: str
    ) -> Received:
        """Take a callback on a path that we injected, and `paths` has read.

        The path is the authority: it names one task on one channel. A body about another task is
        kept on the target one, flagged, and not applied; of one that cannot be read Kling is asked.
        `source` is the sender's address.
        """
        if is_trial_id(target.injected_id):
            signature = await self._signature(target.channel_id, headers, body)
            await self._trials.note(target.injected_id, body, source=source, signature=signature)
            return Received(Result.TRIAL, "of a trial")
        task = await self._find(target.injected_id, target.channel_id, None)
        if task is None:
            return Received(Result.GONE, "its task is gone")
        if task.channel_id != target.channel_id:
            await self._flag(task, "sent by a channel that the task has left", body)
            return Received(Result.NOT_APPLIED, "of another channel", id=task.id)
        body = self._redacted(mend(body), task)
        news = _read(body, await self._directory.get(task.channel_id))
        if news is None:
            await self._flags.hurry(task.id, "it cannot be read", body[:EVENT_BYTES_MAX])
            return Received(Result.ASKED, "not a task object, Kling is asked", id=task.id)
        return await self._apply(task, news, body)

    async def receive_signed(
        self, headers: dict[str, str], body: bytes, *, source: str
    ) -> Received:
        """Take a callback on the bare path, with Kling's own Standard Webhooks signature."""
        channel = await self._signer(headers, body)
        if channel is None:
            why = "no channel's secret made this signature"
            return Received(Result.FORGED, why, refusal=CallbackForged())
        body = mend(body)
        news = _read(body, channel)
        if news is None:
            return Received(Result.UNREADABLE, "not a task object", refusal=CallbackUnreadable())
        injected_id = news.external_ids[0] if news.external_ids else None
        if injected_id is not None and is_trial_id(injected_id):
            await self._trials.note(injected_id, body, source=source, signature=Signature.GOOD)
            return Received(Result.TRIAL, "of a trial")
        task = await self._find(injected_id, channel.id, news.kling_id)
        if task is None:
            return Received(Result.GONE, "its task is gone")
        if task.channel_id != channel.id:
            await self._flag(task, "signed by another channel than the task's", body)
            return Received(Result.NOT_APPLIED, "of another channel", id=task.id)
        body = self._redacted(body, task)
        return await self._apply(task, _read(body, channel) or news, body)

    async def aclose(self) -> None:
        await self._finds.aclose()

    async def _apply(self, task: TaskRow, news: TaskNews, body: bytes) -> Received:
        if not news.external_ids and news.kling_id is None:
            await self._flag(task, "it names no task", body)
            return Received(Result.NOT_APPLIED, "names no task", id=task.id)
        if difference := differing_ids(task, news):
            await self._flag(task, difference, body)
            return Received(Result.NOT_APPLIED, difference, id=task.id)
        await self._directory.note_callback(await self._directory.get(task.channel_id))
        if news.status is None:
            await self._flag(task, "its status is not one we know", body, looks=True)
            return Received(Result.NOT_APPLIED, "of unknown status", id=task.id)
        try:
            finished = await self._learner.learn(
                task,
                news,
                via=Via.CALLBACK,
                look_after_s=self._looker.look_pause_s(task),
            )
        except Unsettled as error:
            await self._flags.hurry(task.id, f"not settled yet: {error}", body[:EVENT_BYTES_MAX])
            return Received(Result.ASKED, "Kling is asked what it cost", id=task.id)
        if not finished.moved:
            return Received(Result.NOTHING_NEW, "nothing new", id=task.id)
        if at := moved_at(news):
            self._delays.add(max(0.0, (datetime.now(UTC) - at).total_seconds()))
        return Received(Result.APPLIED, "applied", id=task.id)

    def _redacted(self, body: bytes, task: TaskRow) -> bytes:
        macs = self.paths.macs(task.injected_id, task.channel_id)
        return without_credential(body, macs, own_url=task.callback_url)

    async def _find(
        self, injected_id: str | None, channel_id: int, kling_id: str | None
    ) -> TaskRow | None:
        record = await self._finds.run(FindRow(injected_id, channel_id, kling_id))
        return None if record is None else TaskRow.of(record)

    async def _flag(self, task: TaskRow, why: str, body: bytes, *, looks: bool = False) -> None:
        kept = body[:EVENT_BYTES_MAX]
        await self._flags.flag(task.id, "callback.not_applied", why, kept, looks=looks)

    async def _signer(self, headers: dict[str, str], body: bytes) -> OpenedChannel | None:
        for channel in await self._directory.all():
            secret = channel.webhook_secret
            if secret is not None and _is_signed(secret, headers, body):
                return channel
        return None

    async def _signature(self, channel_id: int, headers: dict[str, str], body: bytes) -> Signature:
        """Tell what a signature is worth where none is needed."""
        if "webhook-signature" not in headers:
            return Signature.NONE
        secret = (await self._directory.get(channel_id)).webhook_secret
        if secret is None:
            return Signature.UNCHECKED
        return Signature.GOOD if _is_signed(secret, headers, body) else Signature.WRONG


def _is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def _read(body: bytes, channel: OpenedChannel) -> TaskNews | None:
    try:
        return read_task(channel.without_secrets(body))
    except UnreadableTask:
        return None
