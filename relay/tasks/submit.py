"""A submit, from the tenant's body to Kling's answer (design.md, "Path of a submit").

Hold, commit, call Kling, record. No transaction is open while Kling is awaited, and the row is
committed before the first byte goes out: a crash leaves a hold to look up, never a video that
nobody pays for.
"""

import secrets as entropy
import time
from typing import NamedTuple, assert_never

import msgspec
import structlog

from relay.channels.channel import Channel
from relay.database.batch import Batcher, RowBlocked
from relay.database.line import DatabaseUnavailable, Line
from relay.deliveries.guard import CallbackGuard
from relay.errors import (
    InvalidParameter,
    TimedOut,
    Unavailable,
)
from relay.kling.body import (
    CALLBACK_URL_CHARS_MAX,
    EXTERNAL_ID_CHARS_MAX,
    join_fields,
    put_text,
    take_text,
)
from relay.kling.codes import ABOUT_THE_ACCOUNT, RESELLERS_BUSINESS
from relay.kling.endpoint import Endpoint, Kind
from relay.kling.references import read_named
from relay.kling.transport import MaybeSent, NotSent, Reply
from relay.kling.wire import (
    Accepted,
    Fields,
    Refused,
    Unknown,
    judge_call,
    judge_create,
    read_envelope,
)
from relay.tasks.callback_path import CallbackPaths
from relay.tasks.finish import Finisher, Via
from relay.tasks.hold import Holder
from relay.tasks.look import Looker
from relay.tasks.place import Places
from relay.tasks.quoter import Quoter
from relay.tasks.statements import MOVE_CHANNEL, ChannelRow, HoldRow
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tasks.upstream import Upstream
from relay.tasks.view import Shown, show_data, show_refusal
from relay.tenants.tokens import Caller

log = structlog.get_logger()

UNKNOWN_LOOK_AFTER_S = 5.0
SEND_TIME_MIN_S = 1.0
"""With less than this left before the deadline, nothing is sent any more."""


class SubmitRules(msgspec.Struct, frozen=True):
    """The settings a submit goes by."""

    currency: str
    kling_timeout_s: float = 60.0
    submit_timeout_s: float = 90.0
    """All channels together; afterwards the row belongs to the looks."""


class Answer(msgspec.Struct, frozen=True):
    """What the tenant gets: Kling's status and bytes."""

    status: int
    body: bytes
    retry_after: str = ""
    code: int = 0
    """Kling's, for the log; and so are our id and the channel's name."""
    id: int | None = None
    channel: str = ""
    quoted_micros: int | None = None
    """What was held, for tenants that want to see it."""


class _PassedOn(NamedTuple):
    """A channel did not take it, and surely made no task: another one may."""

    reason: str


class _Submission(msgspec.Struct):
    """One submit on its way, after its hold."""

    task: TaskRow
    endpoint: Endpoint
    fields: Fields
    deadline: float
    """On the monotonic clock."""
    model: str | None = None
    last_refusal: Reply | None = None

    @property
    def time_left_s(self) -> float:
        return self.deadline - time.monotonic()


