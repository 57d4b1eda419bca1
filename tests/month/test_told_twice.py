"""A month of a business, told twice: at a terminal, and by the admin API. To the micro, the same.

Three tenants in two price groups, and a tenant of one of them; a price that changes in mid-month, a
limit and a credit that are reached under load, refunds across the month's edge, a code, invoices,
losses, the month printed and closed. What each figure is to be is worked out here, from one price.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import dsn
from relay.money import decimal_of
from relay.months import Month, first_moment, month_of
from relay.operators.tables import Role
from relay.secrets import KeyRing, new_secret_key
from relay.tenants.tokens import IssuedToken
from tests.admin.office import asking, office
from tests.cli.command import Command
from tests.clones import cloned
from tests.month.tellers import ByApi, ByCommand, Teller
from tests.relay_app import CLIP, CLIP_MICROS, TEXT2VIDEO, Relay, bearer, fixture_relay
from tests.tasks.looking import look_now
from tests.waiting import wait_until

GOLD, GOLD_LATER, BASE = CLIP_MICROS * 9 // 10, CLIP_MICROS * 8 // 10, CLIP_MICROS * 12 // 10
CHEAP, CODE = 10_000, 2_000_000
RESOLD = GOLD * 3 // 2
"""What a tenant of acme's pays it, of which the account pays GOLD."""
COST = 300_000
"""Of a clip: 3 units at 0.712 CNY, of which 7.12 are a dollar."""
ALL_COLUMNS = """
SELECT table_name, string_agg(format('%1$I = %1$I - $1::interval', column_name), ', ') AS moved
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
    AND table_type = 'BASE TABLE' AND table_name = ANY ($1) AND is_generated = 'NEVER'
GROUP BY table_name
"""
MOVED = ["accounts", "entries", "multipliers", "prices", "tasks"]
"""Not what counts limits: their window is that of now."""
OF_THE_RUN = {
    *("keys", "figures", "actor", "entries_sha256", "until", "valid_from", "valid_to"),
    *("id", "task_id", "worst_id"),
    *("is_over", "is_right", "owed_micros", "timezone", "tenants", "topup_correction_micros"),
}


class Business:
    """One relay with its tenants, and who runs it."""

    def __init__(self, relay: Relay, teller: Teller) -> None:
        self.relay = relay
        self.teller = teller
        self.keys: dict[str, IssuedToken] = {}

    async def make(self, tenant: str, count: int) -> list[int]:
        """Have clips made at once; returns the codes of the answers, once all have ended."""
        key = self.keys[tenant]
        answers = await asyncio.gather(*(self.relay.submit(key) for _ in range(count)))
        await wait_until(self._all_ended)
        return sorted(answer.json()["code"] for answer in answers)

    async def _all_ended(self) -> bool:
        await look_now(self.relay)
        return not await self.relay.rows("SELECT 1 FROM tasks WHERE hold_ended_at IS NULL")

    async def expect(self, tenant: str, hold: int) -> None:
        """Wait until a clip costs a tenant so much: another process said so up to 2 s ago."""
        asked = {"method": "POST", "path": TEXT2VIDEO, "body": CLIP}

        async def is_so() -> bool:
            answer = await self.relay.client.post(
                "/relay/quote", json=asked, headers=bearer(self.keys[tenant])
            )
            return bool(answer.json()["data"]["hold"] == decimal_of(hold))

        await wait_until(is_so)

    async def age(self, by: timedelta) -> None:
        """Have all that happened have happened so much earlier."""
        connection = await asyncpg.connect(dsn(self.relay.database_url))
        try:
            # Without the triggers, by which entries are never changed.
            await connection.execute("SET session_replication_role = replica")
            for table, moved in await connection.fetch(ALL_COLUMNS, MOVED):
                await connection.execute(f"UPDATE {table} SET {moved}", by)
        finally:
            await connection.close()

    async def first_task_of(self, tenant: str) -> int:
        row = await self.relay.row(
            "SELECT min(t.id) AS id FROM tasks t JOIN tenants n ON n.id = t.tenant_id"
            " WHERE n.name = $1",
            tenant,
        )
        return int(row["id"])


