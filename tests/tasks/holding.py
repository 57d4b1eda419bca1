"""Tasks that are held as a submit holds them; what is then told of them is the test's own."""

import asyncio
import uuid
from decimal import Decimal
from typing import Any

import msgspec

from relay.database.engine import dsn
from relay.database.line import Line, connector
from relay.kling.task_object import TaskNews, read_task
from relay.kling.wanted import Wanted
from relay.pricing.book import PriceBook
from relay.pricing.official import OFFICIAL
from relay.pricing.quote import Quote, UnitPrices, quote
from relay.tasks.hold import Holder
from relay.tasks.statements import TASK_COLUMNS, HoldRow
from relay.tasks.task import TaskRow
from relay.tenants.tokens import IssuedToken
from tests.relay_app import Relay

CLIP_WANTED = Wanted(endpoint="text2video", model="kling-v3", mode="std", sound=False, seconds=5)


def clip_quote() -> Quote:
    """3 units at 0.14: 420,000 micros, as `tests.relay_app.CLIP`."""
    row = PriceBook([], OFFICIAL).find(CLIP_WANTED)
    assert row is not None
    prices = UnitPrices(video_micros=140_000, image_micros=3_500)
    return quote(row, CLIP_WANTED, prices=prices, tenant_multiplier=Decimal(1))


async def hold_row(
    relay: Relay,
    token: IssuedToken,
    *,
    callback_url: str | None = None,
    deadline_s: float = 90.0,
    follows: str = "",
) -> HoldRow:
    """A clip on the first channel, as a submit would hold it."""
    tenant = await relay.row("SELECT id, account_id FROM tenants WHERE name = $1", token.tenant)
    channel = await relay.row("SELECT id FROM channels ORDER BY id LIMIT 1")
    quoted = clip_quote()
    return HoldRow(
        tenant_id=tenant["id"],
        account_id=tenant["account_id"],
        token_id=token.id,
        channel_id=channel["id"],
        endpoint="text2video",
        tenant_external_id=None,
        callback_url=callback_url,
        request_id=str(uuid.uuid4()),
        model=quoted.wanted.model,
        pack=quoted.pack.value,
        quote=msgspec.json.encode(quoted).decode(),
        hold_micros=quoted.hold_micros,
        deadline_s=deadline_s,
        random=uuid.uuid4().hex[:16],
        follows=follows,
    )


async def hold_tasks(
    relay: Relay,
    token: IssuedToken,
    count: int = 1,
    *,
    callback_url: str | None = None,
    deadline_s: float = 90.0,
    follows: str = "",
) -> list[TaskRow]:
    """Hold clips on the first channel, by the statement that every submit uses."""
    row = await hold_row(
        relay, token, callback_url=callback_url, deadline_s=deadline_s, follows=follows
    )
    line = Line(connector(dsn(relay.database_url)), durable=True)
    holder = Holder(line, currency="USD")
    try:
        held = list(
            await asyncio.gather(
                *(
                    holder.take(
                        row._replace(random=uuid.uuid4().hex[:16], request_id=str(uuid.uuid4()))
                    )
                    for _ in range(count)
                )
            )
        )
        return [task for task in held if isinstance(task, TaskRow)]
    finally:
        await holder.aclose()
        await line.aclose()


async def read_row(relay: Relay, id_: int) -> TaskRow:
    return TaskRow.of(await relay.row(f"SELECT {TASK_COLUMNS} FROM tasks t WHERE id = $1", id_))


def kling_id(task: TaskRow) -> str:
    """What a Kling of the test's own calls this task."""
    return f"kling-{task.injected_id}"


def told(task: TaskRow, status: str, **fields: Any) -> dict[str, Any]:
    """A task object that Kling sends about it, in a reply or a callback."""
    return {
        "task_id": kling_id(task),
        "task_status": status,
        "task_status_msg": "",
        "task_info": {"external_task_id": task.injected_id},
        "created_at": 1,
        "updated_at": 2,
        **fields,
    }


def news(task: TaskRow, status: str, **fields: Any) -> TaskNews:
    return read_task(msgspec.json.encode(told(task, status, **fields)))
