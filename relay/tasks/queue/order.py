"""Who waits, in the order in which they are served."""

from datetime import datetime

import msgspec

from relay.database.driver import Connection, Pool, Record
from relay.database.ids import AccountId, TaskId, TenantId
from relay.health.condition import Need
from relay.tasks.queue.statements import IN_ORDER
from relay.tenants.caller import Caller


class Waiting(msgspec.Struct, frozen=True):
    """One create that waits."""

    id: TaskId
    caller: Caller
    endpoint: str
    asked_model: str | None
    need: Need
    place: int
    """Among those of its pack, from 1."""
    public_id: str
    tenant_external_id: str | None
    channel_ids: list[int]
    """Whose slots it waits for."""
    created_at: datetime
    until: datetime


async def read_waiting(database: Pool | Connection) -> list[Waiting]:
    """Read all that waits, the next one first."""
    return [_waiting(record) for record in await database.fetch(IN_ORDER)]


def _waiting(record: Record) -> Waiting:
    groups = record["groups"]
    caller = Caller(
        token_id=record["token_id"],
        tenant_id=TenantId(record["tenant_id"]),
        tenant=record["tenant"],
        account_id=AccountId(record["account_id"]),
        parent_id=record["parent_id"],
        groups=None if groups is None else frozenset(groups),
        is_test=record["is_test"],
    )
    need = Need(
        *(caller.tenant_id, record["pack"], record["model"], record["slots"]),
        has_waited=True,
        has_failed=record["has_failed"],
    )
    return Waiting(
        TaskId(record["id"]),
        caller,
        record["endpoint"],
        record["asked_model"],
        need,
        record["place"],
        record["public_id"],
        record["tenant_external_id"],
        record["channel_ids"],
        record["created_at"],
        record["until"],
    )
