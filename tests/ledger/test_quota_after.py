"""The quota after an entry: stored with it, in the order in which the quota really ran."""

import asyncio
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import text

from relay.database.engine import Sessions, dsn
from relay.database.ids import AccountId
from relay.ledger.entries import top_up
from relay.ledger.tables import TopupKind
from relay.tasks.finish import FINISH
from relay.usage.entries import EntryFilter, list_entries
from tests.relay_app import CLIP_MICROS, Relay, running_relay
from tests.tasks.told import told_success

QUOTA_MICROS = 10_000_000
CHAINS = """
SELECT account_id, kind, task_id, quota_after_micros AS after,
       sum(amount_micros) OVER (PARTITION BY account_id ORDER BY id) AS summed
FROM entries ORDER BY id
"""
FORGET = """
ALTER TABLE entries DISABLE TRIGGER entries_are_final;
UPDATE entries SET quota_after_micros = NULL, topup_kind = NULL
WHERE id <= (SELECT min(id) FROM entries WHERE kind = 'charge');
ALTER TABLE entries ENABLE TRIGGER entries_are_final;
"""


async def live_tasks(relay: Relay, *tenants: str) -> list[int]:
    """Four tasks of each tenant, whose ids alternate; the latest first."""
    await relay.add_channel()
    tokens = [await relay.add_tenant(name, quota_micros=QUOTA_MICROS) for name in tenants]
    for number in range(4):
        for token in tokens:
            reply = await relay.submit(token, _prompted(f"{number} [slow 600]"))
            assert reply.status_code == 200, reply.text
    return [row["id"] for row in await relay.rows("SELECT id FROM tasks ORDER BY id DESC")]


def _prompted(prompt: str) -> dict[str, str]:
    return {"model_name": "kling-v3", "prompt": prompt, "mode": "std", "duration": "5"}


async def finish(connection: Any, ids: list[int]) -> None:
    """All of them in one statement."""
    rows = [told_success(number, f"k-{number}")._replace(kling_id=None) for number in ids]
    await connection.fetch(FINISH, *(list(values) for values in zip(*rows, strict=True)))


async def add(sessions: Sessions, account_id: int, reference: str) -> None:
    async with sessions.begin() as session:
        await top_up(
            session,
            AccountId(account_id),
            amount_micros=7,
            kind=TopupKind.BONUS,
            reference=reference,
            currency="USD",
            actor="tests",
        )


async def test_each_entry_of_one_statement_has_its_own_quota_after(books: str) -> None:
    """Eight ends of two accounts at once, told in any order: each charge has the quota after it."""
    async with running_relay(books) as relay:
        ids = await live_tasks(relay, "acme", "beta")
        connection = await asyncpg.connect(dsn(books))

        await finish(connection, ids)

        await connection.close()
        rows = await relay.rows(CHAINS)
        charges = [row for row in rows if row["kind"] == "charge"]
        assert len(charges) == 8
        assert [row["after"] for row in rows] == [row["summed"] for row in rows]
        for account_id in {row["account_id"] for row in charges}:
            of_account = [row for row in charges if row["account_id"] == account_id]
            assert [row["after"] for row in of_account] == [
                QUOTA_MICROS - number * CLIP_MICROS for number in (1, 2, 3, 4)
            ]
            tasks = [row["task_id"] for row in of_account]
            assert tasks == sorted(tasks)


async def test_quotas_chain_whatever_is_entered_at_once(books: str) -> None:
    """Charges of four statements and twelve top-ups of one account, all at the same time."""
    async with running_relay(books) as relay:
        ids = await live_tasks(relay, "acme")
        account_id = (await relay.row("SELECT account_id FROM tenants"))["account_id"]
        connections = [await asyncpg.connect(dsn(books)) for _ in ids]

        await asyncio.gather(
            *(finish(one, [id_]) for one, id_ in zip(connections, ids, strict=True)),
            *(add(relay.sessions, account_id, f"gift {number}") for number in range(12)),
        )

        for one in connections:
            await one.close()
        rows = await relay.rows(CHAINS)
        assert len(rows) == 1 + 4 + 12
        assert [row["after"] for row in rows] == [row["summed"] for row in rows]
        account = await relay.row("SELECT quota_micros FROM accounts WHERE id = $1", account_id)
        assert account["quota_micros"] == rows[-1]["after"]


async def test_an_entry_says_no_earlier_moment_than_the_one_before_it(books: str) -> None:
    """A transaction that began first and is entered last, has the moment of the one before it."""
    async with running_relay(books) as relay:
        ids = await live_tasks(relay, "acme")
        account_id = (await relay.row("SELECT account_id FROM tenants"))["account_id"]
        connection = await asyncpg.connect(dsn(books))
        slow = connection.transaction()
        await slow.start()
        began_at: datetime = await connection.fetchval("SELECT now()")
        async with relay.sessions.begin() as session:
            await session.execute(text("SELECT 1"))  # it begins
            await add(relay.sessions, account_id, "gift 1")

            await finish(connection, ids[:2])
            await slow.commit()
            await top_up(
                session,
                AccountId(account_id),
                amount_micros=7,
                kind=TopupKind.PAID,
                reference="paid",
                currency="USD",
                actor="tests",
            )

        await connection.close()
        rows = await relay.rows("SELECT created_at FROM entries ORDER BY id DESC LIMIT 4")
        moments = {row["created_at"] for row in rows}
        assert len(moments) == 1
        assert moments.pop() > began_at
        (task,) = await relay.rows("SELECT ended_at FROM tasks WHERE id = $1", ids[0])
        assert task["ended_at"] == began_at


async def test_what_older_entries_do_not_keep_is_summed_up(books: str) -> None:
    """Entries of before have the same figures, and top-ups of then were paid."""
    async with running_relay(books) as relay:
        ids = await live_tasks(relay, "acme", "beta")
        connection = await asyncpg.connect(dsn(books))
        await finish(connection, ids)
        async with relay.sessions() as session:
            before = await list_entries(session, limit=100)

        await connection.execute(FORGET)

        await connection.close()
        async with relay.sessions() as session:
            assert await list_entries(session, limit=100) == before
            paid = await list_entries(session, EntryFilter(topup_kind="paid"), limit=100)
        assert [one.topup_kind for one in paid] == ["paid", "paid"]
        assert {one.quota_after_micros for one in paid} == {QUOTA_MICROS}
