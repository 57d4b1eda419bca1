"""A tenant's view of its creates that wait for room.

    GET  /relay/queue?pageNum=…&pageSize=…    what waits, the next one first
    POST /relay/tasks/{id}/cancel             end one that still waits; nothing is charged

`{id}` is the id that the create was answered, or the tenant's own external id. What is sent cannot
be cancelled: Kling has no such call.
"""

from typing import Any

from msgspec import Raw

from relay.database.engine import Sessions
from relay.errors import InvalidParameter, TaskNotFound
from relay.moments import ms_of
from relay.proxy.asked import Asked, tenant_actor
from relay.proxy.query import PAGE_DEFAULT, PAGE_MAX, read_number, shown_data
from relay.proxy.query_string import read_query
from relay.tasks.given import generation_of
from relay.tasks.own import find_own
from relay.tasks.queue.end import CANCELLED, end_waiting
from relay.tasks.queue.order import Waiting
from relay.tasks.queue.place import Places
from relay.tasks.queue.wait import WAITING_MAX
from relay.tenants.caller import Caller


class OwnQueue:
    """Answers a tenant about what waits, each with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, places: Places) -> None:
        self._sessions = sessions
        self._places = places

    async def list(self, caller: Caller, asked: Asked) -> list[dict[str, Any]]:
        """List a page of it; without the two parameters all that waits, which is no more."""
        given = read_query(asked.query)
        page = read_number(given, "pageNum", default=PAGE_DEFAULT, largest=PAGE_MAX)
        size = read_number(given, "pageSize", default=WAITING_MAX, largest=WAITING_MAX)
        waiting = await self._places.of(caller.tenant_id)
        first = (page - 1) * size
        return [_shown(one, wait_s) for one, wait_s in waiting[first : first + size]]

    async def cancel(self, caller: Caller, asked: Asked) -> Raw:
        """End it, and show it as its tenant sees it from now on.

        Raises:
            TaskNotFound
            InvalidParameter: it does not wait; nothing was changed.
        """
        actor = tenant_actor(caller, asked)
        async with self._sessions.begin() as session:
            task_id = await find_own(session, caller.tenant_id, asked.key)
            if task_id is None:
                raise TaskNotFound
            task, is_ended = await end_waiting(
                session, task_id, reason="its tenant cancelled it", told=CANCELLED, actor=str(actor)
            )
        assert task is not None, "tasks are never deleted"
        if not is_ended:
            raise InvalidParameter("id", "it does not wait for room; nothing was changed")
        return Raw(shown_data(task, generation_of(task)))


def _shown(one: Waiting, expected_wait_s: int | None) -> dict[str, Any]:
    return {
        "task_id": one.public_id,
        "external_task_id": one.tenant_external_id,
        "endpoint": one.endpoint,
        "model_name": one.asked_model,
        "place": one.place,
        "expected_wait_s": expected_wait_s,
        "created_at": ms_of(one.created_at),
        "waits_until": ms_of(one.until),
    }
