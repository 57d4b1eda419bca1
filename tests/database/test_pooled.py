"""All but the hot statements, by a PgBouncer that gives each transaction another connection."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest

from relay.cli.failure import Failure, WrongSettings
from relay.cli.revision import refuse_other_pool
from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import open_engine, open_pool, open_sessions
from relay.database.opener import Opener
from relay.sandbox.settings import SandboxSettings
from relay.tenants.tokens import IssuedToken
from tests.database.pgbouncer import needs_pgbouncer, pgbouncer, through
from tests.relay_app import CLIP_MICROS, SANDBOX_URL, Relay, bearer, running_relay

pytestmark = needs_pgbouncer
FEW = "default_pool_size = 2\nmin_pool_size = 2\nserver_round_robin = 1\n"
"""Server connections for all clients, who get another one each time."""


@pytest.fixture
async def pooled_url(postgres_server: EmbeddedPostgres, database_url: str) -> AsyncIterator[str]:
    with pgbouncer(postgres_server, "transaction", more=FEW) as port:
        yield await through(port, database_url)


async def test_two_replicas_behind_a_pooler_keep_the_books(
    database_url: str, pooled_url: str
) -> None:
    """Submits, looks, callbacks, lists, deliveries and the audit, by two server connections."""
    kling = SandboxSettings(task_seconds=60, concurrency=1000, public_url=SANDBOX_URL)
    replica = partial(
        running_relay,
        database_url,
        with_callbacks=True,
        with_worker=True,
        database_pool_url=pooled_url,
        audit_every_s=1,
    )
    async with replica(sandbox=kling) as relay, replica(beside=relay) as other:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=24 * CLIP_MICROS)

        await asyncio.gather(*(live((relay, other)[n % 2], token, n) for n in range(24)))

        lists = await asyncio.gather(
            *(one.client.get(LIST, headers=bearer(token)) for one in (relay, other))
        )
        report = await relay.audit()
        quota, held = await relay.account()
        rows = await relay.rows("SELECT state, count(*) AS n FROM tasks GROUP BY state")
        left = await asyncio.gather(*(prepared_on_one(pooled_url) for _ in range(4)))

    states = {row["state"]: row["n"] for row in rows}
    assert report.ok, report.differences
    assert states == {"succeed": 19, "failed": 5}
    assert (quota, held) == (5 * CLIP_MICROS, 0)
    assert {reply.status_code for reply in lists} == {200}
    assert left == [0, 0, 0, 0]


async def test_what_is_set_ends_with_its_transaction(pooled_url: str) -> None:
    """It holds for each statement, and for nobody who gets that server connection next."""
    pool = await open_pool(Opener(pooled_url, is_shared=True), connections=3)
    engine = open_engine(Opener(pooled_url, is_shared=True), connections=3)
    try:
        inside = await asyncio.gather(*(pool.fetchval("SHOW plan_cache_mode") for _ in range(9)))
        async with pool.begin() as connection:
            within = [await connection.fetchval("SHOW plan_cache_mode") for _ in range(3)]
        async with open_sessions(engine)() as session:
            raw = await session.connection()
            outside = [
                (await raw.exec_driver_sql("SHOW plan_cache_mode")).scalar() for _ in range(3)
            ]
    finally:
        await pool.close()
        await engine.dispose()

    assert {*inside, *within} == {"force_custom_plan"}
    assert {*outside} == {"auto"}


async def test_statements_of_many_clients_are_not_mixed_up(pooled_url: str) -> None:
    """Each client says another thing in the same words at the same time, many times over."""
    pool = await open_pool(Opener(pooled_url, is_shared=True), connections=8)
    few = asyncio.Semaphore(24)  # more would wait for a connection longer than a busy machine lets
    engines = [open_engine(Opener(pooled_url, is_shared=True)) for _ in range(2)]

    async def ask(number: int) -> bool:
        async with few:
            return await is_right(number)

    async def is_right(number: int) -> bool:
        if number % 2:
            return int(await pool.fetchval(f"SELECT $1::int + {number}", 1)) == number + 1
        async with open_sessions(engines[number % 4 // 2])() as session:
            raw = await session.connection()
            found = [
                (await raw.exec_driver_sql(f"SELECT $1::text || '{number}'", (f"{turn}",))).scalar()
                for turn in range(3)
            ]
        return found == [f"{turn}{number}" for turn in range(3)]

    try:
        answers = await asyncio.gather(*(ask(number % 16) for number in range(400)))
    finally:
        await pool.close()
        for engine in engines:
            await engine.dispose()

    assert all(answers)


async def test_both_urls_lead_to_one_database(
    template: str, database_url: str, pooled_url: str
) -> None:
    """Another database of the same server is another, though its tables are the same."""
    copy = pooled_url.replace(pooled_url.rpartition("/")[2], template)

    await asyncio.to_thread(refuse_other_pool, database_url, pooled_url)
    with pytest.raises(WrongSettings, match="is not the database that RELAY_DATABASE_URL names"):
        await asyncio.to_thread(refuse_other_pool, database_url, copy)
    for wrong, words in (
        ("postgresql://postgres@127.0.0.1:1/x", "cannot be used"),
        (pooled_url + "_missing", "cannot be used"),
        ("postgresql://u:hunter2@[x/y", "RELAY_DATABASE_POOL_URL is not a URL"),
        ("postgresql://u:hunter2@x:port/y", "RELAY_DATABASE_POOL_URL is not a URL"),
    ):
        with pytest.raises(Failure, match=words) as raised:
            await asyncio.to_thread(refuse_other_pool, database_url, wrong)
        assert "hunter2" not in str(raised.value)


LIST = "/kling/v1/videos/text2video?pageNum=1&pageSize=50"


async def prepared_on_one(pooled_url: str) -> int:
    connection = await asyncpg.connect(pooled_url, statement_cache_size=0)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pg_prepared_statements"))
    finally:
        await connection.close()


async def live(replica: Relay, token: IssuedToken, number: int) -> None:
    """Submit, be looked at while it lives, and end by two callbacks at once."""
    reply = await replica.submit(token)
    assert reply.status_code == 200
    key = reply.json()["data"]["task_id"]
    assert (await replica.get(token, key)).status_code == 200
    status = "failed" if number % 5 == 0 else "succeed"
    body = {"task_id": key, "task_status": status, "final_unit_deduction": "3"}
    await asyncio.gather(*(replica.call_back(key, body) for _ in range(2)))
