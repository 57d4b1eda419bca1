"""A database that is gone without a word: what was open stays open, and is never answered."""

import asyncio
import time

import asyncpg

from relay.database.engine import dsn
from tests.database.silent_wire import open_wire
from tests.e2e.raw import connected
from tests.e2e.world import World
from tests.waiting import wait_until

DRAIN_S = 6


async def test_a_failover_that_closes_no_socket_holds_up_nobody_for_long(world: World) -> None:
    """Submits are answered, red is told and logged, and all is well again without a restart.

    The other server is there at once. Then that one is gone too: SIGTERM ends in time.
    """
    token = await world.add_tenant()
    await world.add_channel(base_url=world.kling_url)
    async with (
        open_wire(world.database_url) as wire,
        world.started_relay(database_url=wire.url, drain_s=DRAIN_S) as relay,
    ):
        before = await world.send(token, {"prompt": "a fox"})
        wire.fall_silent()
        sending = [asyncio.create_task(world.send(token, {"prompt": f"{n}"})) for n in range(5)]
        red = await world.http.get(f"{world.url}/health/ready")
        answers = await asyncio.gather(*sending)
        await wait_until(lambda: is_ready(world))
        after = await world.send(token, {"prompt": "a hen"})

        wire.fall_silent(for_good=True)
        hanging = asyncio.create_task(world.send(token, {"prompt": "a cow"}))
        async with connected(world.port):  # so that it has been taken
            pass
        began = time.monotonic()
        relay.terminate()
        exit_code = await relay.ended()
        took_s = time.monotonic() - began
        await asyncio.wait({hanging})

    assert (before.status_code, after.status_code) == (200, 200)
    assert red.status_code == 503
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert {answer.json()["code"] for answer in answers} <= {0, 5001}
    assert [event["why"] for event in relay.events("readiness.lost")]
    assert exit_code == 0
    assert took_s < DRAIN_S + 2, "a busy machine takes its time for the rest"


async def test_what_cannot_serve_does_not_start(world: World) -> None:
    """One sentence and exit code 1, not uvicorn's own: 3 is for a schema that is behind."""
    connection = await asyncpg.connect(dsn(world.database_url))
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await connection.close()

    said = "the database refused"
    for command in ("serve", "worker"):
        with world.command(command, port=world.port) as process:
            exit_code = await process.ended()

        log = process.log_path.read_text()
        assert exit_code == 1
        assert f"error: {said}" in log
        assert "nothing was written: cannot execute" in log
        assert "Traceback" not in log


async def is_ready(world: World) -> bool:
    return (await world.http.get(f"{world.url}/health/ready")).status_code == 200
