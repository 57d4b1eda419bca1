"""2.0's and the solutions' queries: several tasks by their ids, and lists by cursor."""

import asyncio

from relay.database.driver import Pool
from relay.errors import IdsRequired, InvalidParameter
from relay.kling.as_new import as_new
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import EndpointKind, Generation
from relay.kling.endpoints import IDS_PER_QUERY
from relay.proxy.page import Page, spell_page
from relay.proxy.query import Queries, shown_data
from relay.proxy.query_string import read_query
from relay.tasks.statements import TASK_COLUMNS
from relay.tasks.task import TaskRow
from relay.tenants.caller import Caller

CREATED = """CASE WHEN public_id IS NULL THEN coalesce(kling_created_at, created_at)
    ELSE created_at END"""
SHOWN_STATE = "CASE WHEN state IN ('queued', 'pending', 'unknown') THEN 'submitted' ELSE state END"
"""As `TaskRow.given` and `TaskRow.shown_state` have it."""
LIST = f"""
SELECT {TASK_COLUMNS}
FROM unnest($2::text[]) AS asked (endpoint) CROSS JOIN LATERAL (
    SELECT * FROM tasks
    WHERE tenant_id = $1 AND endpoint = asked.endpoint AND state <> 'refused' AND id < $3
        AND (kling_id IS NOT NULL OR public_id IS NOT NULL)
        -- By plain comparisons a planner expects next to nothing to fit, and sorts all there is.
        AND CASE WHEN {CREATED} >= $4 AND {CREATED} < $5 THEN true ELSE false END
        AND CASE WHEN $6::text[] IS NULL OR {SHOWN_STATE} = ANY($6) THEN true ELSE false END
    ORDER BY id DESC LIMIT $7
) t
ORDER BY t.id DESC LIMIT $7
"""  # noqa: S608 (composed of constants)
"""A page of each endpoint, no two of one name, in the order of its index; of those the newest.

Of all endpoints at once, Postgres reads and sorts everything that the tenant has, or walks over
other tenants' tasks.
"""

STATES = {"succeeded": "succeed"}
"""Our words for those of 2.0 that differ."""


class ManyQueries:
    def __init__(self, queries: Queries, pool: Pool, catalogue: Catalogue) -> None:
        self._queries = queries
        self._pool = pool
        self._names = {
            generation: [
                endpoint.name
                for endpoint in catalogue.endpoints
                if endpoint.generation is generation
            ]
            for generation in Generation
        }
        self._legacy_tasks = frozenset(
            endpoint.name
            for endpoint in catalogue.endpoints
            if endpoint.generation is Generation.LEGACY and endpoint.kind is EndpointKind.TASK
        )
        self._found = {generation: frozenset(names) for generation, names in self._names.items()}
        """What a query finds; 2.0's finds legacy tasks too (docs/kling-api.md 17)."""
        self._found[Generation.NEW] |= self._legacy_tasks

    async def query(self, caller: Caller, generation: Generation, query_string: bytes) -> bytes:
        """Show the tasks that are found, in the order asked for; unknown ids are left out.

        Raises:
            IdsRequired: not exactly one of the two parameters.
            InvalidParameter: too many ids.
            Unavailable: of one of them nobody knows yet whether Kling has it.
        """
        values = read_query(query_string)
        asked = [name for name in ("task_ids", "external_task_ids") if values.get(name)]
        if len(asked) != 1:
            raise IdsRequired
        named = (one.strip() for one in ",".join(values[asked[0]]).split(","))
        ids = list(dict.fromkeys(one for one in named if one and "\x00" not in one))
        if not ids:
            raise IdsRequired
        if len(ids) > IDS_PER_QUERY:
            raise InvalidParameter(asked[0], f"must be at most {IDS_PER_QUERY} ids")
        by_kling = asked[0] == "task_ids"
        found = dict(
            zip(
                ids,
                await asyncio.gather(*(self._queries.find(caller, one) for one in ids)),
                strict=True,
            )
        )
        missing = [one for one in ids if found[one] is None]
        if by_kling and missing:
            among = self._found[generation]
            found |= await self._queries.seek(caller, missing, among=among)
        tasks = await asyncio.gather(
            *(
                self._one(caller, generation, one, task, by_kling=by_kling)
                for one, task in found.items()
                if task is not None
            )
        )
        shown = [(task.id, self._shown(task, generation)) for task in tasks if task is not None]
        return b"[%b]" % b",".join(await self._queries.linked(caller, shown))

    async def list(self, caller: Caller, generation: Generation, page: Page) -> bytes:
        """Show one page, newest first; `product_type` filters nothing that we know."""
        words = page.filters.get("status")
        states = None if words is None else [STATES.get(word, word) for word in words]
        records = await self._pool.fetch(
            LIST,
            caller.tenant_id,
            self._names[generation],
            page.before_id,
            page.start,
            page.until,
            states,
            page.limit + 1,
        )
        tasks = [TaskRow.of(record) for record in records[: page.limit]]
        shown = [(task.id, shown_data(task, generation)) for task in tasks]
        return spell_page(
            await self._queries.linked(caller, shown),
            name="result",
            last_id=tasks[-1].id if tasks else None,
            has_more=len(records) > page.limit,
        )

    async def _one(
        self, caller: Caller, generation: Generation, key: str, task: TaskRow, *, by_kling: bool
    ) -> TaskRow | None:
        if task.endpoint_name not in self._found[generation]:
            return None
        if key != (task.shown_id if by_kling else task.tenant_external_id):
            return None
        return await self._queries.fresh(caller, task, key)

    def _shown(self, task: TaskRow, generation: Generation) -> bytes:
        if task.endpoint_name in self._legacy_tasks:
            legacy = shown_data(task, Generation.LEGACY)
            return as_new(legacy, package=task.quote.pack.value)
        return shown_data(task, generation)
