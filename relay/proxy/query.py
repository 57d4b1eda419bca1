"""GETs and lists, answered from our rows (docs/paths.md, "Poll path")."""

import time
from collections.abc import Sequence

from relay.assets.links import ResultUrls
from relay.database.batch import Batcher
from relay.database.driver import Pool, Record
from relay.database.line import Line
from relay.errors import InvalidParameter, TaskNotFound, Unavailable
from relay.kling.endpoint import Endpoint, EndpointKind, Generation
from relay.kling.queried import spell_queried
from relay.new_api.moved import find_model, find_moved
from relay.proxy.query_string import read_query
from relay.tasks.look import Looker
from relay.tasks.seek import Seeker
from relay.tasks.statements import READ, TASK_COLUMNS, ReadRow
from relay.tasks.tables import TaskState
from relay.tasks.task import NOT_YET_KLINGS, TaskRow
from relay.tasks.view import show_task
from relay.tenants.caller import Caller

WAIT_S = 1.0
"""The longest a GET waits for Kling; then the stored state is the answer."""
PAGE_DEFAULT, PAGE_MAX = 1, 1000
SIZE_DEFAULT = 30

LIST = f"""
SELECT {TASK_COLUMNS}
FROM (
    SELECT l.id FROM tasks l
    WHERE l.tenant_id = $1 AND l.endpoint = $2 AND l.state <> 'refused'
        AND (l.kling_id IS NOT NULL OR l.public_id IS NOT NULL)
        -- A count: for an EXISTS, Postgres reads whatever was deleted of anybody.
        AND NOT ($5 AND 0 < (
            SELECT count(*) FROM owners o WHERE o.task_id = l.id AND o.deleted_at IS NOT NULL
        ))
    ORDER BY l.id DESC LIMIT $3 OFFSET $4
) page JOIN tasks t ON t.id = page.id
ORDER BY t.id DESC
"""  # noqa: S608 (composed of constants)
"""Newest first, as Kling lists them. Pages before this one are passed in the index alone.

What a synchronous call made and a later one deleted is left out; of tasks Kling's own word tells.
"""