@asynccontextmanager
async def opened(database_url: str, by: str, folder: Path) -> AsyncIterator[Business]:
    secret_key = new_secret_key()
    async with fixture_relay(database_url, keys=KeyRing.parse(secret_key)) as relay:
        await relay.add_channel()
        if by == "command":
            environ = {"RELAY_DATABASE_URL": database_url, "RELAY_SECRET_KEY": secret_key}
            yield Business(relay, ByCommand(Command(environ), folder))
        else:
            async with office(relay) as client:
                owner = await asking(relay, client, "ann", Role.OWNER)
                yield Business(relay, ByApi(owner))


async def happen(business: Business, month: Month) -> None:
    """Have the month happen, and what comes of it in the one after."""
    teller = business.teller
    await teller.multiply("gold", "0.9")
    await teller.multiply("base", "1.2")
    for name, group, quota in (("acme", "gold", 10_000_000), ("beta", "base", 0)):
        await teller.open_tenant(name, group=group, quota=quota)
    await teller.open_tenant("gamma", group="base")
    await teller.open_below("acme", "eu", factor="1.5")
    await teller.top_up("beta", 3_000_000, "bank 17", "paid")
    await teller.top_up("beta", 1_000_000, "welcome", "bonus")
    await teller.set_amount("gamma", CHEAP)
    for name in ("acme", "beta", "gamma", "acme/eu"):
        business.keys[name] = await teller.issue_token(name)

    for name, price in (("acme", GOLD), ("beta", BASE), ("gamma", CHEAP), ("acme/eu", RESOLD)):
        await business.expect(name, price)
    assert await business.make("acme", 2) == [0, 0]
    assert await business.make("beta", 2) == [0, 0]
    assert await business.make("acme/eu", 1) == [0]
    assert await business.make("gamma", 1) == [1102]
    await business.age(timedelta(days=15))

    await teller.multiply("gold", "0.8")
    await teller.give_credit("gamma", 5 * CHEAP)
    business.keys["acme"] = await teller.issue_token("acme")
    await teller.limit_month(business.keys["acme"].id, 3 * GOLD_LATER - 1)
    await business.expect("acme", GOLD_LATER)
    assert await business.make("acme", 10) == [0] * 2 + [1102] * 8
    assert await business.make("gamma", 8) == [0] * 5 + [1102] * 3
    late = first_moment(month.first, UTC) + timedelta(days=20)
    await business.age(datetime.now(UTC) - late)

    await teller.set_cost("main", "0.712", "7.12", str(month.first))
    for name in ("acme", "beta", "gamma"):
        await teller.close(name, str(month))
    await teller.refund(await business.first_task_of("acme"), 100_000, "grainy")
    await teller.refund(await business.first_task_of("beta"), None, "black")
    await teller.adjust("beta", -1, "a micro too much")
    await teller.top_up("gamma", 5 * CHEAP, "bank 18", "paid")
    await teller.redeem("beta", await teller.make_code("spring", CODE))
    await teller.limit_month(business.keys["acme"].id, 3 * GOLD_LATER)
    assert await business.make("acme", 1) == [0]
    await teller.set_profile("acme", title="Acme Ltd", basis="topups")
    await teller.set_profile("beta", title="Beta GmbH", basis="statements")
    for account, of in (("acme", None), ("beta", str(month))):
        invoice = await teller.request_invoice(account, of)
        await teller.issue_invoice(invoice, f"26-{account}")


async def ask(teller: Teller, month: Month) -> dict[str, Any]:
    """Ask all that can be asked of a month, and of the one after."""
    told: dict[str, Any] = {}
    now = month.next
    for name in ("acme", "beta", "gamma"):
        told[f"{name} then"] = await teller.statement(name, str(month))
        told[f"{name} now"] = await teller.statement(name, str(now))
        told[f"{name} entries"] = await teller.entries(name)
        told[f"{name} limits"] = await teller.limits(name)
    for one in (month, now):
        told[f"month {one}"] = await teller.month(str(one))
        for keys in (("tenant",), ("token", "model"), ("account", "month")):
            told[f"usage {one} {keys}"] = await teller.usage(str(one), *keys)
            told[f"margin {one} {keys}"] = await teller.margin(str(one), *keys)
        told[f"losses {one}"] = await teller.losses(str(one))
    told["invoices"] = await teller.invoices()
    told["audit"] = await teller.audit()
    return told


