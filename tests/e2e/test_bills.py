"""Kling's bill held against our tasks, over sockets: what was planted is found, and no more."""

import asyncio
from collections import Counter
from datetime import UTC
from decimal import Decimal
from typing import Any

from relay.channels.directory import read_channels
from relay.kling.httpx_transport import HttpxTransport
from relay.kling.jwt import JwtCache
from relay.months import Window, month_of
from relay.sandbox.settings import DEFAULT_ACCOUNT
from relay.tasks.upstream import Upstream
from relay.usage.bill import Differs, compare, read_deductions, read_our_tasks
from tests.cli.command import Command
from tests.e2e.world import World
from tests.relay_app import CLIP
from tests.waiting import wait_until

PLANTED = """
UPDATE tasks SET
    cost_units = CASE WHEN id = 1 THEN 2.5 WHEN id = 2 THEN NULL ELSE cost_units END,
    cost_cash = CASE WHEN id = 2 THEN NULL ELSE cost_cash END,
    created_at = created_at - CASE WHEN id = 3 THEN interval '9 hours' ELSE interval '0' END,
    ended_at = ended_at - CASE WHEN id = 3 THEN interval '8 hours' ELSE interval '0' END,
    kling_id = CASE WHEN id = 4 THEN 'of-nobody' ELSE kling_id END
WHERE id BETWEEN 1 AND 4
"""


async def test_what_differs_from_klings_bill_is_named(world: World) -> None:
    """Clips in units and in money, one that failed, a call without an id of Kling's: all agree.
    Then a difference of each kind is planted, and a task is made beside the relay."""
    await world.add_channel(base_url=world.kling_url)
    token = await world.add_tenant()
    async with world.started_relay():
        for prompt in ("a fox", "a", "b", "c", "[fail]", "[cash 0.7] d", "[mixed 0.5] e"):
            assert (await world.send(token, {"prompt": prompt})).status_code == 200
        said = await world.http.post(
            f"{world.url}/v1/audio/tts",
            headers={"Authorization": f"Bearer {token.api_key}"},
            json={"text": "hello", "voice_id": "genshin_vindi2", "voice_language": "en"},
        )
        assert said.status_code == 200, said.text
        await world.settle()
    command = Command(
        {"RELAY_DATABASE_URL": world.database_url, "RELAY_SECRET_KEY": world._secret_key}  # noqa: SLF001
    )
    month = month_of((await world.row("SELECT now() AS now"))["now"], UTC)

    async def bill(code: int) -> Any:
        ask = ("channel", "bill", "main", str(month))
        return await asyncio.to_thread(command, *ask, code=code)

    assert "They agree, task by task." in (await bill(0)).stdout
    pages = await _read_in_pages(world, month.window(UTC))
    assert pages.differences == []
    assert pages.ours == pages.theirs
    assert (pages.theirs.tasks, pages.theirs.cash) == (7, Decimal("1.2"))

    await world.rows(PLANTED)
    beside = await world.http.post(
        f"{world.kling_url}/v1/videos/text2video",
        headers={"Authorization": f"Bearer {DEFAULT_ACCOUNT.api_key}"},
        json=CLIP,
    )
    assert beside.status_code == 200

    async def is_billed() -> bool:
        return len(await world.kling_log("ended")) == 8

    await wait_until(is_billed)
    found = await _read_in_pages(world, month.window(UTC))
    shown = (await bill(1)).stdout

    assert Counter(one.differs for one in found.differences) == {
        Differs.AMOUNT: 1,
        Differs.NOT_TOLD: 1,
        Differs.TIME: 1,
        Differs.NOT_THEIRS: 1,
        Differs.NOT_OURS: 2,
    }
    by_kind = {one.differs: one for one in found.differences}
    assert {kind: one.ours and one.ours.id for kind, one in by_kind.items()} == {
        Differs.AMOUNT: 1,
        Differs.NOT_TOLD: 2,
        Differs.TIME: 3,
        Differs.NOT_THEIRS: 4,
        Differs.NOT_OURS: None,
    }
    lines = {line.split("  ")[0].strip() for line in shown.splitlines()}
    assert {kind.value for kind in Differs} <= lines
    assert beside.json()["data"]["task_id"] in shown


async def _read_in_pages(world: World, window: Window) -> Any:
    """The same as the command does, two rows a page."""
    transport = HttpxTransport()
    upstream = Upstream(transport, JwtCache())
    async with world.sessions() as session:
        (channel,) = await read_channels(session, world.keys)
        rows, unread = await read_deductions(upstream, channel, window, pause_s=0, page_size=2)
        ids = [row.kling_id for row in rows]
        tasks = await read_our_tasks(session, channel.id, window, ids)
    await upstream.aclose()
    await transport.aclose()
    assert unread == 0
    return compare(channel.id, window, tasks, rows)
