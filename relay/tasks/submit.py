"""A submit, from the tenant's body to what became of it (docs/paths.md, "Path of a submit").

Hold, commit, call Kling, record. No transaction is open while Kling is awaited, and the row is
committed before the first byte goes out: a crash leaves a hold to look up, never a video that
nobody pays for. How the outcome is told is for the face that took the submit.
"""

import secrets as entropy
import time
from itertools import takewhile
from typing import assert_never

import msgspec
import structlog

from relay.channels.opened import OpenedChannel
from relay.database.batch import Batcher
from relay.database.faults import is_fault, log_failure, persist
from relay.database.ids import TaskId
from relay.database.line import Line
from relay.deliveries.guard import CallbackGuard
from relay.deliveries.kept_url import keep_url
from relay.errors import InvalidParameter
from relay.kling.body import (
    CALLBACK_URL_CHARS_MAX,
    EXTERNAL_ID_CHARS_MAX,
    join_fields,
    put_text,
    take_text,
)
from relay.kling.codes import ABOUT_THE_ACCOUNT, RESELLERS_BUSINESS
from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.models import takes_ids
from relay.kling.strays import drop_ours, read_things
from relay.kling.transport import MaybeSent, NotSent, distrust
from relay.kling.verdicts import Accepted, Refused, Unknown, judge_call, judge_create
from relay.kling.wire import Fields
from relay.secrets import KeyRing
from relay.tasks.callback_path import CallbackPaths
from relay.tasks.choose_channel import ChannelChooser
from relay.tasks.conclude import (
    PERSIST_S,
    UNKNOWN_LOOK_AFTER_S,
    Concluder,
    NotTaken,
    Replayed,
    Submitted,
)
from relay.tasks.failover import PassedOn, first_to_take
from relay.tasks.hold import First, Holder
from relay.tasks.outbox import spell_follows
from relay.tasks.quoter import Quoter
from relay.tasks.redact import reply_without_credential
from relay.tasks.retries import Client, Retries, is_made
from relay.tasks.statements import MOVE_CHANNEL, ChannelRow, HoldRow, OnceRow
from relay.tasks.task import TaskRow
from relay.tasks.upstream import Upstream
from relay.tenants.caller import Caller

log = structlog.get_logger()

SEND_TIME_MIN_S = 1.0
"""With less than this left before the deadline, nothing is sent any more."""


class SubmitRules(msgspec.Struct, frozen=True):
    """The settings a submit goes by."""

    currency: str
    kling_timeout_s: float = 60.0
    submit_timeout_s: float = 90.0
    """All channels together; afterwards the row belongs to the looks."""


class _Submission(msgspec.Struct):
    """One submit on its way, after its hold."""

    task: TaskRow
    endpoint: Endpoint
    fields: Fields
    deadline: float
    """On the monotonic clock."""
    model: str | None = None

    @property
    def time_left_s(self) -> float:
        return self.deadline - time.monotonic()

    @property
    def has_time(self) -> bool:
        return self.time_left_s >= SEND_TIME_MIN_S


