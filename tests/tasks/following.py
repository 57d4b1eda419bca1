"""Followed tasks, submitted as what is built on the relay will submit them, and the outbox."""

import json
from typing import Any

from relay.kling.body import read_fields
from relay.kling.endpoints import BY_NAME
from relay.request_ids import new_request_id
from relay.tasks.conclude import Submitted
from relay.tenants.caller import Caller
from relay.tenants.tokens import IssuedToken
from tests.relay_app import CLIP, Relay


async def caller_of(relay: Relay, token: IssuedToken) -> Caller:
    row = await relay.row(
        "SELECT id, account_id, price_group FROM tenants WHERE name = $1", token.tenant
    )
    return Caller(
        token_id=token.id,
        tenant_id=row["id"],
        tenant=token.tenant,
        account_id=row["account_id"],
        price_group=row["price_group"],
    )


async def submit_followed(
    relay: Relay,
    token: IssuedToken,
    *follows: str,
    body: dict[str, Any] | None = None,
    endpoint: str = "text2video",
) -> Submitted:
    """Submit through the app's own parts; by default a clip of 3 units."""
    return await relay.parts.tasks.submitter.submit(
        await caller_of(relay, token),
        BY_NAME[endpoint],
        read_fields(json.dumps(body or CLIP).encode()),
        request_id=new_request_id(),
        follows=follows,
    )


async def moves(relay: Relay) -> list[tuple[int, str, str]]:
    """Task, follower and state of each row, in the order of their ids."""
    rows = await relay.rows("SELECT task_id, follower, state FROM outbox ORDER BY id")
    return [tuple(row) for row in rows]
