"""Writing what became of a submit, though the database be away for a while.

A row that is not told of it stays pending, and belongs to the looks after its deadline. Until then
its tenant would hear "Task not found" of the id that it was given, which clients take for the end.
"""

import asyncpg
import msgspec
import structlog

from relay.database.faults import PERSIST_S, is_fault, log_failure, persist
from relay.errors import RelayError
from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.transport import Reply, distrust
from relay.kling.verdicts import Accepted, Refused, Unknown
from relay.tasks.door import Door, Finished, Via, end_row
from relay.tasks.given import released_row
from relay.tasks.learn import Learner
from relay.tasks.look import Looker
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tasks.told import FinishRow

log = structlog.get_logger()

UNKNOWN_LOOK_AFTER_S = 5.0


class NotTaken(msgspec.Struct, frozen=True):
    """No channel took it, for reasons that are the reseller's business."""

    reason: str
    told: RelayError
    """What the tenant gets to know of them."""


class Waits(msgspec.Struct, frozen=True):
    """It waits for room, under an id of ours."""


class Replayed(msgspec.Struct, frozen=True):
    """An earlier create made it; the reply is that one's, if it was kept."""


class Submitted(msgspec.Struct, frozen=True):
    """What became of a submit after its hold."""

    task: TaskRow
    """As it was held."""
    verdict: Accepted | Refused | Unknown | NotTaken | Replayed | Waits
    """Of Refused and NotTaken the hold is given back."""
    reply: Reply | None = None
    """Kling's own, in its bytes but for our callback path; None where there was none."""
    channel: str = ""
    """The name of the channel that gave the reply."""
    charged_micros: int = 0
    """Of a synchronous call."""


class Concluder:
    """Tells the door what became of submits."""

    def __init__(self, door: Door, learner: Learner, looker: Looker) -> None:
        self._door = door
        self._learner = learner
        self._looker = looker

    async def record(
        self, endpoint: Endpoint, submitted: Submitted, accepted: Accepted
    ) -> Submitted:
        """Record what Kling made, and return what the tenant may be told of it."""
        task, news, reply = submitted.task, accepted.news, submitted.reply
        try:
            finished = await persist(
                lambda: self._learner.learn(
                    task,
                    news,
                    via=Via.SUBMIT,
                    look_after_s=self._looker.look_pause_s(task),
                    kling_request_id=accepted.envelope.request_id or None,
                    whole=reply.body if reply else None,
                ),
                for_s=PERSIST_S,
            )
        except asyncpg.UniqueViolationError:
            # Whatever the reply is about, given away its id would show the tenant nothing.
            if reply is not None:
                distrust(reply)
            return await self.keep(
                msgspec.structs.replace(submitted, verdict=Unknown("its id is another task's"))
            )
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "submit.record_failed", error, id=task.id, kling_id=news.kling_id)
            if endpoint.kind is EndpointKind.CALL:
                # Nothing is found of a call: given away, its result would never be charged (D2).
                return Submitted(task, Unknown("its result could not be recorded"))
            # Kling has the task and the row has its hold: a look finds it under our external id,
            # and the tenant gets the id that Kling gave, or it would submit again.
            if not is_fault(error):
                await self._name(task, news.kling_id)
            return submitted
        return msgspec.structs.replace(submitted, charged_micros=finished.charged_micros or 0)

    async def keep(
        self, submitted: Submitted, *, look_after_s: float = UNKNOWN_LOOK_AFTER_S
    ) -> Submitted:
        """Keep the hold of a task that Kling may have; the looks find out."""
        task, verdict, reply = submitted.task, submitted.verdict, submitted.reply
        assert isinstance(verdict, Unknown), "only what has no verdict keeps its hold"
        log.warning("submit.unknown", id=task.id, channel=submitted.channel, reason=verdict.reason)
        await self._tell(
            end_row(
                task.id,
                TaskState.UNKNOWN,
                via=Via.SUBMIT,
                reason=verdict.reason,
                look_after_s=look_after_s,
                body=reply.body if reply else None,
            ),
            task,
        )
        return submitted

    async def release(
        self, task: TaskRow, reason: str, *, body: bytes | None = None, told: str = ""
    ) -> None:
        """Give the hold back of what surely made nothing.

        `told`: what its tenant reads, if it has an id of it; else that there was no room.
        """
        row = released_row(task, via=Via.SUBMIT, reason=reason, told=told, body=body)
        await self._tell(row, task)

    async def _name(self, task: TaskRow, kling_id: str | None) -> None:
        """Record Kling's id alone, where the rest of its reply cannot be."""
        row = end_row(
            task.id,
            TaskState.SUBMITTED,
            via=Via.SUBMIT,
            reason="its reply could not be recorded",
            look_after_s=UNKNOWN_LOOK_AFTER_S,
        )
        await self._tell(row._replace(kling_id=kling_id), task)

    async def _tell(self, row: FinishRow, task: TaskRow) -> None:
        """Write it. Should that fail, the row stays pending for the looks."""

        async def tell() -> Finished:
            return await self._door.pass_through(row, task, durable=False)

        try:
            await persist(tell, for_s=PERSIST_S)
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "submit.end_failed", error, id=task.id, state=row.state)
