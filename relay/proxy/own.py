"""What Kling has no path for: a tenant's view of its own callbacks, under `/relay/deliveries`.

    GET  /relay/deliveries?task_id=…&state=…&pageSize=…&before=…     newest first
    POST /relay/deliveries/ping          {"url": "https://…"}        a signed test callback
    GET  /relay/deliveries/{id}                                      with every attempt
    POST /relay/deliveries/{id}/replay

`{id}` is the `webhook-id` header of the callback. Answers stand in Kling's envelope, errors are
Kling's codes; another tenant's delivery does not exist.
"""

import time
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.deliveries.guard import CallbackGuard
from relay.deliveries.ping import ping
from relay.deliveries.read import (
    ListedDelivery,
    find_delivery,
    list_deliveries,
    read_delivery,
    replay,
)
from relay.deliveries.send import Sender
from relay.deliveries.signature import read_secrets
from relay.deliveries.tables import DeliveryState
from relay.errors import InvalidParameter, RelayError, UnknownPath
from relay.kling.body import CALLBACK_URL_CHARS_MAX
from relay.proxy.query import SIZE_DEFAULT, read_number
from relay.secrets import KeyRing
from relay.tenants.tokens import Caller

ROOT = (b"relay", b"deliveries")
SIZE_MAX = 500
PING_EVERY_S = 6.0
"""Kling's own test callback goes out as often (docs/kling-api.md 6)."""
PINGS_KEPT = 10_000

FIND_TASK = """
SELECT id FROM tasks WHERE tenant_id = :tenant_id AND state <> 'refused' AND task_id = :key
UNION ALL
SELECT id FROM tasks
WHERE tenant_id = :tenant_id AND state <> 'refused' AND tenant_external_id = :key
LIMIT 1
"""


def find_own_path(raw_path: bytes) -> tuple[str, ...] | None:
    """Read what follows `/relay/deliveries`; None if the path is another one."""
    if b"relay" not in raw_path:  # Kling's, at once
        return None
    segments = tuple(filter(None, raw_path.split(b"/")))
    if segments[: len(ROOT)] != ROOT:
        return None
    return tuple(
        # Postgres takes no NUL in a text.
        unquote_to_bytes(part).decode(errors="replace").replace("\x00", "\ufffd")
        for part in segments[len(ROOT) :]
    )


class DeliveryNotFound(RelayError):
    def __init__(self) -> None:
        super().__init__(400, 1201, "Delivery not found")


class _Ping(msgspec.Struct):
    url: str


class OwnPaths:
    """Answers a tenant about its deliveries."""

    def __init__(
        self, sessions: Sessions, *, sender: Sender, guard: CallbackGuard, keys: KeyRing
    ) -> None:
        self._sessions = sessions
        self._sender = sender
        self._guard = guard
        self._keys = keys
        self._pinged_at: dict[int, float] = {}

    async def answer(
        self, caller: Caller, method: str, path: tuple[str, ...], query: bytes, body: bytes
    ) -> bytes:
        """Answer with `data`; `path` is what follows `/relay/deliveries`.

        Raises:
            RelayError: in Kling's terms.
        """
        match method, path:
            case "GET", ():
                data: Any = await self._list(caller, query)
            case "POST", ("ping",):
                data = await self._ping(caller, body)
            case "GET", (key,):
                data = await self._show(caller, key)
            case "POST", (key, "replay"):
                data = await self._replay(caller, key)
            case _:
                raise UnknownPath(method, "/" + "/".join(("relay", "deliveries", *path))[:200])
        return msgspec.json.encode(data)

    async def _list(self, caller: Caller, query: bytes) -> list[dict[str, Any]]:
        given = parse_qs(query.decode("latin-1").replace("%00", "%EF%BF%BD"))
        values = {name: texts[-1] for name, texts in given.items()}
        state = values.get("state")
        if state is not None and state not in set(DeliveryState):
            raise InvalidParameter("state", f"must be one of {', '.join(DeliveryState)}")
        size = read_number(given, "pageSize", default=SIZE_DEFAULT, largest=SIZE_MAX)
        async with self._sessions() as session:
            task = None
            if "task_id" in values:
                task = await _find_task(session, caller, values["task_id"])
                if task is None:
                    return []
            found = await list_deliveries(
                session,
                tenant_id=caller.tenant_id,
                state=state,
                task=task,
                before=values.get("before"),
                limit=size,
            )
        return [_shown(one) for one in found]

    async def _show(self, caller: Caller, key: str) -> dict[str, Any]:
        async with self._sessions() as session:
            found = await read_delivery(session, await _find(session, caller, key))
        attempts = [
            {**msgspec.structs.asdict(attempt), "at": _ms(attempt.at)} for attempt in found.attempts
        ]
        return {**_shown(found.listed), "body": found.body, "attempt_list": attempts}

    async def _replay(self, caller: Caller, key: str) -> dict[str, Any]:
        async with self._sessions.begin() as session:
            delivery_id = await _find(session, caller, key)
            replayed = await replay(session, delivery_id)
            if not replayed.done:
                raise InvalidParameter("id", f"{replayed.message}; nothing was changed")
            return _shown((await read_delivery(session, delivery_id)).listed)

    async def _ping(self, caller: Caller, body: bytes) -> dict[str, Any]:
        try:
            url = msgspec.json.decode(body, type=_Ping).url
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidParameter("url", "must be an http or https URL") from error
        if len(url) > CALLBACK_URL_CHARS_MAX:
            # As of a submit's, and before it is read character by character.
            raise InvalidParameter("url", f"must be at most {CALLBACK_URL_CHARS_MAX} characters")
        if why := self._guard.why_unusable(url):
            raise InvalidParameter("url", why)
        self._check_pace(caller)
        async with self._sessions() as session:
            secrets = await read_secrets(session, caller.tenant_id, self._keys)
        outcome = await ping(self._sender, url, secrets=secrets)
        return {
            "delivered": outcome.is_delivered,
            "signed": bool(secrets),
            **msgspec.structs.asdict(outcome),
        }

    def _check_pace(self, caller: Caller) -> None:
        """Refuse a second ping within 6 s, so that nobody scans the net with us."""
        now = time.monotonic()
        if now - self._pinged_at.get(caller.tenant_id, float("-inf")) < PING_EVERY_S:
            raise RelayError(429, 1302, f"One test callback in {PING_EVERY_S:g} seconds")
        if len(self._pinged_at) >= PINGS_KEPT:
            self._pinged_at.clear()
        self._pinged_at[caller.tenant_id] = now


async def _find(session: AsyncSession, caller: Caller, key: str) -> int:
    found = await find_delivery(session, key, tenant_id=caller.tenant_id)
    if found is None:
        raise DeliveryNotFound
    return found


async def _find_task(session: AsyncSession, caller: Caller, key: str) -> int | None:
    values = {"tenant_id": caller.tenant_id, "key": key}
    found = await session.scalar(text(FIND_TASK), values)
    return None if found is None else int(found)


def _shown(one: ListedDelivery) -> dict[str, Any]:
    """What the tenant sees: its own ids, and times in milliseconds as Kling has them."""
    return {
        "id": one.webhook_id,
        "task_id": one.task_id,
        "external_task_id": one.external_task_id,
        "task_status": one.task_status,
        "url": one.url,
        "state": one.state,
        "attempts": one.attempts,
        "reason": one.reason,
        "created_at": _ms(one.created_at),
        "ended_at": _ms(one.ended_at),
        "next_attempt_at": _ms(one.next_attempt_at),
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)
