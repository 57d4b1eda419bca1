"""The databases that rounds run on: a template per size, a clone per round, and its audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from relay.channels.directory import seal_into
from relay.channels.tables import Channel
from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import dsn, open_engine, open_sessions
from relay.database.migrate import migrate
from relay.desk.actor import Actor, ActorKind
from relay.desk.tenants import open_tenant
from relay.desk.tokens import issue_token
from relay.kling.alike import Reading
from relay.kling.catalogue import Catalogue
from relay.kling.wanted import read_wanted
from relay.ledger.invariants import audit
from relay.pricing.book import PriceBook
from relay.pricing.official import OFFICIAL
from relay.pricing.quote import UnitPrices, quote
from relay.secrets import KeyRing, new_secret_key
from relay.tasks.callback_path import CallbackPaths
from tests.benchmarks.counts import Counts
from tests.benchmarks.machine import parent_of
from tests.benchmarks.servers import ENDED, kling_says
from tests.benchmarks.wrk import VoidRoundError
from tests.relay_app import CLIP, CLIP_MICROS

TENANTS = 1000
QUOTA_MICROS = 10**15
FILL_AT_ONCE = 250_000
FILL_TIMEOUT_S = 600.0
"""Of one statement: an index of ten million rows is one."""

# As the relay would have left them: nine in ten succeeded and were charged, the others failed.
ACTOR = Actor(ActorKind.SYSTEM, "benchmark")
NUMBERED = """
    SELECT n, 1 + n % tokens AS token_id, n % 10 <> 0 AS is_charged,
           now() - (10000000 - n) * interval '1 second' AS at
    FROM generate_series($1::bigint, $2::bigint) n, (SELECT count(*) AS tokens FROM tokens) every
"""
FILL_TASKS = f"""
INSERT INTO tasks (
    id, tenant_id, account_id, token_id, channel_id, endpoint, state, kling_id, injected_id,
    request_id, kling_request_id, quote, hold_micros, submit_deadline_at, created_at, submitted_at,
    hold_ended_at, ended_at, ended_via, charged_micros, deduction, reply, is_reply_full
)
SELECT n, t.tenant_id, t.tenant_id, t.id, 1, 'text2video',
       CASE WHEN is_charged THEN 'succeed' ELSE 'failed' END,
       'old-' || n, 'old-' || n || '-0123456789abcdef', 'r-' || n, 'k-' || n, $3::text::jsonb,
       $4::bigint, at, at, at, at, at, 'callback', CASE WHEN is_charged THEN $4::bigint END,
       '{{"final_unit_deduction":"3"}}', replace($5::text, 'TASK', 'old-' || n), true