class Submitter:
    """Takes submits."""

    def __init__(
        self,
        line: Line,
        *,
        quoter: Quoter,
        chooser: ChannelChooser,
        upstream: Upstream,
        concluder: Concluder,
        retries: Retries,
        callback_paths: CallbackPaths,
        callback_guard: CallbackGuard,
        keys: KeyRing,
        rules: SubmitRules,
    ) -> None:
        self._holds = Holder(line, currency=rules.currency)
        self._moves = Batcher(line, MOVE_CHANNEL, is_idempotent=True)
        self._quoter = quoter
        self._chooser = chooser
        self._upstream = upstream
        self._conclude = concluder
        self._retries = retries
        self._callback_paths = callback_paths
        self._callback_guard = callback_guard
        self._keys = keys
        self._rules = rules

    async def submit(
        self,
        caller: Caller,
        endpoint: Endpoint,
        fields: Fields,
        *,
        request_id: str,
        model: str | None = None,
        follows: tuple[str, ...] = (),
        client: Client | None = None,
    ) -> Submitted:
        """Hold, send and record one task or one paid call, or find that an earlier create did.

        `model`: as it stands in the path of a 2.0 create. `follows`: who is told of every move of
        the task (`outbox.py`). `client`: who awaits the answer, if it may be sent again.

        Raises:
            RelayError: refused before the hold; nothing was written.
            ValueError: `follows` are no names of followers; nothing was written.
        """
        followed_by = spell_follows(follows)
        tenant_external_id = take_text(
            fields, endpoint.external_id_field, chars_max=EXTERNAL_ID_CHARS_MAX
        )
        callback_url = take_text(fields, endpoint.callback_field, chars_max=CALLBACK_URL_CHARS_MAX)
        drop_ours(fields)
        if endpoint.kind is EndpointKind.CALL:
            # Neither is a field of a call; what would be the tenant's id among all tenants' is not
            # sent, nor is a URL that Kling should not know.
            tenant_external_id = callback_url = None
        _check_callback_url(endpoint, callback_url, self._callback_guard)
        if callback_url is not None:
            callback_url = keep_url(callback_url, self._keys, tenant_id=caller.tenant_id)
        named = read_things(endpoint, fields)
        quoted = await self._quoter.quote(caller, endpoint, fields, model)
        channels = await self._chooser.choose(
            caller.tenant_id, endpoint, named, model=quoted.quote.wanted.model
        )
        deadline = time.monotonic() + self._rules.submit_timeout_s
        row = HoldRow(
            tenant_id=caller.tenant_id,
            account_id=caller.account_id,
            token_id=caller.token_id,
            channel_id=channels[0].id,
            endpoint=endpoint.name,
            tenant_external_id=tenant_external_id,
            callback_url=callback_url,
            request_id=request_id,
            model=quoted.quote.wanted.model,
            pack=quoted.quote.pack.value,
            quote=quoted.json,
            hold_micros=quoted.quote.hold_micros,
            deadline_s=self._rules.submit_timeout_s,
            random=entropy.token_hex(8),
            follows=followed_by,
        )
        while True:
            task = await self._hold(row, client, joins=caller.joins_retries)
            if isinstance(task, TaskRow):
                break
            submitted = await self._follow(task, client, deadline)
            if submitted is not None:
                return submitted
        if client is not None:
            client.await_task(task.id)
        submitted = await self._send(_Submission(task, endpoint, fields, deadline, model), channels)
        is_call = endpoint.kind is EndpointKind.CALL
        if client is not None and _comes_to_nothing(submitted.verdict, is_call=is_call):
            client.await_task(None)
        return submitted

    async def aclose(self) -> None:
        await self._holds.aclose()
        await self._moves.aclose()

    async def _hold(self, row: HoldRow, client: Client | None, *, joins: bool) -> TaskRow | TaskId:
        """Hold, or find the task of the create that this one repeats."""
        once = None
        if client is not None and client.key is not None:
            once = OnceRow(client.key, await client.fingerprint())
        held = await self._holds.take(row, once=once)
        if isinstance(held, First) and held.id is None:
            if joins and client is not None:
                first = await self._retries.join(client, token_id=row.token_id)
                if first is not None:
                    return first
            held = await self._holds.take(row, once=OnceRow(None, None))
        if isinstance(held, TaskRow):
            return held
        assert held.id is not None, "it was looked for"
        return held.id

    async def _follow(
        self, first: TaskId, client: Client | None, deadline: float
    ) -> Submitted | None:
        """Answer as the create did that this one repeats; None if that made nothing."""
        assert client is not None, "whoever repeats has a key, or bytes"
        client.await_task(first)
        task = await self._retries.follow(first, deadline=deadline)
        if task is None:
            client.await_task(None)
            return None
        log.info("submit.joined", id=first, state=task.state.value, has_key=client.key is not None)
        if not is_made(task):
            return Submitted(task, Unknown("the create that it repeats has no verdict"))
        return Submitted(
            task,
            Replayed(),
            await self._retries.first_reply(task),
            charged_micros=task.charged_micros or 0,
        )

    async def _send(self, submission: _Submission, channels: list[OpenedChannel]) -> Submitted:
        """Try the channels in order until one takes it, refuses its content, or is in doubt."""
        task = submission.task

        async def attempt(
            channel: OpenedChannel, before: PassedOn[Submitted] | None
        ) -> Submitted | PassedOn[Submitted]:
            if before is not None:
                moved = await self._move(task, channel, before)
                if moved is None:
                    return PassedOn(f"{channel.name}: the row could not name it", before.refusal)
                if not moved:
                    # Past its deadline or known to Kling after all: it belongs to the looks now.
                    return Submitted(task, Unknown(reason="it is no longer this submit's to send"))
            return await self._try(submission, channel)

        in_time = takewhile(lambda _: submission.has_time, channels)
        outcome = await first_to_take(in_time, attempt, what="submit", task_id=task.id)
        if isinstance(outcome, Submitted):
            return outcome
        await self._conclude.release(task, f"no channel took it: {outcome.reason}")
        return outcome.refusal or Submitted(task, NotTaken(outcome.reason))

    async def _try(
        self, submission: _Submission, channel: OpenedChannel
    ) -> Submitted | PassedOn[Submitted]:
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
            return PassedOn(f"{channel.name}: not sent, {error.reason}")
        except MaybeSent as error:
            unheard = Submitted(task, Unknown(error.reason), channel=channel.name)
            return await self._keep(submission, unheard)
        if callback_url is not None:
            mac = callback_url.rpartition(".")[2]
            reply = reply_without_credential(reply, [mac], own_url=task.callback_url)
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
                await self._conclude.release(
                    task, f"code {verdict.code}: {verdict.message}", reply.body
                )
                return submitted
            case Unknown():
                if verdict.is_anothers:
                    distrust(reply)
                return await self._keep(submission, submitted)
            case _:
                assert_never(verdict)

    def _inject(self, submission: _Submission, channel: OpenedChannel) -> str | None:
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

    async def _keep(self, submission: _Submission, submitted: Submitted) -> Submitted:
        """Keep the hold; a call has nothing to look up, so that it is given up at its deadline."""
        is_call = submission.endpoint.kind is EndpointKind.CALL
        look_after_s = max(0.0, submission.time_left_s) if is_call else UNKNOWN_LOOK_AFTER_S
        return await self._conclude.keep(submitted, look_after_s=look_after_s)

    async def _move(
        self, task: TaskRow, channel: OpenedChannel, before: PassedOn[Submitted]
    ) -> bool | None:
        """Name the next channel in the row, durably, before it is tried (D1).

        False if the task is no longer ours to send; None if the database does not take it.
        """
        row = ChannelRow(task.id, channel.id, f"{before.reason}; now {channel.name}")
        try:
            return await persist(lambda: self._moves.run(row), for_s=PERSIST_S) is not None
        except Exception as error:
            if not is_fault(error):
                raise
            log_failure(log, "submit.move_failed", error, id=task.id, channel=channel.name)
            return None


def _comes_to_nothing(verdict: object, *, is_call: bool) -> bool:
    """Tell whether there is no task to await: refused; or a call whose result nobody will have."""
    return isinstance(verdict, Refused | NotTaken) or (is_call and isinstance(verdict, Unknown))


def _check_callback_url(endpoint: Endpoint, callback_url: str | None, guard: CallbackGuard) -> None:
    """Refuse what cannot be a URL, or names a private address; names are judged when dialled."""
    if callback_url is None:
        return
    why = guard.why_unusable(callback_url)
    if why is not None:
        raise InvalidParameter(".".join(endpoint.callback_field), why)
