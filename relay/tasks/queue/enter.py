"""What a submit puts into the queue, and what is put back there."""

import msgspec
import structlog

from relay.channels.opened import OpenedChannel
from relay.database.batch import Batcher
from relay.database.driver import Pool
from relay.database.faults import PERSIST_S, is_fault, log_failure, persist
from relay.database.line import Line
from relay.errors import TimedOut
from relay.kling.body import join_fields
from relay.kling.strays import drop_ours
from relay.kling.transport import Reply
from relay.kling.wire import Fields, read_envelope
from relay.secrets import KeyRing
from relay.tasks.queue.statements import ENTER, LAST_WORD, PUT_BACK, EnterRow
from relay.tasks.queue.tables import body_context
from relay.tasks.queue.wait import BODY_BYTES_MAX
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow

log = structlog.get_logger()


class Queue:
    """Lets held tasks wait."""

    def __init__(self, line: Line, pool: Pool, keys: KeyRing) -> None:
        self._entries = Batcher(line, ENTER, is_idempotent=True)
        self._pool = pool
        self._keys = keys

    async def enter(
        self,
        task: TaskRow,
        fields: Fields,
        *,
        path_model: str | None,
        wait_s: int,
        channels: list[OpenedChannel],
        reason: str,
    ) -> TaskRow | None:
        """Let a task wait that is held, and surely at no channel; None if it cannot.

        Then it is no longer the submit's, its body is too long, too many of its tenant wait, or the
        database does not take it.
        """
        drop_ours(fields)  # of a channel that did not take it
        if not may_wait(fields):
            return None
        joined = join_fields(fields)
        body = joined if isinstance(joined, bytes) else b"".join(joined)
        row = EnterRow(
            task.id,
            self._keys.seal(body.decode(), context=body_context(task.id)),
            path_model,
            float(wait_s),
            ",".join(str(channel.id) for channel in channels),
            reason,
        )
        try:
            record = await persist(lambda: self._entries.run(row), for_s=PERSIST_S)
        except Exception as error:
            if not is_fault(error):
                raise
            log_failure(log, "queue.not_entered", error, id=task.id)
            return None
        if record is None:
            return None
        log.info("queue.entered", id=task.id, reason=reason)
        return msgspec.structs.replace(
            task,
            state=TaskState.QUEUED,
            public_id=record["public_id"],
            created_at=record["created_at"],
        )

    async def put_back(self, task: TaskRow, *, reason: str) -> bool:
        """Let one wait again that surely made nothing; `task`: as who says so has read it.

        False if its time is over, it has failed too often, or it is somebody else's by now.
        """
        record = await persist(
            lambda: self._pool.fetchrow(PUT_BACK, task.id, task.submit_deadline_at, reason),
            for_s=PERSIST_S,
        )
        if record is not None:
            log.info("queue.put_back", id=task.id, reason=reason)
        return record is not None

    async def last_word(self, task: TaskRow) -> str:
        """Say in Kling's words how it broke on one that is not sent again; ours if it had none."""
        body = await self._pool.fetchval(LAST_WORD, task.id) or b""
        envelope = read_envelope(Reply(0, "", body))
        return (envelope.message if envelope else "") or TimedOut.words

    async def aclose(self) -> None:
        await self._entries.aclose()


def may_wait(fields: Fields) -> bool:
    """Tell whether a body is short enough to be kept."""
    size = sum(len(name) + len(memoryview(raw)) for name, raw in fields.items())
    return size <= BODY_BYTES_MAX
