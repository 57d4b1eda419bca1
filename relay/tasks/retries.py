"""Creates that are sent again: whose answer nobody heard, or with the key of an earlier one.

A client that gives up, or is answered 5xx, sends its create again, and would be charged twice. With
an `Idempotency-Key` the earlier one is known at once. Without one, and without an external id, a
create joins an earlier one of the same token with the same path and bytes, but only if nobody
awaits that one's answer any more: two whose clients both wait are two tasks, as at Kling.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import Generic, NamedTuple, TypeVar

import structlog

from relay.body_budget import Share
from relay.database.batch import Batcher
from relay.database.driver import Pool
from relay.database.faults import PERSIST_S, log_failure, persist
from relay.database.ids import TaskId
from relay.database.line import Line
from relay.database.rows import unnest
from relay.kling.transport import Reply
from relay.kling.wire import read_envelope
from relay.ledger.holds import LOCK_ACCOUNTS, NOTE_UNHEARD
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow

log = structlog.get_logger()

JOINED_FOR = "interval '10 minutes'"
"""Since a create came: later, the same bytes are a wish for a second task."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.05, 1.0
LANDING_S = 1.0
"""What an end waits for marks that a database which is away does not take."""
INLINE_BYTES_MAX = 512 * 1024
"""A larger body is hashed in a thread: 60 MB take a tenth of a second."""


class UnheardRow(NamedTuple):
    """One call of MARK_UNHEARD."""

    id: TaskId
    request_id: str
    """Of the create that gives up: whoever joined it since, awaits it."""
    fingerprint: bytes


MARK_UNHEARD = f"""
WITH told AS MATERIALIZED (
    SELECT * FROM {unnest(UnheardRow)}
),
tasks_locked AS MATERIALIZED (
    SELECT id, account_id, created_at + {JOINED_FOR} AS unheard_until
    FROM tasks
    WHERE id = ANY (ARRAY(SELECT id FROM told)) AND state <> 'refused'
        -- These two are found by what they have, and join nothing else.
        AND create_key IS NULL AND tenant_external_id IS NULL
        AND coalesce(joined_by, request_id)
            = (SELECT n.request_id FROM told n WHERE n.id = tasks.id)
    ORDER BY id
    FOR NO KEY UPDATE
),
accounts_locked AS MATERIALIZED ({LOCK_ACCOUNTS.format(source="tasks_locked")}),
marked AS (
    UPDATE tasks t
    SET unheard_at = now(), fingerprint = n.fingerprint
    FROM told n JOIN tasks_locked USING (id)
    WHERE t.id = n.id AND (SELECT count(*) FROM accounts_locked) >= 0
),
noted AS ({NOTE_UNHEARD.format(marked="tasks_locked", accounts="accounts_locked")})
SELECT n.ord FROM told n JOIN tasks_locked USING (id)
"""  # noqa: S608 (composed of constants)
"""Note that nobody awaits the answer of these creates any more."""


class RetryRow(NamedTuple):
    """One call of JOIN_UNHEARD."""

    token_id: int
    fingerprint: bytes
    request_id: str
    """Of the create that joins: by it a join is found whose connection broke."""


JOIN_UNHEARD = f"""
WITH told AS MATERIALIZED (
    SELECT * FROM {unnest(RetryRow)}
),
chosen AS MATERIALIZED (
    SELECT n.ord, n.request_id, t.id
    FROM told n CROSS JOIN LATERAL (
        SELECT u.id FROM tasks u
        WHERE u.token_id = n.token_id AND u.fingerprint = n.fingerprint AND u.create_key IS NULL
            AND u.created_at > now() - {JOINED_FOR} AND u.state <> 'refused'
            -- One condition for both, which is judged anew where the row was waited for: the try
            -- whose connection broke may commit only then.
            AND (u.joined_by = n.request_id OR u.unheard_at IS NOT NULL)
        ORDER BY u.joined_by IS DISTINCT FROM n.request_id, u.id LIMIT 1
        FOR NO KEY UPDATE
    ) t
)
UPDATE tasks t SET unheard_at = NULL, joined_by = c.request_id
FROM chosen c
WHERE t.id = c.id
RETURNING c.ord, t.id
"""  # noqa: S608 (composed of constants)
"""Choose the oldest such create and await its answer: of several retries, one alone gets it.

Run again for the same create it returns what that joined.
"""


class IdRow(NamedTuple):
    """One call of READ_ROW."""

    id: TaskId


READ_ROW = f"""
SELECT {TASK_COLUMNS}, n.ord FROM {unnest(IdRow, "n")} JOIN tasks t USING (id)
"""  # noqa: S608 (composed of constants)

FIRST_REPLY = """
SELECT body FROM task_events WHERE task_id = $1 AND kind = 'reply.submit' ORDER BY id LIMIT 1
"""


Id = TypeVar("Id")


