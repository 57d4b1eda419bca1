"""What requests and deliveries run in a session: called, and its statements noted."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import open_engine, open_sessions
from relay.database.ids import TenantId
from relay.deliveries.read import find_delivery, list_deliveries, read_delivery
from relay.deliveries.replay import replay
from relay.deliveries.signature import read_secrets
from relay.secrets import KeyRing, SecretKeyError, new_secret_key
from relay.tasks.own import find_own
from relay.tenants.caller import Caller
from tests.benchmarks.plan_samples import LARGE_ACCOUNT, LARGE_TENANT, MIDDLE_TENANT
from tests.benchmarks.plans import Sample

Call = Callable[[AsyncSession], Awaitable[object]]

CALLER = Caller(
    token_id=1,
    tenant_id=TenantId(LARGE_TENANT),
    tenant="tenant-1",
    account_id=LARGE_ACCOUNT,
)
TWENTY_TENANT = 998
ENDED_DELIVERY = 1_000
PAGE = 30
KEYS = KeyRing.parse(new_secret_key())


async def _read_secrets(session: AsyncSession) -> None:
    with contextlib.suppress(SecretKeyError):  # the rows' are not sealed at all
        await read_secrets(session, MIDDLE_TENANT, KEYS)


async def _list_deliveries(session: AsyncSession) -> None:
    """Of one that has half of them all, and of one that has twenty."""
    for tenant_id in (LARGE_TENANT, TWENTY_TENANT):
        await list_deliveries(session, tenant_id=tenant_id, limit=PAGE)


CALLS: dict[str, Call] = {
    "relay.deliveries.signature:read_secrets": _read_secrets,
    "relay.tasks.own:find_own": lambda session: find_own(
        session, TenantId(LARGE_TENANT), "mine-1020"
    ),
    "relay.deliveries.read:list_deliveries": _list_deliveries,
    "relay.deliveries.read:find_delivery": lambda session: find_delivery(
        session, "msg_nothing", tenant_id=LARGE_TENANT
    ),
    "relay.deliveries.read:read_delivery": lambda session: read_delivery(session, ENDED_DELIVERY),
    "relay.deliveries.replay:replay": lambda session: replay(session, ENDED_DELIVERY),
}
"""By module and function, as `test_hot_statements.py` names them."""


async def statements_of(url: str, call: Call) -> list[Sample]:
    """What one call runs; nothing of it stays."""
    ran: list[Sample] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *__: object) -> None:
        verb, table, *_ = statement.split()
        writes = frozenset({f"Update {table}"} if verb == "UPDATE" else ())
        ran.append(Sample(statement, tuple(values), writes, -1, rows_max=3 * PAGE, pages_max=500))

    engine = open_engine(url)
    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        async with open_sessions(engine)() as session:
            await call(session)
    finally:
        await engine.dispose()
    return ran
