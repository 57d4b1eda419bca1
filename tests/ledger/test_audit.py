"""`audit` recomputes the books: it names what differs, and is quiet beside live traffic."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from relay.ledger.invariants import audit
from relay.sandbox.settings import SandboxSettings
from tests.ledger.books import audit_books
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, running_relay
from tests.waiting import wait_until

FREE = """
    ALTER TABLE entries DISABLE TRIGGER ALL;
    DROP INDEX entries_one_charge;
    ALTER TABLE entries DROP CONSTRAINT entries_kind_fits;
    ALTER TABLE tasks DROP CONSTRAINT tasks_open_hold_iff_live;
    ALTER TABLE tasks DROP CONSTRAINT tasks_charged_iff_succeed;
    ALTER TABLE tasks DROP CONSTRAINT tasks_charged_at_most_the_hold;
    ALTER TABLE tasks DROP CONSTRAINT tasks_refunded_at_most_the_charge;
"""
"""Takes every guard of the database away, so that a test can write what no code of ours could."""

DONE = "(SELECT id FROM tasks WHERE state = 'succeed')"
LIVE = "(SELECT id FROM tasks WHERE state = 'submitted')"
FAILED = "(SELECT id FROM tasks WHERE state = 'failed')"

CORRUPTIONS = {
    "quota is the sum of the account's entries": (
        "UPDATE accounts SET quota_micros = quota_micros + 1",
        ("account of tenant acme", 10_000_000 - CLIP_MICROS, 10_000_001 - CLIP_MICROS),
    ),
    "the quota after an entry is the sum of the entries up to it": (
        "UPDATE entries SET quota_after_micros = 9 WHERE kind = 'charge'",
        ("entry {charge}", 10_000_000 - CLIP_MICROS, 9),
    ),
    "an account's quota is the one after its newest entry": (
        "UPDATE accounts SET quota_micros = quota_micros - 1",
        ("account of tenant acme", 10_000_000 - CLIP_MICROS, 10_000_000 - CLIP_MICROS - 1),
    ),
    "no entry says an earlier moment than one before it": (
        "UPDATE entries SET created_at = '2026-01-01' WHERE kind = 'charge'",
        ("entry {charge}", None, None),
    ),
    "what was redeemed of a code is one top-up, of its amount": (
        (
            "INSERT INTO code_batches (name, topup_kind) VALUES ('spring', 'paid');"
            "INSERT INTO codes (batch_id, code_hash, hint, amount_micros, redeemed_at, tenant_id,"
            " entry_id) SELECT 1, 'x', 'x', 5, now(), 1, id FROM entries WHERE kind = 'topup'"
        ),
        ("code 1", 5, 10_000_000),
    ),
    "held is the sum of the account's open holds": (
        "UPDATE accounts SET held_micros = held_micros - 1",
        ("account of tenant acme", CLIP_MICROS, CLIP_MICROS - 1),
    ),
    "open_holds counts the account's open holds": (
        "UPDATE accounts SET open_holds = 3",
        ("account of tenant acme", 1, 3),
    ),
    "each task draws on an account that there is": (
        f"UPDATE tasks SET account_id = 4711 WHERE id = {FAILED}",
        ("task {failed}", None, 4711),
    ),
    "each success has exactly one charge, of what the task says": (
        f"UPDATE tasks SET charged_micros = 5 WHERE id = {DONE}",
        ("task {done}", 5, CLIP_MICROS),
    ),
    "nothing but a success is charged": (
        (
            "INSERT INTO entries (account_id, kind, amount_micros, task_id)"
            f" SELECT account_id, 'charge', -7, id FROM tasks WHERE id = {FAILED}"
        ),
        ("task {failed} (failed)", 0, 7),
    ),
    "what a task says was corrected is its one correction, on the account of its charge": (
        f"UPDATE tasks SET corrected_micros = 5 WHERE id = {DONE}",
        ("task {done}", 5, None),
    ),
    "a charge is at most the hold": (
        f"UPDATE tasks SET hold_micros = 9 WHERE id = {DONE}",
        ("task {done}", 9, CLIP_MICROS),
    ),
    "no task is charged twice": (
        (
            "INSERT INTO entries (account_id, kind, amount_micros, task_id)"
            f" SELECT account_id, 'charge', -{CLIP_MICROS}, id FROM tasks WHERE id = {DONE}"
        ),
        ("task {done}", 1, 2),
    ),
    "what a task says was refunded is the sum of its refunds": (
        (
            "INSERT INTO entries (account_id, kind, amount_micros, task_id, reason)"
            f" SELECT account_id, 'refund', part, id, 'why' FROM tasks, (VALUES (5), (2)) p (part)"
            f" WHERE id = {DONE}"
        ),
        ("task {done}", 7, 0),
    ),
    "refunds are at most the charge": (
        f"UPDATE tasks SET refunded_micros = charged_micros + 1 WHERE id = {DONE}",
        ("task {done}", CLIP_MICROS, CLIP_MICROS + 1),
    ),
    "a refund goes to the account that was charged": (
        (
            "INSERT INTO accounts (id) OVERRIDING SYSTEM VALUE VALUES (4712);"
            "INSERT INTO entries (account_id, kind, amount_micros, task_id, reason)"
            f" SELECT 4712, 'refund', 7, id, 'why' FROM tasks WHERE id = {DONE};"
            f" UPDATE tasks SET account_id = 4711 WHERE id = {DONE}"
        ),
        ("task {done}", 4711, 4712),
    ),
    "no ended task has an open hold, and every live one has": (
        f"UPDATE tasks SET hold_ended_at = now() WHERE id = {LIVE}",
        ("task {live} (submitted)", None, CLIP_MICROS),
    ),
}


async def _three_tasks(relay: Relay) -> dict[str, int]:
    """One task that was charged, one that failed, one that lives; in that order of ids."""
    await relay.add_channel()
    token = await relay.add_tenant()
    for prompt, status in (("a fox", "succeed"), ("a fox [fail]", "failed")):
        reply = await relay.submit(token, {**CLIP, "prompt": f"{prompt} [slow 0.02]"})
        key = reply.json()["data"]["task_id"]

        async def has_ended(key: str = key, status: str = status) -> bool:
            response = await relay.get(token, key)
            return bool(response.json()["data"]["task_status"] == status)

        await wait_until(has_ended)
    await relay.submit(token, {**CLIP, "prompt": "a fox [slow 60]"})
    done, failed, live = [row["id"] for row in await relay.rows("SELECT id FROM tasks ORDER BY id")]
    (charge,) = await relay.rows("SELECT id FROM entries WHERE kind = 'charge'")
    return {"done": done, "failed": failed, "live": live, "charge": charge["id"]}


@pytest.mark.parametrize("rule", list(CORRUPTIONS))
async def test_the_audit_names_a_row_that_was_corrupted(database_url: str, rule: str) -> None:
    """Each rule finds the one row that breaks it, with what it should be and what it is."""
    statement, (row, expected, actual) = CORRUPTIONS[rule]
    async with running_relay(database_url, refresh_s=0) as relay:
        ids = await _three_tasks(relay)
        assert (await relay.audit()).ok
        connection = await asyncpg.connect(database_url)
        await connection.execute(FREE)

        await connection.execute(statement)

        await connection.close()
        report = await relay.audit()
        assert not report.ok
        found = {
            (difference.rule, difference.row, difference.expected, difference.actual)
            for difference in report.differences
        }
        assert (rule, row.format(**ids), expected, actual) in found


async def test_an_entry_that_was_deleted_is_missed(database_url: str) -> None:
    """Without its charge a success is named, and so is the account whose sum it was in."""
    async with running_relay(database_url, refresh_s=0) as relay:
        ids = await _three_tasks(relay)
        connection = await asyncpg.connect(database_url)
        await connection.execute(FREE + "DELETE FROM entries WHERE kind = 'charge'")
        await connection.close()

        report = await relay.audit()

        assert {difference.row for difference in report.differences} == {
            f"task {ids['done']}",
            "account of tenant acme",
        }


async def test_a_refund_to_another_tenant_is_named(database_url: str) -> None:
    """Both accounts still add up; only the entry tells that the money went astray."""
    async with running_relay(database_url, refresh_s=0) as relay:
        ids = await _three_tasks(relay)
        await relay.add_tenant("stranger", quota_micros=0)
        connection = await asyncpg.connect(database_url)
        await connection.execute(
            "INSERT INTO entries (account_id, kind, amount_micros, task_id, reason)"
            f" SELECT s.account_id, 'refund', {CLIP_MICROS}, {ids['done']}, 'why'"
            " FROM tenants s WHERE name = 'stranger';"
            f"UPDATE tasks SET refunded_micros = {CLIP_MICROS} WHERE id = {ids['done']};"
            f"UPDATE accounts SET quota_micros = {CLIP_MICROS}"
            " WHERE id = (SELECT account_id FROM tenants WHERE name = 'stranger')"
        )
        await connection.close()

        report = await relay.audit()

        assert [difference.row for difference in report.differences] == [f"task {ids['done']}"]


async def test_the_audit_is_clean_beside_live_traffic(books: str) -> None:
    """It reads one snapshot: while submits and callbacks run, no audit ever differs."""
    kling = SandboxSettings(task_seconds=60, concurrency=1000, public_url=SANDBOX_URL)
    async with (
        running_relay(books, sandbox=kling, with_callbacks=True) as relay,
        running_relay(books, beside=relay, with_callbacks=True) as other,
    ):
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=30 * CLIP_MICROS)
        audits = 0
        is_over = asyncio.Event()

        async def live(replica: Relay, number: int) -> None:
            reply = await replica.submit(token)
            if reply.status_code != 200:
                return
            key = reply.json()["data"]["task_id"]
            status = "failed" if number % 4 == 0 else "succeed"
            body = {"task_id": key, "task_status": status, "final_unit_deduction": "2.5"}
            await asyncio.gather(other.call_back(key, body), relay.call_back(key, body))

        async def audit_on() -> None:
            nonlocal audits
            while not is_over.is_set():
                report = await audit_books(books)
                assert report.ok, report.differences
                audits += 1

        auditing = asyncio.create_task(audit_on())
        while audits < 4 and not auditing.done():
            await asyncio.gather(*(live((relay, other)[n % 2], n) for n in range(40)))
        is_over.set()
        await auditing

        states = await relay.rows("SELECT state, count(*) AS n FROM tasks GROUP BY state")
        assert {row["state"] for row in states} == {"succeed", "failed"}


async def test_the_audit_reads_one_snapshot_and_writes_nothing(books: str) -> None:
    """What is committed while it runs is not in it, so that its figures belong together."""
    async with running_relay(books) as relay:
        await relay.add_tenant("early")
        async with relay.sessions() as session:
            report = await audit(session)
            await relay.add_tenant("late")

            seen = await session.scalar(text("SELECT count(*) FROM entries"))
            with pytest.raises(DBAPIError, match="read-only transaction"):
                await session.execute(text("UPDATE accounts SET held_micros = 0"))

        assert (report.entries, seen) == (1, 1)


async def test_an_empty_database_is_in_order(books: str) -> None:
    """Nothing was read, and nothing differs."""
    report = await audit_books(books)

    assert (report.ok, report.accounts, report.tasks, report.entries) == (True, 0, 0, 0)