class Submitter:
    """Takes submits."""

    def __init__(
        self,
        line: Line,
        *,
        quoter: Quoter,
        places: Places,
        upstream: Upstream,
        finisher: Finisher,
        looker: Looker,
        callback_paths: CallbackPaths,
        callback_guard: CallbackGuard,
        rules: SubmitRules,
    ) -> None:
        self._holds = Holder(line, currency=rules.currency)
        self._moves = Batcher(line, MOVE_CHANNEL, is_idempotent=False)
        self._quoter = quoter
        self._places = places
        self._upstream = upstream
        self._finisher = finisher
        self._looker = looker
        self._callback_paths = callback_paths
        self._callback_guard = callback_guard
        self._rules = rules

    async def submit(
        self,
        caller: Caller,
        endpoint: Endpoint,
        fields: Fields,
        *,
        request_id: str,
        model: str | None = None,
    ) -> Answer:
        """Hold, send and record one task or one paid call.

        `model`: as it stands in the path of a 2.0 create.

        Raises:
            RelayError: what the tenant is told. Before the hold nothing was written; after it the
                hold is released, except with TimedOut, where it stays until Kling tells.
        """
        external_id = take_text(fields, endpoint.external_id_field, chars_max=EXTERNAL_ID_CHARS_MAX)
        callback_url = take_text(fields, endpoint.callback_field, chars_max=CALLBACK_URL_CHARS_MAX)
        if endpoint.kind is Kind.CALL:
            # Neither is a field of a call; what would be the tenant's id among all tenants' is not
            # sent, nor is a URL that Kling should not know.
            external_id = callback_url = None
        _check_callback_url(endpoint, callback_url, self._callback_guard)
        named = read_named(endpoint, fields)
        quoted = await self._quoter.quote(caller, endpoint, fields, model)
        channels = await self._places.channels_for(caller.tenant_id, endpoint, named)
        deadline = time.monotonic() + self._rules.submit_timeout_s
        task = await self._holds.take(
            HoldRow(
                tenant_id=caller.tenant_id,
                token_id=caller.token_id,
                channel_id=channels[0].id,
                endpoint=endpoint.name,
                tenant_external_id=external_id,
                callback_url=callback_url,
                request_id=request_id,
                quote=quoted.json,
                hold_micros=quoted.quote.hold_micros,
                deadline_s=self._rules.submit_timeout_s,
                random=entropy.token_hex(8),
            )
        )
        submission = _Submission(task, endpoint, fields, deadline, model=model)
        answer = await self._send(submission, channels)
        return msgspec.structs.replace(answer, quoted_micros=quoted.quote.hold_micros)

    async def aclose(self) -> None:
        await self._holds.aclose()
        await self._moves.aclose()

    async def _send(self, submission: _Submission, channels: list[Channel]) -> Answer:
        """Try the channels in order until one takes it, refuses its content, or is in doubt."""
        passed_on: _PassedOn | None = None
        for channel in channels:
            if submission.time_left_s < SEND_TIME_MIN_S:
                break
            if passed_on and not await self._move(submission.task, channel, passed_on):
                # Past its deadline or known to Kling after all: it belongs to the looks now.
                raise TimedOut
            outcome = await self._try(submission, channel)
            if isinstance(outcome, Answer):
                return outcome
            passed_on = outcome
            log.warning(
                "submit.channel_refused",
                id=submission.task.id,
                channel=channel.name,
                reason=passed_on.reason,
            )
        reason = passed_on.reason if passed_on else "no time left"
        await self._release(submission.task, f"no channel took it: {reason}")
        refusal = submission.last_refusal
        if refusal is None:
            raise Unavailable
        return Answer(
            refusal.status,
            refusal.body,
            retry_after=refusal.retry_after,
            code=_code(refusal),
            id=submission.task.id,
        )

    async def _try(self, submission: _Submission, channel: Channel) -> Answer | _PassedOn:
        """Send to one channel; passed on if it was not sent or refused because of the account."""
        task, endpoint = submission.task, submission.endpoint
        callback_url = self._inject(submission, channel)
        try:
            reply = await self._upstream.create(
                channel,
                endpoint,
                join_fields(submission.fields),
                timeout_s=min(self._rules.kling_timeout_s, submission.time_left_s),
                model=submission.model,
            )
        except NotSent as error:
            return _PassedOn(f"{channel.name}: not sent, {error.reason}")
        except MaybeSent as error:
            return await self._keep(task, channel, error.reason, reply=None)
        if endpoint.kind is Kind.CALL:
            verdict = judge_call(reply, is_listed=endpoint.is_listed)
        else:
            verdict = judge_create(reply, external_id=task.external_id, callback_url=callback_url)
        if isinstance(verdict, Accepted):
            return await self._record(submission, channel, reply, verdict)
        told = show_refusal(
            reply.body,
            ours={task.external_id: task.tenant_external_id, callback_url: task.callback_url},
        )
        match verdict:
            case Refused() if verdict.code in ABOUT_THE_ACCOUNT:
                if verdict.code not in RESELLERS_BUSINESS:
                    submission.last_refusal = msgspec.structs.replace(reply, body=told)
                return _PassedOn(f"{channel.name}: code {verdict.code}, {verdict.message}")
            case Refused():
                await self._release(task, f"code {verdict.code}: {verdict.message}", reply.body)
                return Answer(
                    reply.status,
                    told,
                    retry_after=reply.retry_after,
                    code=verdict.code,
                    id=task.id,
                    channel=channel.name,
                )
            case Unknown():
                return await self._keep(task, channel, verdict.reason, reply=reply, told=told)
            case _:
                assert_never(verdict)

    def _inject(self, submission: _Submission, channel: Channel) -> str | None:
        """Put our own id and callback URL into the body of a task; return the URL."""
        endpoint, task = submission.endpoint, submission.task
        if endpoint.kind is not Kind.TASK:
            return None
        callback_url = self._callback_paths.url(task.external_id, channel.id)
        put_text(submission.fields, endpoint.external_id_field, task.external_id)
        if callback_url is not None:
            put_text(submission.fields, endpoint.callback_field, callback_url)
        return callback_url

    async def _record(
        self, submission: _Submission, channel: Channel, reply: Reply, accepted: Accepted
    ) -> Answer:
        task = submission.task
        charged_micros = None
        try:
            finished = await self._finisher.learn(
                task,
                accepted.news,
                via=Via.SUBMIT,
                look_after_s=await self._looker.look_pause_s(task),
                kling_request_id=accepted.envelope.request_id or None,
            )
            charged_micros = finished.charged_micros
        except Exception as error:
            # Kling has the task and the row has its hold: a look finds it under our external id,
            # and the tenant gets the id that Kling gave, or it would submit again.
            log.exception("submit.record_failed", id=task.id, task_id=accepted.news.task_id)
            if submission.endpoint.kind is Kind.CALL:
                # Nothing is found of a call: given away, its result would never be charged (D2).
                raise TimedOut from error
        shown = Shown(
            tenant_id=task.tenant_id,
            tenant_external_id=task.tenant_external_id,
            quote=task.quote,
            charged_micros=charged_micros or 0,
        )
        try:
            body = show_data(reply.body, shown)
        except Exception as error:
            # Accepted all the same: the tenant finds it by its external id, or in the list.
            log.exception("submit.reply_unshown", id=task.id, task_id=accepted.news.task_id)
            raise TimedOut from error
        return Answer(reply.status, body, id=task.id, channel=channel.name)

    async def _keep(
        self,
        task: TaskRow,
        channel: Channel,
        reason: str,
        *,
        reply: Reply | None,
        told: bytes = b"",
    ) -> Answer:
        """Keep the hold of a task that Kling may have; the looks find out. `told` goes back."""
        log.warning("submit.unknown", id=task.id, channel=channel.name, reason=reason)
        await self._end(
            task,
            TaskState.UNKNOWN,
            reason,
            # A call has nothing to look up: the look gives it up after an hour (D2).
            look_after_s=UNKNOWN_LOOK_AFTER_S,
            body=reply.body if reply else None,
        )
        if reply is None or reply.status < 500 or read_envelope(reply) is None:  # noqa: PLR2004
            raise TimedOut
        return Answer(reply.status, told, code=_code(reply), id=task.id, channel=channel.name)

    async def _release(self, task: TaskRow, reason: str, body: bytes | None = None) -> None:
        await self._end(task, TaskState.REFUSED, reason, look_after_s=None, body=body)

    async def _end(
        self,
        task: TaskRow,
        state: TaskState,
        reason: str,
        *,
        look_after_s: float | None,
        body: bytes | None,
    ) -> None:
        """Write what became of a submit. Should that fail, the row stays pending for the looks."""
        try:
            await self._finisher.end(
                task.id,
                state,
                via=Via.SUBMIT,
                reason=reason,
                look_after_s=look_after_s,
                body=body,
            )
        except Exception:
            log.exception("submit.end_failed", id=task.id, state=state.value)

    async def _move(self, task: TaskRow, channel: Channel, passed_on: _PassedOn) -> bool:
        """Name the next channel in the row, durably, before it is tried (D1)."""
        try:
            moved = await self._moves.run(
                ChannelRow(task.id, channel.id, f"{passed_on.reason}; now {channel.name}")
            )
        except (RowBlocked, DatabaseUnavailable) as error:
            raise TimedOut from error
        return moved is not None


def _check_callback_url(endpoint: Endpoint, callback_url: str | None, guard: CallbackGuard) -> None:
    """Refuse what cannot be a URL, or names a private address; names are judged when dialled."""
    if callback_url is None:
        return
    why = guard.why_unusable(callback_url)
    if why is not None:
        raise InvalidParameter(".".join(endpoint.callback_field), why)


def _code(reply: Reply) -> int:
    envelope = read_envelope(reply)
    return envelope.code if envelope else 0
