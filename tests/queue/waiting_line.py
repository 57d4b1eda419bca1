"""What the tests of the queue share: a relay before a Kling with so many slots, and its turns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from relay.desk.tenants import TenantChanges, change_tenant
from relay.tenants.tokens import IssuedToken
from tests.health.hosts import Hosts
from tests.health.test_room import set_room
from tests.relay_app import ACTOR, CLIP, TEXT2VIDEO, Relay, bearer, running_relay

QUOTA = 100_000_000
WAITS = {"relay-queue": "5m"}


@asynccontextmanager
async def full_relay(
    database_url: str, *, slots: int = 1, names: tuple[str, ...] = ("main",), **options: Any
) -> AsyncIterator[tuple[Relay, Hosts]]:
    """Run a relay whose channels have so many slots for videos; nobody takes turns by itself."""
    hosts = Hosts(*names)
    async with running_relay(
        database_url, transport=hosts.kling, with_callbacks=True, **options
    ) as relay:
        await hosts.add_to(relay)
        for name in names:
            await set_room(relay, name, {"video": slots})
        yield relay, hosts


async def create(
    relay: Relay,
    token: IssuedToken,
    *,
    wait: str | None = "5m",
    path: str = TEXT2VIDEO,
    **body: Any,
) -> httpx.Response:
    headers = bearer(token) | ({"relay-queue": wait} if wait is not None else {})
    return await relay.client.post(path, json=CLIP | body, headers=headers)


async def queued(relay: Relay, token: IssuedToken, **body: Any) -> str:
    """Create what waits; its public id."""
    answer = (await create(relay, token, **body)).json()
    assert answer["code"] == 0, answer
    state = await relay.row("SELECT state FROM tasks ORDER BY id DESC LIMIT 1")
    assert state["state"] == "queued"
    public_id: str = answer["data"]["task_id"]
    return public_id


async def turn(relay: Relay) -> None:
    """Let the worker have its turn, and all that it sends be answered."""
    sender = relay.parts.tasks.queue_sender
    sender._rests = 0  # noqa: SLF001 (instead of the second)
    relay.parts.kling.board._cached.forget()  # noqa: SLF001
    await sender.turn()
    await asyncio.gather(*sender._sending)  # noqa: SLF001
    await relay.parts.kling.board.aclose()


async def end_running(relay: Relay, status: str = "succeed", **fields: Any) -> None:
    """Have Kling call back that all that it has is over."""
    rows = await relay.rows(
        "SELECT kling_id, injected_id, channel_id FROM tasks"
        " WHERE hold_ended_at IS NULL AND kling_id IS NOT NULL"
    )
    for row in rows:
        body = {
            "task_id": row["kling_id"],
            "task_status": status,
            "task_info": {"external_task_id": row["injected_id"]},
            **({"final_unit_deduction": "3"} if status == "succeed" else {}),
            **fields,
        }
        await relay.call_back_on(row["injected_id"], row["channel_id"], body)


async def set_tenant(relay: Relay, name: str, **changes: Any) -> None:
    async with relay.sessions.begin() as session:
        await change_tenant(session, ACTOR, name, TenantChanges(**changes))


async def state_of(relay: Relay, public_id: str) -> str:
    row = await relay.row("SELECT state FROM tasks WHERE public_id = $1", public_id)
    state: str = row["state"]
    return state
