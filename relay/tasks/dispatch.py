"""Sending one held submit: channel after channel, and again while it surely made nothing.

No transaction is open while Kling is awaited, and the row names the channel before the first byte
goes out (D1). Whatever is in doubt ends it (D2).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import takewhile
from typing import assert_never

import msgspec
import structlog

from relay.assets.given import GivenAssets
from relay.assets.store import StoreFailed
from relay.body_budget import Share
from relay.channels.directory import ChannelDirectory
from relay.channels.opened import OpenedChannel
from relay.database.batch import Batcher
from relay.database.faults import PERSIST_S, is_fault, log_failure, persist
from relay.database.line import Line
from relay.errors import RelayError
from relay.health.board import Board
from relay.health.condition import Admission, Need
from relay.kling.body import join_fields, put_text
from relay.kling.codes import ABOUT_THE_ACCOUNT, RESELLERS_BUSINESS, Code
from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.models import takes_ids
from relay.kling.transport import MaybeSent, NotSent, distrust
from relay.kling.verdicts import Accepted, Refused, Unknown, judge_call, judge_create
from relay.kling.wire import Fields
from relay.tasks.callback_path import CallbackPaths
from relay.tasks.conclude import (
    UNKNOWN_LOOK_AFTER_S,
    Concluder,
    NotTaken,
    Submitted,
    Waits,
)
from relay.tasks.failover import PassedOn, first_to_take
from relay.tasks.queue.enter import Queue
from relay.tasks.redact import reply_without_credential
from relay.tasks.statements import MOVE_CHANNEL, ChannelRow
from relay.tasks.task import TaskRow
from relay.tasks.upstream import Upstream

log = structlog.get_logger()

SEND_TIME_MIN_S = 1.0
"""With less than this left before the deadline, nothing is sent any more."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.5, 8.0
"""Between two rounds over the channels, of which none took it; each is twice as long."""


class Submission(msgspec.Struct):
    """One submit on its way, after its hold."""

    task: TaskRow
    endpoint: Endpoint
    fields: Fields
    need: Need
    deadline: float
    """On the monotonic clock."""
    retry_until: float
    model: str | None = None
    may_name_files: bool = True
    """Files of ours; False once it was looked through, which takes a while of a large body."""
    body: Share | None = None
    """What its body has of the budget."""
    is_tried: bool = False
    """It may have been sent before: then the row is asked first whether it still may be."""
    passed: PassedOn[Submitted] | None = None
    """How the round before ended."""
    wait_s: int = 0
    """For how long it may wait in the queue, if no channel takes it."""
    has_waited: bool = False
    """It comes from the queue, and may wait there again."""
    admission: Admission | None = None
    """To the first channel, if it has one already."""
    passed_by: int | None = None
    """The channel that its row names, and that surely has nothing of it."""

    @property
    def time_left_s(self) -> float:
        return self.deadline - time.monotonic()

    @property
    def has_time(self) -> bool:
        return self.time_left_s >= SEND_TIME_MIN_S


