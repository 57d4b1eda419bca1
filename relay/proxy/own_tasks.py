"""`GET /relay/tasks/{id}`: what a task waits for, since when, and how long that takes.

`{id}` is the id that the create was answered, or the tenant's own external id. Kling's own query
tells the state alone; this tells why nothing happens. Another tenant's task does not exist, but
that of a sub-tenant for its parent's keys that look at everything.
"""

from datetime import datetime
from typing import Any

import msgspec

from relay.database.engine import Sessions
from relay.database.ids import TenantId
from relay.errors import TaskNotFound
from relay.moments import ms_of
from relay.money import decimal_of
from relay.pricing.quote import Quote
from relay.proxy.asked import Asked
from relay.tasks.inspect import read_story
from relay.tasks.outlook import Awaited, Outlook, Usual
from relay.tasks.own import find_below, find_own
from relay.tasks.queue.place import Places
from relay.tasks.tables import Task, TaskState
from relay.tenants.caller import Caller
from relay.tenants.read import own_name

TOLD = (Awaited.ROOM, Awaited.ANSWER, Awaited.VERDICT, Awaited.KLING, Awaited.CALLBACK)


class OwnTasks:
    """Answers a tenant about one task, with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, places: Places) -> None:
        self._sessions = sessions
        self._places = places

    async def show(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Tell where a task stands; Kling is not asked for it.

        Raises:
            TaskNotFound
        """
        async with self._sessions() as session:
            task_id = await find_own(session, caller.tenant_id, asked.key)
            if task_id is None and caller.scope.sees_all:
                task_id = await find_below(session, caller.tenant_id, asked.key)
            if task_id is None:
                raise TaskNotFound
            story = await read_story(session, task_id)
        task = story.task
        is_its = caller.scope.sees_all or task.token_id == caller.token_id
        return {
            "task_id": task.public_id or task.kling_id,
            "external_task_id": task.tenant_external_id,
            "endpoint": task.endpoint,
            "model_name": task.model,
            "task_status": _status(task),
            "task_status_msg": task.fail_message or "",
            "tenant": None if task.tenant_id == caller.tenant_id else own_name(story.tenant),
            "token_id": task.token_id,
            "is_test": story.is_test,
            **(_money(task, caller) if is_its else {}),
            "created_at": ms_of(task.created_at),
            "submitted_at": _ms(task.submitted_at),
            "ended_at": _ms(task.ended_at),
            "kling_asked_at": _ms(story.outlook.kling_asked_at),
            **_waits(story.outlook),
            "usual": _usual(story.outlook.usual),
            "queue": await self._place(task),
        }

    async def _place(self, task: Task) -> dict[str, Any] | None:
        if task.state != TaskState.QUEUED:
            return None
        for one, wait_s in await self._places.of(TenantId(task.tenant_id)):
            if one.id == task.id:
                return {
                    "place": one.place,
                    "expected_wait_s": wait_s,
                    "waits_until": ms_of(one.until),
                }
        return None  # it entered, or was sent, a moment ago


def _waits(outlook: Outlook) -> dict[str, Any]:
    """Say what it waits for; whatever else is open of one that has ended is no tenant's matter."""
    if outlook.awaited not in TOLD:
        return {"waits_for": None, "waits_since": None}
    return {"waits_for": outlook.awaited.value, "waits_since": _ms(outlook.since)}


def _status(task: Task) -> str:
    """Spell the state in Kling's words, as its own query does."""
    state = TaskState(task.state)
    if state in (TaskState.QUEUED, TaskState.PENDING, TaskState.UNKNOWN):
        return TaskState.SUBMITTED.value
    return TaskState.FAILED.value if state is TaskState.REFUSED else state.value


def _money(task: Task, caller: Caller) -> dict[str, Any]:
    """Say what is held and was charged: to its own tenant by its own prices."""
    quote = msgspec.convert(task.quote, Quote)

    def spelt(micros: int) -> str:
        return decimal_of(quote.resold(micros) if task.tenant_id == caller.tenant_id else micros)

    is_open = task.hold_ended_at is None
    charged = task.charged_micros
    return {
        "held": spelt(task.hold_micros if is_open else 0),
        "charged": None if charged is None else spelt(charged - task.refunded_micros),
    }


def _usual(usual: Usual | None) -> dict[str, Any] | None:
    """Say how long the last successes of its endpoint and model took, in seconds."""
    if usual is None:
        return None
    return {
        "tasks": usual.tasks,
        "p50_s": round(usual.median_s, 1),
        "p95_s": round(usual.p95_s, 1),
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)
