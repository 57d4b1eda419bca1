"""A tenant's view of its tasks, whichever endpoint made them.

    GET /relay/tasks?state=…&endpoint=…&model=…&token=…&month=…&before=…     newest first
    GET /relay/tasks/{id}              what one waits for, since when, and how long that takes
    GET /relay/tasks/{id}/timeline     what happened to it

`{id}` is the id that the create was answered, or the tenant's own external id. Kling's own queries
tell of one endpoint, and the state alone; these tell why nothing happens, and what it came to.
Another tenant's task does not exist, but that of a sub-tenant for its parent's keys that look at
everything. What others of its tenant's keys spent is told to no key of scope `call`.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.links import ResultUrls
from relay.database.driver import Pool, Record
from relay.database.engine import Sessions
from relay.database.ids import TaskId, TenantId
from relay.errors import InvalidParameter, TaskNotFound
from relay.kling.catalogue import Catalogue
from relay.moments import ms_of
from relay.money import decimal_of
from relay.pricing.quote import Quote
from relay.proxy.account import Accounts
from relay.proxy.asked import Asked
from relay.proxy.own_prices import told_of
from relay.proxy.own_window import NAMES, last_of, read_own_window
from relay.proxy.query import read_number
from relay.proxy.query_string import read_query
from relay.settings import Settings
from relay.tasks.inspect import ID_MAX, read_of_task, read_story
from relay.tasks.outlook import Awaited, Outlook
from relay.tasks.own import find_below, find_own
from relay.tasks.own_list import STATES, OwnFilter, list_own
from relay.tasks.own_timeline import OwnStep, Step, own_timeline, read_attempts
from relay.tasks.queue.place import Places
from relay.tasks.tables import Task, TaskState
from relay.tasks.token_report import OUT_OF_ORDER, find_first_since
from relay.tasks.usual import Alike, Usual, Usuals
from relay.tenants.caller import Caller
from relay.tenants.read import own_name

SIZE_DEFAULT, SIZE_MAX = 50, 500
LISTS_AT_ONCE = 2
"""Of one process: each may look at thousands of rows, on one of a few connections."""
MONEY = ("hold_micros", "hold_ended_at", "charged_micros", "refunded_micros")
TOLD = (Awaited.ROOM, Awaited.ANSWER, Awaited.VERDICT, Awaited.KLING, Awaited.CALLBACK)

Given = dict[str, list[str]]

_quote = msgspec.json.Decoder(Quote)


class OwnTasks:
    """Answers a tenant about its tasks, each with what is to stand in `data`."""

    def __init__(
        self,
        sessions: Sessions,
        pool: Pool,
        *,
        places: Places,
        accounts: Accounts,
        catalogue: Catalogue,
        settings: Settings,
        urls: ResultUrls,
    ) -> None:
        self._sessions = sessions
        self._pool = pool
        self._places = places
        self._urls = urls
        self._accounts = accounts
        self._endpoints = list(dict.fromkeys(one.name for one in catalogue.endpoints))
        self._currency = settings.currency
        self._zone = settings.zone
        self._turn = asyncio.Semaphore(LISTS_AT_ONCE)
        self._usuals = Usuals(sessions)

    async def list(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """List its own, or with `tenant` those of one below it, by any filter."""
        given = read_query(asked.query.replace(b"%00", b"%EF%BF%BD"))
        size = read_number(given, "pageSize", default=SIZE_DEFAULT, largest=SIZE_MAX)
        async with self._turn:
            wanted = await self._read_filter(caller, given)
            found, next_before = await list_own(self._pool, wanted, limit=size)
        kinds = [_kind(one) if one["ended_at"] is None else None for one in found]
        usuals = await self._usuals.of(kind for kind in kinds if kind is not None)
        return {
            "currency": self._currency,
            "tasks": [
                _listed(one, caller) | {"usual": _usual(usuals.get(kind) if kind else None)}
                for one, kind in zip(found, kinds, strict=True)
            ],
            "next_before": next_before,
        }

    async def show(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Tell where a task stands; Kling is not asked for it.

        Raises:
            TaskNotFound
        """
        async with self._sessions() as session:
            story = await read_story(session, await find_told(session, caller, asked.key))
        task = story.task
        return {
            "task_id": task.public_id or task.kling_id,
            "external_task_id": task.tenant_external_id,
            "endpoint": task.endpoint,
            "model_name": task.model,
            "task_status": _status(TaskState(task.state)),
            "task_status_msg": task.fail_message or "",
            "is_queued": task.state == TaskState.QUEUED,
            "tenant": None if task.tenant_id == caller.tenant_id else own_name(story.tenant),
            "token_id": task.token_id,
            "request_id": task.request_id,
            "is_test": story.is_test,
            **(self._priced(task, caller) if _is_told_money(task.token_id, caller) else {}),
            "created_at": ms_of(task.created_at),
            "submitted_at": _ms(task.submitted_at),
            "ended_at": _ms(task.ended_at),
            "kling_asked_at": _ms(story.outlook.kling_asked_at),
            "results": await self._results(task, caller),
            **_waits(story.outlook),
            "usual": _usual(story.outlook.usual),
            "queue": await self._place(task),
        }

    async def timeline(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Tell what happened to a task; of a sub-tenant's not what that one's URL was told.

        Raises:
            TaskNotFound
        """
        async with self._sessions() as session:
            task_id = await find_told(session, caller, asked.key)
            task = await session.get_one(Task, task_id)
            of_task = await read_of_task(session, task_id)
            is_own = task.tenant_id == caller.tenant_id
            attempts = await read_attempts(session, of_task) if is_own else []
        steps = own_timeline(task, of_task, attempts)
        is_told = _is_told_money(task.token_id, caller)
        quote = msgspec.convert(task.quote, Quote)
        return {
            "task_id": task.public_id or task.kling_id,
            "currency": self._currency,
            "timeline": [
                _step(one, task, quote if is_own else None)
                for one in steps
                if is_told or one.micros is None
            ],
        }

    async def _read_filter(self, caller: Caller, given: Given) -> OwnFilter:
        state, endpoint, token = (last_of(given, name) for name in ("state", "endpoint", "token"))
        if state is not None and state not in STATES:
            raise InvalidParameter("state", f"must be one of {', '.join(STATES)}")
        if endpoint is not None and endpoint not in self._endpoints:
            raise InvalidParameter("endpoint", "is none that there is")
        tenant_id = await self._whose(caller, last_of(given, "tenant"))
        before_id = read_number(given, "before", default=ID_MAX, largest=ID_MAX)
        window, from_id = None, 1
        if given.keys() & NAMES:
            window = read_own_window(given, self._zone)
            async with self._sessions() as session:
                until_id = await find_first_since(session, window.until + OUT_OF_ORDER)
                from_id = await find_first_since(session, window.start - OUT_OF_ORDER)
            before_id = min(before_id, until_id)
        return OwnFilter(
            tenant_id=tenant_id,
            account_id=caller.account_id,
            endpoints=self._endpoints,
            endpoint=endpoint,
            state=None if state is None else TaskState(state),
            model=last_of(given, "model"),
            token_id=None
            if token is None
            else read_number(given, "token", default=1, largest=ID_MAX),
            since=None if window is None else window.start,
            until=None if window is None else window.until,
            external_id=last_of(given, "external_task_id"),
            request_id=last_of(given, "request_id"),
            before_id=before_id,
            from_id=from_id,
        )

    async def _whose(self, caller: Caller, name: str | None) -> int:
        """Say whose tasks are asked for.

        Raises:
            InvalidParameter: nobody below the caller, or below its key, has the name.
        """
        if name is None:
            return caller.tenant_id
        family = await self._accounts.family(caller)
        found = [tenant_id for tenant_id, one in family.items() if one == name]
        if not found:
            raise InvalidParameter("tenant", "is none below you")
        return max(found)

    def _priced(self, task: Task, caller: Caller) -> dict[str, Any]:
        """Say what it costs: to its own tenant by its own prices."""
        quote = msgspec.convert(task.quote, Quote)
        is_own = task.tenant_id == caller.tenant_id
        resale = quote.resale if is_own and quote.resale is not msgspec.UNSET else None
        return {
            "currency": self._currency,
            **_money(
                *(task.hold_micros, task.hold_ended_at),
                *(task.charged_micros, task.refunded_micros),
                quote=quote if is_own else None,
            ),
            "quote": {"hold": _spelt(task.hold_micros, quote if is_own else None)}
            | told_of(quote, resale),
        }

    async def _results(self, task: Task, caller: Caller) -> Sequence[str]:
        """Say where its files lie, by whose links the caller wants."""
        if caller.result_urls != "ours":
            return task.result_urls
        return await self._urls.of_task(task.id, task.result_urls, now_s=time.time())

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


def _status(state: TaskState) -> str:
    """Spell the state in Kling's words, as its own query does."""
    if state in STATES[TaskState.SUBMITTED]:
        return TaskState.SUBMITTED.value
    return TaskState.FAILED.value if state is TaskState.REFUSED else state.value


async def find_told(session: AsyncSession, caller: Caller, key: str) -> TaskId:
    """Find a task that a caller may be told of.

    Raises:
        TaskNotFound
    """
    task_id = await find_own(session, caller.tenant_id, key)
    if task_id is None and caller.scope.sees_all:
        task_id = await find_below(session, caller.tenant_id, key)
    if task_id is None:
        raise TaskNotFound
    return task_id


def _is_told_money(token_id: int, caller: Caller) -> bool:
    return caller.scope.sees_all or token_id == caller.token_id


def _kind(one: Record) -> Alike:
    quote = _quote.decode(one["quote"])
    return Alike(one["is_test"], one["endpoint"], one["model"], quote.wanted.mode, quote.seconds)


def _listed(one: Record, caller: Caller) -> dict[str, Any]:
    """Spell a row of a list; the tenant of all of them is the one that was asked for."""
    state = TaskState(one["state"])
    is_own = one["tenant_id"] == caller.tenant_id
    quote = _quote.decode(one["quote"]) if is_own and caller.parent_id is not None else None
    money = {}
    if _is_told_money(one["token_id"], caller):
        money = _money(*(one[name] for name in MONEY), quote=quote)
    return {
        "task_id": one["shown_id"],
        "external_task_id": one["tenant_external_id"],
        "endpoint": one["endpoint"],
        "model_name": one["model"],
        "task_status": _status(state),
        "task_status_msg": one["fail_message"] or "",
        "is_queued": state is TaskState.QUEUED,
        "token_id": one["token_id"],
        "is_test": one["is_test"],
        **money,
        "created_at": ms_of(one["created_at"]),
        "submitted_at": _ms(one["submitted_at"]),
        "ended_at": _ms(one["ended_at"]),
    }


def _spelt(micros: int, quote: Quote | None) -> str:
    """Spell an amount of the account's; to a sub-tenant by the quote of its own task."""
    return decimal_of(micros if quote is None else quote.resold(micros))


def _money(
    hold_micros: int,
    ended_at: datetime | None,
    charged_micros: int | None,
    refunded_micros: int,
    *,
    quote: Quote | None,
) -> dict[str, Any]:
    """Say what is held and was charged; `ended_at`: when the hold was."""
    rest = None if charged_micros is None else charged_micros - refunded_micros
    return {
        "held": _spelt(hold_micros if ended_at is None else 0, quote),
        "charged": None if rest is None else _spelt(rest, quote),
    }


def _step(one: OwnStep, task: Task, quote: Quote | None) -> dict[str, Any]:
    told: dict[str, Any] = {"at": ms_of(one.at), "what": one.what.value}
    if one.micros is not None:
        told["amount"] = _spelt(one.micros, quote)
    if one.what is Step.ENDED:
        told["task_status"] = _status(TaskState(task.state))
        told["task_status_msg"] = task.fail_message or ""
    if one.attempt is not None:
        told |= {
            "delivery_id": one.delivery_id,
            "task_status": one.told,
            "http_status": one.attempt.http_status,
            "error": one.attempt.error,
            "duration_ms": one.attempt.duration_ms,
        }
    return told


def _usual(usual: Usual | None) -> dict[str, Any] | None:
    """Say how long the last successes of its kind took, in seconds."""
    if usual is None:
        return None
    return {
        "tasks": usual.tasks,
        "p50_s": round(usual.median_s, 1),
        "p95_s": round(usual.p95_s, 1),
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)