class Dispatcher:
    """Sends what is held."""

    def __init__(
        self,
        line: Line,
        *,
        directory: ChannelDirectory,
        board: Board,
        upstream: Upstream,
        concluder: Concluder,
        queue: Queue,
        callback_paths: CallbackPaths,
        given: GivenAssets,
        kling_timeout_s: float,
    ) -> None:
        self._moves = Batcher(line, MOVE_CHANNEL, is_idempotent=True)
        self._directory = directory
        self._board = board
        self._upstream = upstream
        self._conclude = concluder
        self._queue = queue
        self._callback_paths = callback_paths
        self._given = given
        self._kling_timeout_s = kling_timeout_s

    async def send(self, submission: Submission, channels: list[OpenedChannel]) -> Submitted:
        """Try the channels in order until one takes it, refuses its content, or is in doubt."""
        try:
            return await self._send(submission, channels)
        finally:
            self._leave(submission)

    async def _send(self, submission: Submission, channels: list[OpenedChannel]) -> Submitted:
        task, need = submission.task, submission.need
        pause_s, refusal = PAUSE_MIN_S, None
        while True:
            outcome = await self._round(submission, channels)
            if isinstance(outcome, Submitted):
                return outcome
            submission.passed = outcome
            refusal = outcome.refusal or refusal
            wait_s = max(pause_s, self._board.wait_s(channels, need))
            if _is_full(outcome) or time.monotonic() + wait_s > submission.retry_until:
                break
            await asyncio.sleep(wait_s)
            channels = await self._still_on(channels)
            await self._board.refresh(channels)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
        waiting = await self._let_wait(submission, channels, outcome.reason)
        if waiting is not None:
            return Submitted(waiting, Waits())
        await self._conclude.release(task, f"no channel took it: {outcome.reason}")
        if refusal is not None:
            return self._with_wait(refusal, channels, need)
        told = self._board.why_not(channels, need)
        return Submitted(task, NotTaken(outcome.reason, told))

    async def wait(
        self, submission: Submission, channels: list[OpenedChannel], refusal: RelayError
    ) -> Submitted:
        """Let it wait for one of the channels; released, and refused by `refusal`, if it cannot."""
        reason = f"{type(refusal).__name__}: {refusal.message}"
        waiting = await self._let_wait(submission, channels, reason)
        if waiting is not None:
            return Submitted(waiting, Waits())
        await self._conclude.release(submission.task, f"{reason}; it could not wait")
        return Submitted(submission.task, NotTaken(reason, refusal))

    async def _let_wait(
        self, submission: Submission, channels: list[OpenedChannel], reason: str
    ) -> TaskRow | None:
        """Let it wait for a channel that takes it, if it may."""
        task = submission.task
        if submission.has_waited:
            is_back = await self._queue.put_back(task, reason=reason)
            return task if is_back else None
        if not submission.wait_s:
            return None
        return await self._queue.enter(
            task,
            submission.fields,
            path_model=submission.model,
            wait_s=submission.wait_s,
            channels=channels,
            reason=reason,
        )

    async def _still_on(self, channels: list[OpenedChannel]) -> list[OpenedChannel]:
        """Read again those that still get tasks: the operator may have changed them meanwhile."""
        try:
            read = [await self._directory.get(channel.id) for channel in channels]
        except Exception as error:
            if not is_fault(error):
                raise
            log_failure(log, "submit.channels_not_read", error)
            return channels
        return [channel for channel in read if channel.enabled and not channel.is_draining]

    async def aclose(self) -> None:
        await self._moves.aclose()

    def _with_wait(
        self, refused: Submitted, channels: list[OpenedChannel], need: Need
    ) -> Submitted:
        """Say beside Kling's own 1303 when it is worth while again, where Kling does not."""
        reply = refused.reply
        if reply is None or reply.retry_after or not _is_full(PassedOn("", refused)):
            return refused
        wait_s = self._board.room_wait_s(channels, need)
        told = msgspec.structs.replace(reply, retry_after=str(wait_s))
        return msgspec.structs.replace(refused, reply=told)

    async def _round(
        self, submission: Submission, channels: list[OpenedChannel]
    ) -> Submitted | PassedOn[Submitted]:
        """Try each channel once that may have it now."""

        async def attempt(
            channel: OpenedChannel, before: PassedOn[Submitted] | None
        ) -> Submitted | PassedOn[Submitted]:
            admission, submission.admission = submission.admission, None
            admission = admission or await self._board.admit(
                channel, submission.need, task_id=submission.task.id
            )
            if admission is None:
                return PassedOn(f"{channel.name}: takes none now", is_asked=False)
            # Also before the first one is tried: the row names another one if that took none.
            if submission.is_tried or channel.id != submission.task.channel_id:
                submission.is_tried = True  # whatever comes of it, the row may name another one
                moved = await self._move(submission, channel, before)
                if not moved:
                    self._board.withdraw(admission)
                if moved is None:
                    return PassedOn(f"{channel.name}: the row could not name it")
                if not moved:
                    # Past its deadline or known to Kling after all: it belongs to the looks now.
                    why = "it is no longer this submit's to send"
                    return Submitted(submission.task, Unknown(reason=why))
            submission.is_tried = True
            self._leave(submission)
            outcome = await self._try(submission, channel, admission)
            if isinstance(outcome, PassedOn):
                self._board.room.pass_on(channel.id, submission.need)
                submission.passed_by = channel.id
            return outcome

        in_time = takewhile(lambda _: submission.has_time, channels)
        return await first_to_take(in_time, attempt, what="submit", task_id=submission.task.id)

    def _leave(self, submission: Submission) -> None:
        """Have its row count again where it is named, or no longer."""
        if submission.passed_by is not None:
            self._board.room.go_on(submission.passed_by, submission.need)
            submission.passed_by = None

    async def _try(
        self, submission: Submission, channel: OpenedChannel, admission: Admission
    ) -> Submitted | PassedOn[Submitted]:
        """Send to one channel; passed on if it was not sent or refused because of the account."""
        task, endpoint = submission.task, submission.endpoint
        callback_url = self._inject(submission, channel)
        try:
            async with self._with_files(submission, admission) as fields:
                patience_s = channel.patience_s(self._kling_timeout_s)
                reply = await self._upstream.create(
                    channel,
                    endpoint,
                    join_fields(fields),
                    timeout_s=min(patience_s, submission.time_left_s),
                    model=submission.model,
                    admission=admission,
                )
        except NotSent as error:
            return PassedOn(f"{channel.name}: not sent, {error.reason}")
        except MaybeSent as error:
            unheard = Submitted(task, Unknown(error.reason), channel=channel.name)
            return await self._keep(submission, unheard)
        macs = [] if callback_url is None else [callback_url.rpartition(".")[2]]
        reply = reply_without_credential(reply, macs, own_url=task.callback_url)
        if endpoint.kind is EndpointKind.CALL:
            verdict = judge_call(reply, is_listed=endpoint.is_listed)
        else:
            verdict = judge_create(reply, injected_id=task.injected_id)
        submitted = Submitted(task, verdict, reply, channel.name)
        match verdict:
            case Accepted():
                return await self._conclude.record(endpoint, submitted, verdict)
            case Refused() if verdict.code in ABOUT_THE_ACCOUNT:
                return PassedOn(
                    f"{channel.name}: code {verdict.code}, {verdict.message}",
                    refusal=None if verdict.code in RESELLERS_BUSINESS else submitted,
                )
            case Refused():
                told = verdict.message.replace(task.injected_id, task.tenant_external_id or "")
                await self._conclude.release(
                    task,
                    f"code {verdict.code}: {verdict.message}",
                    body=reply.body,
                    told=told,
                )
                return submitted
            case Unknown():
                if verdict.is_anothers:
                    distrust(reply)
                return await self._keep(submission, submitted)
            case _:
                assert_never(verdict)

    def _inject(self, submission: Submission, channel: OpenedChannel) -> str | None:
        """Put our own id and callback URL into the body of a task; return the URL."""
        endpoint, task = submission.endpoint, submission.task
        if endpoint.kind is not EndpointKind.TASK:
            return None
        if not takes_ids(endpoint.name, submission.model):
            return None
        callback_url = self._callback_paths.url(task.injected_id, channel.id)
        put_text(submission.fields, endpoint.external_id_field, task.injected_id)
        if callback_url is not None:
            put_text(submission.fields, endpoint.callback_field, callback_url)
        return callback_url

    @asynccontextmanager
    async def _with_files(
        self, submission: Submission, admission: Admission
    ) -> AsyncIterator[Fields]:
        """Put files of ours where the create names them, for as long as it is sent.

        Raises:
            NotSent: they cannot be had, or there was no room for them in memory.
        """
        task, name, fields = submission.task, submission.endpoint.name, submission.fields
        if not submission.may_name_files:
            yield fields
            return
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(submission.time_left_s - SEND_TIME_MIN_S):
                    put = self._given.put(
                        *(name, fields),
                        tenant_id=task.tenant_id,
                        account_id=task.account_id,
                        beside=submission.body,
                    )
                    fields = await held.enter_async_context(put)
            except (StoreFailed, TimeoutError) as error:
                self._board.withdraw(admission)  # nothing was asked of the channel
                why = f"a file that it names cannot be read: {str(error) or 'no room in memory'}"
                raise NotSent(why) from error
            yield fields

    async def _keep(self, submission: Submission, submitted: Submitted) -> Submitted:
        """Keep the hold; a call has nothing to look up, so that it is given up at its deadline."""
        is_call = submission.endpoint.kind is EndpointKind.CALL
        look_after_s = max(0.0, submission.time_left_s) if is_call else UNKNOWN_LOOK_AFTER_S
        return await self._conclude.keep(submitted, look_after_s=look_after_s)

    async def _move(
        self,
        submission: Submission,
        channel: OpenedChannel,
        before: PassedOn[Submitted] | None,
    ) -> bool | None:
        """Name the next channel in the row, durably, before it is tried (D1).

        False if the task is no longer ours to send; None if the database does not take it.
        """
        task, before = submission.task, before or submission.passed
        reason = before.reason if before else "taken by none before"
        row = ChannelRow(task.id, channel.id, f"{reason}; now {channel.name}")
        try:
            return await persist(lambda: self._moves.run(row), for_s=PERSIST_S) is not None
        except Exception as error:
            if not is_fault(error):
                raise
            log_failure(log, "submit.move_failed", error, id=task.id, channel=channel.name)
            return None


def _is_full(passed: PassedOn[Submitted]) -> bool:
    """Tell whether all slots are taken by Kling's word: waiting for one is the client's."""
    refusal = passed.refusal
    return (
        refusal is not None
        and isinstance(refusal.verdict, Refused)
        and refusal.verdict.code == Code.CONCURRENCY_LIMITED
    )