FROM ({NUMBERED}) numbered JOIN tokens t ON t.id = token_id
"""
FILL_EVENTS = f"""
INSERT INTO task_events (task_id, kind, detail, created_at)
SELECT n, 'callback', 'succeed', at FROM ({NUMBERED}) numbered
"""
FILL_ENTRIES = f"""
INSERT INTO entries (account_id, kind, amount_micros, task_id, created_at)
SELECT t.tenant_id, 'charge', -$3::bigint, n, at
FROM ({NUMBERED}) numbered JOIN tokens t ON t.id = token_id
WHERE is_charged
"""
# Rows first, indexes of all of them afterwards: as a restored dump, and as fast.
REST = """
UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid = $1::text::regclass
"""
# Rows are right by the way they are made, so no foreign key is looked up for each of them.
AS_RESTORED = {
    "session_replication_role": "replica",
    "synchronous_commit": "off",
    "maintenance_work_mem": "512MB",
}
BALANCE = """
UPDATE accounts a SET quota_micros = e.sum
FROM (SELECT account_id, sum(amount_micros) FROM entries GROUP BY account_id) e
WHERE e.account_id = a.id
"""


@dataclass(frozen=True)
class Task:
    """What a load needs of one task."""

    api_key: str
    kling_id: str
    injected_id: str


class Books:
    """One server's databases, and the keys that all rounds share."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self.secret_key = new_secret_key()
        self._keys = KeyRing.parse(self.secret_key)
        self.public_url = "http://relay.test"
        self._paths = CallbackPaths(self._keys, self.public_url)
        self.api_keys: list[str] = []
        """Of the tenants, by id from 1."""
        self.postmaster = 0

    def url(self, name: str) -> str:
        return self._server.url(name)

    async def fetch(self, name: str, query: str, *values: object) -> list[Any]:
        connection = await asyncpg.connect(dsn(self.url(name)), command_timeout=600)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def create_base(self, name: str, *, channel_url: str) -> None:
        """Build a database with its tenants and one channel."""
        await self.fetch("postgres", f"CREATE DATABASE {name}")
        await migrate(self.url(name))
        await self._add_tenants(name, channel_url)
        self.postmaster = await self._find_postmaster()

    async def grow(self, base: str, name: str, *, rows: int) -> None:
        """Build another one with so many ended tasks in it."""
        await self.clone(base, name)
        connection = await asyncpg.connect(
            dsn(self.url(name)), command_timeout=FILL_TIMEOUT_S, server_settings=AS_RESTORED
        )
        reply = kling_says("TASK", "succeed", rest=ENDED)
        try:
            for table, statement, values in (
                ("tasks", FILL_TASKS, (quote_of_clip(), CLIP_MICROS, reply)),
                ("task_events", FILL_EVENTS, ()),
                ("entries", FILL_ENTRIES, (CLIP_MICROS,)),
            ):
                await connection.execute(REST, table)
                for first in range(1, rows + 1, FILL_AT_ONCE):
                    last = min(first + FILL_AT_ONCE - 1, rows)
                    await connection.execute(statement, first, last, *values)
                await connection.execute(f"REINDEX TABLE {table}")
            await connection.execute("SELECT setval('tasks_id_seq', $1)", rows)
            await connection.execute(BALANCE)
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()

    async def clone(self, template: str, name: str) -> str:
        """Copy a template; the copy's URL."""
        await self.fetch("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await self.fetch(
            "postgres", f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"
        )
        return await self.settle(name)

    async def settle(self, name: str) -> str:
        """Have the server write what is left to write, so that no load pays for it; the URL."""
        await self.fetch("postgres", "CHECKPOINT")
        return self.url(name)

    async def drop(self, name: str) -> None:
        await self.fetch("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def size_mb(self, name: str) -> float:
        found = await self.fetch("postgres", "SELECT pg_database_size($1)", name)
        return float(found[0][0]) / 1e6

    async def count(self, name: str) -> Counts:
        """Count what a load may have made."""
        found = await self.fetch(
            name,
            "SELECT (SELECT count(*) FROM tasks),"
            " (SELECT count(*) FROM tasks WHERE hold_ended_at IS NULL),"
            " (SELECT count(*) FROM entries WHERE kind = 'charge')",
        )
        return Counts(*found[0])

    async def live(self, name: str, limit: int) -> list[Task]:
        return await self._tasks(name, "hold_ended_at IS NULL AND kling_id IS NOT NULL", limit)

    async def ended(self, name: str, limit: int) -> list[Task]:
        """Of this round: the generated ones are left out."""
        return await self._tasks(name, "state = 'succeed' AND kling_id NOT LIKE 'old-%'", limit)

    async def refreshed_now(self, name: str, tasks: Sequence[Task]) -> None:
        """As if Kling had just been asked about these tasks."""
        await self.fetch(
            name,
            "UPDATE tasks SET refresh_at = now() WHERE kling_id = ANY($1)",
            [task.kling_id for task in tasks],
        )

    async def put_off_looks(self, name: str) -> None:
        """Keep what an earlier load has left for the worker out of the next one's figures."""
        await self.fetch(
            name,
            "UPDATE tasks SET next_look_at = now() + interval '1 day'"
            " WHERE next_look_at IS NOT NULL",
        )

    async def spread_refreshes(self, name: str, tasks: Sequence[Task], *, every_s: float) -> None:
        """As if the tasks had been asked about one after the other, each once in `every_s`."""
        await self.fetch(
            name,
            "UPDATE tasks SET refresh_at = at, next_look_at = at + $2 * interval '1 second'"
            " FROM (SELECT id AS found, now() - random() * $2 * interval '1 second' AS at"
            "       FROM tasks WHERE kling_id = ANY($1)) spread WHERE id = found",
            [task.kling_id for task in tasks],
            every_s,
        )

    def callback_path(self, task: Task) -> str:
        url = self._paths.url(task.injected_id, 1)
        assert url is not None
        return url.removeprefix(self.public_url)

    async def check(self, name: str) -> None:
        """Recompute the books.

        Raises:
            VoidRoundError: they are wrong.
        """
        engine = open_engine(self.url(name))
        try:
            async with open_sessions(engine)() as session:
                report = await audit(session)
        finally:
            await engine.dispose()
        if not report.ok:
            raise VoidRoundError(f"THE BOOKS ARE WRONG: {report.differences[:3]}")

    async def _tasks(self, name: str, condition: str, limit: int) -> list[Task]:
        rows = await self.fetch(
            name,
            f"SELECT tenant_id, kling_id, injected_id FROM tasks WHERE {condition}"
            f" ORDER BY id DESC LIMIT {limit}",
        )
        return [Task(self.api_keys[row[0] - 1], row[1], row[2]) for row in rows]

    async def _add_tenants(self, name: str, channel_url: str) -> None:
        engine = open_engine(self.url(name))
        self.api_keys = []
        try:
            async with open_sessions(engine).begin() as session:
                for number in range(1, TENANTS + 1):
                    name_of = f"tenant-{number}"
                    tenant = await open_tenant(
                        session, ACTOR, name_of, quota_micros=QUOTA_MICROS, currency="USD"
                    )
                    assert tenant.id == tenant.account_id == number, "loads find keys by these"
                    token = await issue_token(session, ACTOR, name_of, self._keys)
                    self.api_keys.append(token.api_key)
                channel = Channel(name="main", base_url=channel_url, api_key_sealed="to be sealed")
                session.add(channel)
                await session.flush()
                seal_into(
                    channel,
                    self._keys,
                    api_key="stub",
                )
        finally:
            await engine.dispose()

    async def _find_postmaster(self) -> int:
        """The server's own process: a backend's parent."""
        connection = await asyncpg.connect(dsn(self.url("postgres")))
        try:
            return parent_of(await connection.fetchval("SELECT pg_backend_pid()"))
        finally:
            await connection.close()


def quote_of_clip() -> str:
    """The frozen quote of the clip that all loads order, as the relay writes it."""
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in CLIP.items()}
    (wanted,) = read_wanted(Catalogue.with_added(()).of("text2video"), Reading(fields)).wanted
    row = PriceBook((), OFFICIAL).find(wanted)
    assert row is not None
    prices = UnitPrices(video_micros=140_000, image_micros=3_500)
    quoted = quote(row, wanted, prices=prices, tenant_multiplier=Decimal(1))
    assert quoted.hold_micros == CLIP_MICROS
    return msgspec.json.encode(quoted).decode()