class Queries:
    """Answers what tenants ask about their tasks."""

    def __init__(
        self, line: Line, pool: Pool, looker: Looker, seeker: Seeker, urls: ResultUrls
    ) -> None:
        self._reads = Batcher(line, READ, is_idempotent=True)
        self._pool = pool
        self._looker = looker
        self._seeker = seeker
        self._urls = urls

    async def query(self, caller: Caller, endpoint: Endpoint | None, key: str) -> bytes:
        """Show one task's `data`.

        Raises:
            TaskNotFound: not a task of this tenant, or of another endpoint.
            Unavailable: it is ours, and Kling has not told yet whether it has it.
        """
        task = await self.find(caller, key)
        if task is None:
            among = None if endpoint is None else frozenset({endpoint.name})
            task = (await self.seek(caller, [key], among=among)).get(key)
        if task is None:
            moved = await self.moved(caller, key)
            if moved is None or (endpoint is not None and endpoint.name != moved["endpoint"]):
                raise TaskNotFound
            return str(moved["shown"]).encode()
        if not _belongs(task, endpoint, key):
            raise TaskNotFound
        task = await self.fresh(caller, task, key)
        generation = Generation.LEGACY if endpoint is None else endpoint.generation
        [data] = await self.linked(caller, [(task.id, shown_data(task, generation))])
        return data

    async def linked(self, caller: Caller, shown: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """Put our links in place of Kling's URLs of kept files, for a caller who wants them.

        `shown`: our id of each task, and what is shown of it.
        """
        if caller.result_urls != "ours":
            return [data for _, data in shown]
        return await self._urls.put_ours(shown, now_s=time.time())

    async def moved(self, caller: Caller, key: str) -> Record | None:
        """Find a task that was made before its tenant moved here, by the id that it had there."""
        return await find_moved(self._pool, caller.tenant_id, key)

    async def model_called(self, name: str) -> str | None:
        """Say which of Kling's models a tenant means by a name that it had in another relay."""
        return await find_model(self._pool, name)

    async def find(self, caller: Caller, key: str) -> TaskRow | None:
        """Find a task of this tenant by Kling's id, or else by the tenant's external id."""
        record = await self._reads.run(ReadRow(caller.tenant_id, key))
        return None if record is None else TaskRow.of(record)

    async def seek(
        self, caller: Caller, keys: list[str], *, among: frozenset[str] | None
    ) -> dict[str, TaskRow]:
        """Find tasks by ids that were not found, where Kling may have made them unheard.

        Raises:
            Unavailable: nobody can tell yet.
        """
        if not await self._seeker.seek(caller, keys, among=among):
            return {}
        tasks = {key: await self.find(caller, key) for key in keys}
        return {key: task for key, task in tasks.items() if task is not None}

    async def fresh(self, caller: Caller, task: TaskRow, key: str) -> TaskRow:
        """Ask Kling first, if it is time to ask, and read the task again; wait at most `WAIT_S`.

        Raises:
            Unavailable: nobody knows yet whether Kling has it. To leave it out would say that it
                does not exist, and clients read that as final.
        """
        is_open = task.is_live or not task.is_reply_full
        if task.state is TaskState.QUEUED:
            return task  # Kling has not heard of it
        if is_open and await self._looker.refresh(task, wait_s=WAIT_S):
            task = await self.find(caller, key) or task
        if task.public_id is None and (task.kling_id is None or task.state in NOT_YET_KLINGS):
            raise Unavailable
        return task

    async def list(self, caller: Caller, endpoint: Endpoint, query_string: bytes) -> bytes:
        """List one page of the tenant's tasks of one endpoint, as JSON.

        Raises:
            InvalidParameter: a page out of Kling's bounds (docs/kling-api.md 3).
        """
        values = read_query(query_string)
        page = read_number(values, "pageNum", default=PAGE_DEFAULT, largest=PAGE_MAX)
        size = read_number(values, "pageSize", default=SIZE_DEFAULT, largest=endpoint.page_size_max)
        records = await self._pool.fetch(
            LIST,
            caller.tenant_id,
            endpoint.name,
            size,
            (page - 1) * size,
            endpoint.kind is EndpointKind.CALL,
        )
        tasks = [TaskRow.of(record) for record in records]
        shown = [(task.id, shown_data(task, endpoint.generation)) for task in tasks]
        return b"[%b]" % b",".join(await self.linked(caller, shown))

    async def aclose(self) -> None:
        await self._reads.aclose()


def _belongs(task: TaskRow, endpoint: Endpoint | None, key: str) -> bool:
    """Tell whether a query on this endpoint's path may find it; None is the short path for all."""
    if endpoint is None:
        return True
    is_found = endpoint.is_found_by_external_id or key == task.shown_id
    return is_found and endpoint.name == task.endpoint_name


def shown_data(task: TaskRow, generation: Generation) -> bytes:
    """Show the task object as its tenant sees it; without Kling's own in its generation's words."""
    if task.reply is not None:
        return show_task(task.reply, task.shown())
    return spell_queried(
        generation,
        kling_id=task.shown_id,
        status=task.shown_state.value,
        message=task.fail_message or "",
        external_id=task.tenant_external_id,
        created_at=task.created_at,
    )


def read_number(values: dict[str, list[str]], name: str, *, default: int, largest: int) -> int:
    """Read a page or its size from a query string; raise InvalidParameter beyond the bounds."""
    text = values.get(name, [""])[-1].strip()
    if not text:
        return default
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(largest))
    number = int(text) if is_number else 0
    if not 1 <= number <= largest:
        raise InvalidParameter(name, f"must be a whole number from 1 to {largest}")
    return number
