"""Finding a task by an id that no row has yet.

Its tenant was given the id, and then the database took no record of it: the row waits for a look
after its deadline. "Task not found" would be final to the clients that ask meanwhile.
"""

import asyncio
import time

import msgspec
import structlog

from relay.counts import elsewhere
from relay.database.driver import Pool
from relay.database.faults import log_failure
from relay.errors import Unavailable
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import EndpointKind
from relay.kling.task_object import TaskNews
from relay.tasks.ask import Asker, NotFound
from relay.tasks.door import Via
from relay.tasks.learn import Learner
from relay.tasks.look import Looker
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.task import TaskRow
from relay.tenants.caller import Caller

log = structlog.get_logger()

EVERY_S = 1.0
PENDING_S = 5.0
"""A younger row has a submit that waits for Kling, or still tells the database."""
WAIT_S = 1.0
"""The longest that a GET waits for it; what is found later is recorded all the same."""
KEY_CHARS_MAX = 128
ASKED_MAX = 20
"""Questions to Kling at once; a tenant's tasks are on few channels, of few endpoints."""
ROWS_MAX = 500
"""Read at once, the oldest; a tenant has more only while Kling answers nobody."""
TENANTS_MAX = 10_000

FIND_PENDING = f"""
SELECT {TASK_COLUMNS}
FROM tasks t
WHERE t.account_id = $1 AND t.hold_ended_at IS NULL AND t.tenant_id = $2 AND t.state = 'pending'
    AND t.kling_id IS NULL AND t.public_id IS NULL
    AND t.created_at < now() - $3 * interval '1 second'
ORDER BY t.created_at LIMIT $4
"""  # noqa: S608 (composed of constants)


class _Pending(msgspec.Struct):
    """The rows of one tenant that wait."""

    rows: list[TaskRow]
    are_all: bool


class _Look(msgspec.Struct):
    """What was found out about one tenant."""

    at: float
    """On the monotonic clock."""
    reading: asyncio.Task[_Pending]


class Seeker:
    """Asks Kling for ids that tenants know and we do not, once a second for each tenant."""

    def __init__(
        self,
        pool: Pool,
        *,
        asker: Asker,
        learner: Learner,
        looker: Looker,
        catalogue: Catalogue,
    ) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._asker = asker
        self._learner = learner
        self._looker = looker
        self._looks: dict[int, _Look] = {}
        self._flights: set[asyncio.Task[list[bool]]] = set()

    async def seek(self, caller: Caller, keys: list[str], *, among: frozenset[str] | None) -> bool:
        """Record the tasks that Kling has under these ids, if they are this tenant's.

        `among`: names of endpoints; None is all. False if there is nothing that they may be; once
        it returns, what has no row is sure to be no task of this tenant.

        Raises:
            Unavailable: there are tasks that it may be, and Kling was asked a moment ago or did
                not tell, or they are too many.
        """
        keys = [key for key in keys if len(key) <= KEY_CHARS_MAX]
        if not keys:
            return False
        look, is_new = self._look(caller)
        pending = await asyncio.shield(look.reading)
        rows = [row for row in pending.rows if among is None or row.endpoint_name in among]
        if not rows and pending.are_all:
            return False
        if not is_new:
            raise Unavailable
        flight = asyncio.create_task(self._ask_for_all(keys, rows))
        self._flights.add(flight)
        flight.add_done_callback(self._flights.discard)
        with elsewhere():
            done, _ = await asyncio.wait({flight}, timeout=WAIT_S)
        if not done or not all(flight.result()) or not pending.are_all:
            raise Unavailable
        return True

    async def aclose(self) -> None:
        """Let the questions that are under way end."""
        if self._flights:
            await asyncio.wait(self._flights)

    def _look(self, caller: Caller) -> tuple[_Look, bool]:
        """Read which rows wait, or join who did so within the second."""
        now = time.monotonic()
        look = self._looks.get(caller.tenant_id)
        if look is not None and now - look.at < EVERY_S and not _has_failed(look.reading):
            return look, False
        if len(self._looks) >= TENANTS_MAX:
            self._looks.clear()
        look = self._looks[caller.tenant_id] = _Look(now, asyncio.create_task(self._read(caller)))
        return look, True

    async def _read(self, caller: Caller) -> _Pending:
        # Who joins within the second must see what is old enough by then.
        age_s = PENDING_S - EVERY_S
        records = await self._pool.fetch(
            FIND_PENDING, caller.account_id, caller.tenant_id, age_s, ROWS_MAX
        )
        rows = [TaskRow.of(record) for record in records]
        kind_of = self._catalogue.kind_of  # of a call nothing can be asked
        tasks = [row for row in rows if kind_of(row.endpoint_name) is EndpointKind.TASK]
        return _Pending(tasks, are_all=len(records) < ROWS_MAX)

    async def _ask_for_all(self, keys: list[str], rows: list[TaskRow]) -> list[bool]:
        """Ask for each id wherever a row may be; of each question, whether it was answered."""
        by_place: dict[tuple[int, str], dict[str, TaskRow]] = {}
        for row in rows:
            by_place.setdefault((row.channel_id, row.endpoint_name), {})[row.injected_id] = row
        questions = [(key, place) for place in by_place.values() for key in keys]
        answered = await asyncio.gather(
            *(self._ask_for(key, place) for key, place in questions[:ASKED_MAX])
        )
        return [*answered, len(questions) <= ASKED_MAX]

    async def _ask_for(self, key: str, rows: dict[str, TaskRow]) -> bool:
        """Ask one channel for one id; record what bears one of the rows' external ids."""
        asked = msgspec.structs.replace(next(iter(rows.values())), kling_id=key)
        try:
            answer = await self._asker.ask(asked)
            if not isinstance(answer, TaskNews):
                return isinstance(answer, NotFound)
            for row in filter(None, map(rows.get, answer.external_ids)):
                await self._learner.learn(
                    row,
                    self._asker.about(answer, row),
                    via=Via.QUERY,
                    look_after_s=self._looker.look_pause_s(row),
                )
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "task.seek_failed", error)
            return False
        return True


def _has_failed(reading: asyncio.Task[_Pending]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)
