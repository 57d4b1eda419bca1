"""What moves runs on: a sweep over steps that are due, and the request that began one.

A step that is due is sent, or its task is looked at, or its files are awaited. Whatever breaks off,
the lease of its row brings it back: before it is sent again, the task is looked for that was made
under its key, so that a crash between the two makes no second one.
"""

from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
import structlog

from relay.assets.statements import IS_AWAITED
from relay.database.driver import Pool, Record
from relay.database.gated import GatedSessions
from relay.errors import OverCap, RelayError, ScopeTooSmall
from relay.kling.catalogue import Catalogue
from relay.kling.codes import Code
from relay.kling.endpoint import EndpointKind
from relay.kling.made_files import read_file_urls
from relay.kling.verdicts import Refused
from relay.kling.wire import Fields
from relay.request_ids import new_request_id
from relay.runs.callers import Callers
from relay.runs.moves import end_step, lock_step, note, settle
from relay.runs.outputs import data_of, outputs_of
from relay.runs.patience import turn_of, wait_of_step
from relay.runs.plan import NotMade, filled
from relay.runs.stages import Stage, waits_at
from relay.runs.statements import (
    FIRST_REPLY,
    FOLLOWER,
    KEEPS,
    MADE,
    TASK,
    WAKE,
)
from relay.runs.tables import Run, RunStep, StepState, body_context
from relay.runs.turns import DueStep
from relay.runs.usual import read_usual_s
from relay.secrets import KeyRing, SecretKeyError
from relay.tasks.conclude import NotTaken, Submitted
from relay.tasks.door import Via
from relay.tasks.outbox import Move
from relay.tasks.pass_through import PassThrough
from relay.tasks.quoter import Quoter
from relay.tasks.retries import Client, Retries
from relay.tasks.submit import Submitter
from relay.tasks.tables import TaskState
from relay.tasks.usual import Usuals
from relay.tenants.caller import Caller
from relay.tenants.scope import Scope

log = structlog.get_logger()

ATTEMPTS_MAX = 3
"""How often a step is tried that surely made nothing; then somebody has to ask."""
PAUSES_S = (10.0, 60.0, 600.0)
"""Before the next try."""
LOOK_EVERY_S = 30.0
"""At a step's task that nothing was heard of: its moves wake the step long before."""
FILES_EVERY_S, FILES_S = 1.0, 600.0
"""How often copies are asked for, and how long a run is held up by them."""
PASSING = frozenset(
    {
        *(Code.RATE_LIMITED, Code.CONCURRENCY_LIMITED),
        *(Code.INTERNAL_ERROR, Code.UNAVAILABLE, Code.INTERNAL_TIMEOUT),
    }
)
"""Refusals that may be others a minute later; each is told of what made nothing."""

_fields = msgspec.json.Decoder(Fields)


class _Sent(NamedTuple):
    """What sending needs of a step, as it was read under the lock."""

    caller: Caller
    run: Run
    step: RunStep
    fields: Fields
    hold_micros: int
    """What is reserved for it."""