class Marks(ABC, Generic[Id]):
    """Notes of what it is that nobody awaits its answer: of tasks, or of runs."""

    def __init__(self) -> None:
        self._marking: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def mark(self, client: "Client[Id]") -> None:
        """Note that nobody awaits its answer, as soon as the database takes it, or say so."""

    def mark_soon(self, client: "Client[Id]") -> None:
        """Do the same without being awaited."""
        marking = asyncio.create_task(self.mark(client))
        self._marking.add(marking)
        marking.add_done_callback(self._marking.discard)

    async def aclose(self) -> None:
        """Wait for what is being noted, but not for a database that is away."""
        if self._marking:
            await asyncio.wait(self._marking, timeout=LANDING_S)


class Retries(Marks[TaskId]):
    """Knows which creates are retries, and what the first ones came to."""

    def __init__(self, *, refusals: Line, reads: Line, pool: Pool) -> None:
        """`refusals`: for what locks tasks and accounts; `reads`: for what waits for no lock."""
        super().__init__()
        self._marks = Batcher(refusals, MARK_UNHEARD, is_idempotent=True, key=lambda row: row[0])
        self._joins = Batcher(refusals, JOIN_UNHEARD, is_idempotent=True, key=lambda row: row[:2])
        self._reads = Batcher(reads, READ_ROW, is_idempotent=True)
        self._pool = pool

    async def join(self, client: "Client[TaskId]", *, token_id: int) -> TaskId | None:
        """Find the task of an equal create whose answer nobody awaits, and await it from now on."""
        row = RetryRow(token_id, await client.fingerprint(), client.request_id)
        # A join that is not heard of would be the end of it: nobody else could join.
        record = await persist(lambda: self._joins.run(row), for_s=PERSIST_S)
        return None if record is None else TaskId(record["id"])

    async def follow(self, id_: TaskId, *, deadline: float) -> TaskRow | None:
        """Wait until a task is known to be at Kling; None if it turns out that there is none.

        Holds no connection meanwhile. `deadline` is on the monotonic clock; at its end the row is
        returned as it is then.
        """
        pause_s = PAUSE_MIN_S
        while True:
            record = await self._reads.run(IdRow(id_))
            assert record is not None, "tasks are never deleted"
            task = TaskRow.of(record)
            if task.state is TaskState.REFUSED:
                return None
            left_s = deadline - time.monotonic()
            if is_made(task) or left_s <= 0:
                return task
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(1.5 * pause_s, PAUSE_MAX_S)

    async def first_reply(self, task: TaskRow) -> Reply | None:
        """Read what Kling answered to its create; None if that was not recorded, or is too long."""
        record = await self._pool.fetchrow(FIRST_REPLY, task.id)
        if record is None:
            return None
        reply = Reply(200, "application/json", record["body"])
        return None if read_envelope(reply) is None else reply

    async def mark(self, client: "Client[TaskId]") -> None:
        if client.task_id is None or client.key is not None:
            return
        row = UnheardRow(client.task_id, client.request_id, await client.fingerprint())
        try:
            await persist(lambda: self._marks.run(row), for_s=PERSIST_S)
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "submit.mark_failed", error, id=client.task_id)

    async def aclose(self) -> None:
        await super().aclose()
        for batcher in (self._marks, self._joins, self._reads):
            await batcher.aclose()


class Client(Generic[Id]):
    """Who sent a create, and whether its answer is awaited."""

    def __init__(
        self,
        retries: Marks[Id],
        *,
        request_id: str,
        path: str,
        body: bytes | bytearray,
        key: str | None,
        share: Share | None = None,
    ) -> None:
        """`path`: the canonical one. `body`: its bytes as they came, `share`: of their budget.

        `key`: `Idempotency-Key`.
        """
        self.share = share
        self.request_id = request_id
        self.key = key
        self.task_id: Id | None = None
        """Whose answer it awaits, once that is known."""
        self._retries = retries
        self._path = path
        self._body = body
        self._fingerprint: bytes | None = None
        self._is_gone = False

    async def fingerprint(self) -> bytes:
        """Hash the create; method POST, as all of them have."""
        if self._fingerprint is None:
            if len(self._body) > INLINE_BYTES_MAX:
                self._fingerprint = await asyncio.to_thread(_hash, self._path, self._body)
            else:
                self._fingerprint = _hash(self._path, self._body)
        return self._fingerprint

    def await_task(self, task_id: Id | None) -> None:
        """Await a task's answer from now on, or none's."""
        self.task_id = task_id
        if self._is_gone and task_id is not None:
            self._retries.mark_soon(self)

    def hang_up(self) -> None:
        """Await nothing any more: the server saw that the client has gone."""
        if not self._is_gone:
            self._is_gone = True
            self._retries.mark_soon(self)

    async def give_up(self) -> None:
        """Await nothing any more: the client is about to be answered that nothing is known."""
        # Once: who joined it since, awaits it.
        if not self._is_gone:
            self._is_gone = True
            await self._retries.mark(self)


def is_made(task: TaskRow) -> bool:
    """Tell whether its tenant may have its id: Kling has made it, or ended it, or it waits."""
    if task.public_id is not None:
        return True
    if task.state in (TaskState.PENDING, TaskState.UNKNOWN, TaskState.REFUSED):
        return False
    return task.kling_id is not None or not task.is_live


def _hash(path: str, body: bytes | bytearray) -> bytes:
    digest = blake2b(path.encode(), digest_size=32)
    digest.update(b"\0")
    digest.update(body)
    return digest.digest()
