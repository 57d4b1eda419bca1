"""A tenant's view of its own callbacks, under `/relay/deliveries`.

    GET  /relay/deliveries?task_id=…&state=…&pageSize=…&before=…     newest first
    POST /relay/deliveries/ping          {"url": "https://…"}        a signed test callback
    GET  /relay/deliveries/{id}                                      with every attempt
    POST /relay/deliveries/{id}/replay

`{id}` is the `webhook-id` header of the callback. Another tenant's delivery does not exist.
"""

import time
from datetime import datetime
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.deliveries.guard import CallbackGuard
from relay.deliveries.names import until_looked_up
from relay.deliveries.ping import ping
from relay.deliveries.read import (
    ListedDelivery,
    find_delivery,
    list_deliveries,
    read_delivery,
)
from relay.deliveries.send import Sender
from relay.deliveries.signature import read_secrets
from relay.deliveries.tables import DeliveryState
from relay.desk.deliveries import replay_delivery
from relay.desk.errors import Busy, NoSuch, NotPossible
from relay.errors import DeliveryNotFound, InvalidParameter, TooManyPings, Unavailable
from relay.kling.body import CALLBACK_URL_CHARS_MAX
from relay.moments import ms_of
from relay.proxy.asked import Asked, tenant_actor
from relay.proxy.query import SIZE_DEFAULT, read_number
from relay.proxy.query_string import read_query
from relay.secrets import KeyRing, SecretKeyError
from relay.tasks.own import find_own
from relay.tenants.caller import Caller

log = structlog.get_logger()

SIZE_MAX = 500
PING_EVERY_S = 6.0
"""Kling's own test callback goes out as often (docs/kling-api.md 6)."""
PINGS_KEPT = 10_000


class _Ping(msgspec.Struct):
    url: str


class OwnDeliveries:
    """Answers a tenant about its deliveries, each with what is to stand in `data`."""

    def __init__(
        self, sessions: Sessions, *, sender: Sender, guard: CallbackGuard, keys: KeyRing
    ) -> None:
        self._sessions = sessions
        self._sender = sender
        self._guard = guard
        self._keys = keys
        self._pinged_at: dict[int, float] = {}
        self._pinging: set[int] = set()

    async def list(self, caller: Caller, asked: Asked) -> list[dict[str, Any]]:
        given = read_query(asked.query.replace(b"%00", b"%EF%BF%BD"))
        values = {name: texts[-1] for name, texts in given.items()}
        state = values.get("state")
        if state is not None and state not in set(DeliveryState):
            raise InvalidParameter("state", f"must be one of {', '.join(DeliveryState)}")
        size = read_number(given, "pageSize", default=SIZE_DEFAULT, largest=SIZE_MAX)
        async with self._sessions() as session:
            task_id = None
            if "task_id" in values:
                task_id = await find_own(session, caller.tenant_id, values["task_id"])
                if task_id is None:
                    return []
            found = await list_deliveries(
                session,
                tenant_id=caller.tenant_id,
                state=state,
                task_id=task_id,
                before=values.get("before"),
                limit=size,
            )
        return [_shown(one) for one in found]

    async def show(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        async with self._sessions() as session:
            found = await read_delivery(session, await _find(session, caller, asked.key))
        attempts = [
            {**msgspec.structs.asdict(attempt), "at": _ms(attempt.at)} for attempt in found.attempts
        ]
        return {**_shown(found.listed), "body": found.body, "attempt_list": attempts}

    async def replay(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        actor = tenant_actor(caller, asked)
        async with self._sessions.begin() as session:
            try:
                delivery_id = await replay_delivery(
                    session, actor, asked.key, tenant_id=caller.tenant_id
                )
            except NoSuch as error:
                raise DeliveryNotFound from error
            except Busy as error:
                raise Unavailable from error
            except NotPossible as error:
                raise InvalidParameter("id", f"{error.why}; nothing was changed") from error
            return _shown((await read_delivery(session, delivery_id)).listed)

    async def ping(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        try:
            url = msgspec.json.decode(asked.body, type=_Ping).url
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidParameter("url", "must be an http or https URL") from error
        if len(url) > CALLBACK_URL_CHARS_MAX:
            # As of a submit's, and before it is read character by character.
            raise InvalidParameter("url", f"must be at most {CALLBACK_URL_CHARS_MAX} characters")
        if why := self._guard.why_unusable(url):
            raise InvalidParameter("url", why)
        self._check_pace(caller)
        secrets = await _secrets_of(caller, self._sessions, self._keys)
        self._pinging.add(caller.tenant_id)
        try:
            async with until_looked_up():
                outcome = await ping(self._sender, url, secrets=secrets)
        finally:
            self._pinging.discard(caller.tenant_id)
        return {
            "delivered": outcome.is_delivered,
            "signed": bool(secrets),
            **msgspec.structs.asdict(outcome),
        }

    def _check_pace(self, caller: Caller) -> None:
        """Refuse a ping beside another or within 6 s, so that nobody scans the net with us."""
        now = time.monotonic()
        if caller.tenant_id in self._pinging:
            raise TooManyPings(every_s=PING_EVERY_S)
        if now - self._pinged_at.get(caller.tenant_id, float("-inf")) < PING_EVERY_S:
            raise TooManyPings(every_s=PING_EVERY_S)
        if len(self._pinged_at) >= PINGS_KEPT:
            self._pinged_at.clear()
        self._pinged_at[caller.tenant_id] = now


async def _secrets_of(caller: Caller, sessions: Sessions, keys: KeyRing) -> list[str]:
    try:
        async with sessions() as session:
            return await read_secrets(session, caller.tenant_id, keys)
    except SecretKeyError as error:
        log.error("ping.not_signed", tenant=caller.tenant, reason=str(error))  # noqa: TRY400 (a sentence)
        raise Unavailable from error


async def _find(session: AsyncSession, caller: Caller, key: str) -> int:
    found = await find_delivery(session, key, tenant_id=caller.tenant_id)
    if found is None:
        raise DeliveryNotFound
    return found


def _shown(one: ListedDelivery) -> dict[str, Any]:
    """Show it to its tenant: its own ids, and times in milliseconds as Kling has them."""
    return {
        "id": one.webhook_id,
        "task_id": one.shown_id,
        "external_task_id": one.tenant_external_id,
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
    return None if at is None else ms_of(at)