class Runner:
    """Moves steps."""

    def __init__(
        self,
        sessions: GatedSessions,
        pool: Pool,
        *,
        callers: Callers,
        submitter: Submitter,
        pass_through: PassThrough,
        quoter: Quoter,
        retries: Retries,
        catalogue: Catalogue,
        keys: KeyRing,
        usuals: Usuals,
    ) -> None:
        self._sessions = sessions
        self._pool = pool
        self._callers = callers
        self._submitter = submitter
        self._pass_through = pass_through
        self._quoter = quoter
        self._retries = retries
        self._catalogue = catalogue
        self._keys = keys
        self._usuals = usuals

    async def follow(self, move: Move) -> None:
        """Have the step looked at whose task moved; done twice it does no harm."""
        await self._pool.execute(WAKE, move.task_id)

    async def advance(self, due: DueStep) -> None:
        """Move a step as far as it goes now."""
        async with self._sessions() as session:
            step = await session.get(RunStep, due.id)
            if step is None or step.lease != due.lease:
                return
            run = await session.get_one(Run, step.run_id)
        match StepState(step.state):
            case StepState.READY:
                await self._send(due, run, step)
            case StepState.SENT:
                await self._look(due, step)
            case StepState.KEEPING:
                await self._await_files(due, step)
            case _:
                pass  # it ended meanwhile

    async def _send(self, due: DueStep, run: Run, step: RunStep) -> None:
        """Send a step, unless its task is there already."""
        made = await self._pool.fetchval(MADE, run.token_id, str(step.key))
        if made is not None:
            await self._note_sent(due, made)
            return
        try:
            sent = await self._prepare(due, run, step)
            if sent is None:
                return
            if not self._catalogue.of(step.endpoint).makes_a_row:
                await self._call(due, sent)
                return
            submitted = await self._submit(sent)
        except RelayError as error:
            await self._came_to_nothing(due, int(error.code), error.message)
            return
        except NotMade as error:
            await self._fail(due, None, str(error))
            return
        except (LookupError, SecretKeyError) as error:
            # An endpoint that is configured no more, or a key that is not given.
            log.error("run.step_unusable", run=run.id, step=step.id, reason=str(error))  # noqa: TRY400 (a sentence)
            await self._fail(due, None, "it can no longer be sent")
            return
        await self._conclude(due, submitted)

    async def _prepare(self, due: DueStep, run: Run, step: RunStep) -> _Sent | None:
        """Fill a step's holes, quote it, and reserve that of the run's cap; None if it is over.

        Raises:
            RelayError: whoever asked for the run may not go on, or the cap is reached.
            NotMade
        """
        caller = await self._callers.admit(run)
        if not caller.scope.has(Scope.CALL):
            raise ScopeTooSmall(caller.scope, Scope.CALL)
        endpoint = self._catalogue.of(step.endpoint)
        caller.check_endpoint(endpoint.name)
        outputs: dict[str, Any] = {}
        if step.needs:
            async with self._sessions() as session:
                outputs = await outputs_of(session, run.id, step.needs)
        if step.body_sealed is None:
            raise NotMade("what was to be sent is forgotten by now")
        body = msgspec.json.decode(self._keys.open(step.body_sealed, context=body_context(step.id)))
        fields = _fields.decode(msgspec.json.encode(filled(body, outputs)))
        quoted = await self._quoter.quote(
            *(caller, endpoint, fields, step.model),
            priced_as=step.price_name,
            share_micros=step.share_micros,
        )
        async with self._sessions.begin() as session:
            moving = await lock_step(session, due.id, due.lease)
            if moving is None:
                return None
            locked = moving.step(due.id)
            if moving.run.cancelled_at is not None:
                locked.lease = None
                settle(moving)
                note(session, moving)
                return None
            others = moving.reserved_micros - locked.reserved_micros
            if others + quoted.quote.hold_micros > moving.run.cap_micros:
                raise OverCap
            locked.reserved_micros = quoted.quote.hold_micros
        return _Sent(caller, run, step, fields, quoted.quote.hold_micros)

    async def _call(self, due: DueStep, sent: _Sent) -> None:
        """Make a free call, which leaves no task: done twice it costs nothing.

        Raises:
            RelayError
        """
        endpoint = self._catalogue.of(sent.step.endpoint)
        passed = await self._pass_through.call(sent.caller, endpoint, sent.fields)
        envelope = passed.envelope
        if envelope.code != 0:
            await self._came_to_nothing(due, envelope.code, envelope.message)
            return
        async with self._sessions.begin() as session:
            moving = await lock_step(session, due.id, due.lease)
            if moving is None:
                return
            step = moving.step(due.id)
            step.output, step.sent_at = data_of(passed.reply.body), moving.now
            end_step(moving, step, StepState.DONE)
            note(session, moving)

    async def _submit(self, sent: _Sent) -> Submitted:
        run, step = sent.run, sent.step
        client = Client(
            self._retries,
            request_id=run.request_id,
            path=f"runs/{step.id}",
            # The same at each try, though links in its body are newer then.
            body=step.key.bytes,
            key=str(step.key),
        )
        return await self._submitter.submit(
            sent.caller,
            self._catalogue.of(step.endpoint),
            sent.fields,
            request_id=new_request_id(),
            model=step.model,
            address=run.caller_address or "",
            follows=(FOLLOWER,),
            client=client,
            queue=wait_of_step(run, sent.caller),
            hold_max_micros=sent.hold_micros,
            priced_as=step.price_name,
            share_micros=step.share_micros,
        )

    async def _conclude(self, due: DueStep, submitted: Submitted) -> None:
        """Note what became of a submit; what a call made is read as if it were found later."""
        verdict, task = submitted.verdict, submitted.task
        match verdict:
            case Refused():
                message = verdict.message.replace(task.injected_id, "")
                await self._came_to_nothing(due, verdict.code, message)
            case NotTaken():
                await self._came_to_nothing(due, int(verdict.told.code), verdict.told.message)
            case _:
                await self._note_sent(due, task.id)

    async def _note_sent(self, due: DueStep, task_id: int) -> None:
        """Note which task a step has, and look at it at once: it may have moved before."""
        task = await self._pool.fetchrow(TASK, task_id)
        assert task is not None, "tasks are never deleted"
        usual_s = await read_usual_s(self._pool, self._usuals, task_id)
        async with self._sessions.begin() as session:
            moving = await lock_step(session, due.id, due.lease)
            if moving is None:
                return
            step = moving.step(due.id)
            step.state, step.task_id, step.sent_at = StepState.SENT, task_id, moving.now
            step.task_state, step.usual_s = waits_at(TaskState(task["state"])).value, usual_s
            settle(moving)
            note(session, moving)
        async with self._sessions() as session:
            step = await session.get_one(RunStep, due.id)
        await self._look(due, step)

    async def _look(self, due: DueStep, step: RunStep) -> None:
        """Read how a step's task stands, and move the step if that has moved."""
        task = await self._pool.fetchrow(TASK, step.task_id)
        assert task is not None, "tasks are never deleted"
        match TaskState(task["state"]):
            case TaskState.SUCCEED:
                await self._made(due, step, task)
            case TaskState.FAILED:
                await self._fail(due, None, task["fail_message"] or "Kling made nothing")
            case TaskState.REFUSED if task["ended_via"] != Via.SUBMIT:
                # Given up without Kling's word: should it come to good late, the step does too.
                await self._fail(due, None, task["fail_message"] or "nothing was made")
            case TaskState.REFUSED:
                message = task["fail_message"] or "nothing was made"
                await self._came_to_nothing(due, None, message)
            case state:
                await self._lives(due, waits_at(state))

    async def _lives(self, due: DueStep, stage: Stage) -> None:
        """Leave a step until its task moves."""
        async with self._sessions.begin() as session:
            moving = await lock_step(session, due.id, due.lease)
            if moving is None:
                return
            step = moving.step(due.id)
            step.lease, step.next_attempt_at = None, moving.now + timedelta(seconds=LOOK_EVERY_S)
            if step.task_state != stage.value:
                step.task_state = stage.value
                note(session, moving)

    async def _made(self, due: DueStep, step: RunStep, task: Record) -> None:
        """Keep what a step made, and free what needs it; its files may be awaited before."""
        is_word = task["ended_via"] == Via.OPERATOR and not task["is_reply_full"]
        is_told = not is_word and bool(read_file_urls((task["reply"] or "").encode()))
        if task["is_looked_at"] and not (is_told or task["is_reply_full"]):
            # It was made, as the operator says, or a callback that names no files, as none of a
            # sound does; and Kling is still asked what: without that no step could go on. Once
            # Kling is asked no more, this one ends with nothing to show.
            await self._lives(due, Stage.PROCESSING)
            return
        # A reply that stands there then is of a task that was not done yet.
        output = None if is_word else task["reply"]
        if self._catalogue.kind_of(step.endpoint) is EndpointKind.CALL:
            output = data_of(await self._pool.fetchval(FIRST_REPLY, step.task_id))
        caller = await self._keeper(step.run_id)
        async with self._sessions.begin() as session:
            moving = await lock_step(session, due.id, due.lease)
            if moving is None:
                return
            locked = moving.step(due.id)
            locked.output, locked.made_at = output, moving.now
            locked.reserved_micros = task["charged_micros"] - task["refunded_micros"]
            if caller and step.is_result:
                locked.state, locked.lease, locked.next_attempt_at = (
                    *(StepState.KEEPING, None),
                    moving.now + timedelta(seconds=FILES_EVERY_S),
                )
            else:
                end_step(moving, locked, StepState.DONE)
            note(session, moving)

    async def _await_files(self, due: DueStep, step: RunStep) -> None:
        """End a step whose files are copied; for a copy that fails nothing is held up for long."""
        # Of a result in which no file is found none is awaited, and none will ever be noted.
        is_awaited = await self._pool.fetchval(IS_AWAITED, step.task_id)
        async with self._sessions.begin() as session:
            moving = await lock_step(session, due.id, due.lease)
            if moving is None:
                return
            locked = moving.step(due.id)
            assert locked.made_at is not None, "its task ended well"
            waited_s = (moving.now - locked.made_at).total_seconds()
            if not is_awaited or waited_s > FILES_S:
                end_step(moving, locked, StepState.DONE)
                note(session, moving)
            else:
                locked.lease = None
                locked.next_attempt_at = moving.now + timedelta(seconds=FILES_EVERY_S)

    async def _came_to_nothing(self, due: DueStep, code: int | None, message: str) -> None:
        """Try again later what surely made nothing and may go well then, or let it fail."""
        async with self._sessions.begin() as session:
            moving = await lock_step(session, due.id, due.lease)
            if moving is None:
                return
            step = moving.step(due.id)
            step.reserved_micros = 0
            turn = None if moving.run.cancelled_at else turn_of(moving.run, code, now=moving.now)
            if turn is not None:
                step.state, step.lease, step.next_attempt_at = StepState.READY, None, turn
                return
            step.attempts += 1
            is_passing = code is None or code in PASSING
            if not is_passing or step.attempts > ATTEMPTS_MAX or moving.run.cancelled_at:
                end_step(moving, step, StepState.FAILED, error_code=code, error_message=message)
            else:
                # Its task, if it had one, was given up: the next one is another.
                step.state, step.lease, step.task_id = StepState.READY, None, None
                step.error_code, step.error_message = code, message
                pause_s = PAUSES_S[step.attempts - 1]
                step.next_attempt_at = moving.now + timedelta(seconds=pause_s)
            note(session, moving)

    async def _fail(self, due: DueStep, code: int | None, message: str) -> None:
        """Let a step fail that is not tried again by itself."""
        async with self._sessions.begin() as session:
            moving = await lock_step(session, due.id, due.lease)
            if moving is None:
                return
            step = moving.step(due.id)
            step.reserved_micros = 0
            end_step(moving, step, StepState.FAILED, error_code=code, error_message=message)
            note(session, moving)

    async def _keeper(self, run_id: int) -> bool:
        return bool(await self._pool.fetchval(KEEPS, run_id))