def figures(told: Any) -> Any:
    """Leave out of a document what is of the run: moments, who acted, which of many tasks it was.

    And two shapes: what is told of a sum beside what was summed, or under a name of its own.
    """
    if isinstance(told, list):
        return [figures(one) for one in told]
    if not isinstance(told, dict):
        return told
    flat = told | told.get("keys", {}) | told.get("figures", {})
    return {
        name: figures(value)
        for name, value in flat.items()
        if name not in OF_THE_RUN and not name.endswith("_at")
    }


async def test_both_tell_the_same_month(
    postgres_server: EmbeddedPostgres, template: str, tmp_path: Path
) -> None:
    """All documents are alike but for their moments, and the figures are those worked out here."""
    month = month_of(datetime.now(UTC), UTC).previous
    told = {}
    for by in ("command", "api"):
        async with (
            cloned(postgres_server, template) as url,
            opened(url, by, tmp_path) as business,
        ):
            await happen(business, month)
            told[by] = figures(await ask(business.teller, month))

    for name, document in told["command"].items():
        assert document == told["api"][name], name
    _check(told["api"], month)


def _check(told: dict[str, Any], month: Month) -> None:
    """Hold what was told to the price of a clip, the groups' multipliers and what was paid."""
    of_acme, of_beta, of_gamma = 3 * GOLD + 2 * GOLD_LATER, 2 * BASE, 5 * CHEAP
    closings = {
        "acme": (10_000_000 - of_acme, 10_000_000 - of_acme + 100_000 - GOLD_LATER),
        "beta": (4_000_000 - of_beta, 4_000_000 - of_beta + BASE - 1 + CODE),
        "gamma": (-of_gamma, 0),
    }
    for name, (then, now) in closings.items():
        assert told[f"{name} then"]["closing_micros"] == then
        assert told[f"{name} then"]["closed_figures"]["closing_micros"] == then
        assert told[f"{name} now"]["opening_micros"] == then
        assert told[f"{name} now"]["closing_micros"] == now
        entered = sum(one["amount_micros"] for one in told[f"{name} entries"])
        assert entered == now + (GOLD if name == "acme" else 0)  # without what is below it
    whole, after = told[f"month {month}"], told[f"month {month.next}"]
    owed = [whole["owed_to_tenants_micros"], whole["owed_by_tenants_micros"]]
    assert owed == [closings["acme"][0] + closings["beta"][0], of_gamma]
    assert after["owed_by_tenants_micros"] == 0

    margin = told[f"margin {month} ('tenant',)"]
    assert {one["tenant"]: one["margin_micros"] for one in margin["margin"]} == {
        "acme": of_acme - GOLD - 4 * COST,
        "acme/eu": GOLD - COST,
        "beta": of_beta - 2 * COST,
        "gamma": of_gamma - 5 * COST,
    }
    assert margin["whole"]["charged_micros"] == of_acme + of_beta + of_gamma
    assert [
        (one["tenant"], one["tasks"], one["lost_micros"])
        for one in told[f"losses {month}"]["losses"]
        if one["why"] == "price"
    ] == [("gamma", 5, 5 * COST - of_gamma)]
    resold = {one["tenant"]: one["resold_micros"] for one in told[f"usage {month} ('tenant',)"]}
    assert resold["acme/eu"] == RESOLD
    (limit,) = told["acme limits"]
    assert (limit["taken"], limit["left"]) == (3 * GOLD_LATER, 0)
    assert {one["number"]: one["amount_micros"] for one in told["invoices"]} == {
        "26-acme": 10_000_000,
        "26-beta": of_beta,
    }
    assert (told["audit"]["ok"], told["audit"]["drift_micros"]) == (True, 0)
