"""Kling's account calls, answered from the tenant's own books (promise T4).

The tenant's quota is shown as one resource pack, in video units at Kling's list price; a credit is
as much more of it. Whatever changed the quota is a line, in units and in currency: charges are
deductions, and what was given back, sold or corrected upwards is one below zero. Each line's quota
after it is the next one's before it, and the pack's total less the lines of tasks is what remains.
Nothing of the channels' accounts is told, nor to a key of scope `call` what others of its tenant's
keys spent: their lines are left out.

Of sub-tenants' tasks their parent is told what it pays. They themselves are told their own tasks
alone, at their own prices: no pack, no quota before and after, and nothing that was sold.

Source of the shapes: docs/kling-api.md 4.16 and 5.6; names of fields that it leaves out are
those of our sandbox, which took them from the vendor's pages.
"""

import asyncio
from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from relay.database.driver import Pool, Record
from relay.errors import InvalidParameter
from relay.kling.wanted import Wanted
from relay.ledger.read import QUOTAS_AFTER
from relay.moments import MS_MAX, ms_of
from relay.money import MICROS, decimal_of, plain
from relay.months import Window
from relay.pricing.book import Pack
from relay.pricing.quote import Quote, UnitPrices
from relay.proxy.page import Page, read_ms
from relay.proxy.query_string import read_query
from relay.tenants.caller import Caller
from relay.tenants.read import own_name
from relay.usage.resold import TAKEN, TAKEN_RESOLD

PACK_ID = "1"
PACK_NAME = "Quota"
PACK_TYPE = "decreasing_total"

PAGES_AT_ONCE = 1
"""Of one process: each may read all entries of an account, and looks, deliveries and claims share
the few connections of the pool with them (`database/lines.py`)."""

TOTALS = """
SELECT a.credit_micros + e.sold AS total, a.credit_micros + e.quota AS remaining,
       coalesce(e.began_at, (
           SELECT created_at FROM tenants WHERE id = $2 AND a.credit_micros > 0
       )) AS began_at
FROM accounts a, (
    SELECT coalesce(sum(amount_micros) FILTER (WHERE task_id IS NULL), 0) AS sold,
           coalesce(sum(amount_micros), 0) AS quota,
           min(created_at) AS began_at
    FROM entries WHERE account_id = $1
) e
WHERE a.id = $1
"""

FAMILY = "SELECT id, name FROM tenants WHERE id = $1 OR parent_id = $1"
"""Whose tasks a tenant is told of: its own, and its sub-tenants'."""

_LINES = """
SELECT e.id, e.kind, e.topup_kind, e.reference, {taken} AS deducted, t.tenant_id,
       e.quota_after_micros, e.created_at,
       coalesce(t.public_id, t.kling_id) AS shown_id, t.endpoint, t.token_id, t.model, t.pack,
       t.quote, t.id AS own_id
FROM entries e LEFT JOIN tasks t ON t.id = e.task_id
WHERE e.account_id = $1 AND e.id < $2
    -- Most entries of an account are this tenant's, which a planner cannot know: by a plain
    -- condition it would rather have all accounts' entries read by several workers.
    AND CASE WHEN {whose} THEN true ELSE false END
    AND e.created_at >= $3 AND e.created_at < $4
    AND ($5::text[] IS NULL OR 'token-' || t.token_id = ANY($5))
    AND ($9::text IS NULL OR e.kind = $9)
    AND ($8::bigint IS NULL OR t.token_id IS NULL OR t.token_id = $8)
ORDER BY e.id DESC LIMIT $6
"""
LINES = _LINES.format(taken=TAKEN, whose="e.task_id IS NULL OR t.tenant_id = ANY($7)")
LINES_RESOLD = _LINES.format(taken=TAKEN_RESOLD, whose="t.tenant_id = ANY($7)")
"""What a sub-tenant is told."""

_quote = msgspec.json.Decoder(Quote)


class Accounts:
    def __init__(self, pool: Pool, *, prices: UnitPrices, currency: str) -> None:
        self._pool = pool
        self._turn = asyncio.Semaphore(PAGES_AT_ONCE)
        self._prices = prices
        self._currency = currency

    async def costs(self, caller: Caller, query_string: bytes) -> bytes:
        """Show the tenant's quota as a resource pack, wrapped twice as Kling does.

        Raises:
            InvalidParameter: start_time or end_time is missing or no time.
        """
        values = read_query(query_string)
        for name in ("start_time", "end_time"):
            if not values.get(name):
                raise InvalidParameter(name, "is required")
            read_ms(name, values[name][-1], 0)
        data: dict[str, Any] = {"code": 0, "msg": "success"}
        if caller.parent_id is not None:
            return msgspec.json.encode(data)  # it has no quota of its own
        async with self._turn:
            totals = await self._pool.fetchrow(TOTALS, caller.account_id, caller.tenant_id)
        assert totals is not None, "accounts stay"
        name = values.get("resource_pack_name", [PACK_NAME])[-1]
        if totals["began_at"] is not None and name == PACK_NAME:
            began_ms = ms_of(totals["began_at"])
            data["resource_pack_subscribe_infos"] = [
                {
                    "resource_pack_name": PACK_NAME,
                    "resource_pack_id": PACK_ID,
                    "resource_pack_type": PACK_TYPE,
                    "total_quantity": self._units(totals["total"]),
                    "remaining_quantity": self._units(totals["remaining"]),
                    "purchase_time": began_ms,
                    "effective_time": began_ms,
                    "invalid_time": MS_MAX,
                    "status": "online" if totals["remaining"] > 0 else "runOut",
                }
            ]
        return msgspec.json.encode(data)

    async def package(self, caller: Caller, page: Page) -> bytes:
        """Page through what changed the tenant's quota, in units."""
        if not _is_own_pack(page):
            return _spelt([], last_id=None, has_more=False)
        return await self._page(caller, page, in_units=True)

    async def balance(self, caller: Caller, page: Page) -> bytes:
        """Page through the same lines in currency."""
        return await self._page(caller, page, in_units=False)

    async def _page(self, caller: Caller, page: Page, *, in_units: bool) -> bytes:
        lines, has_more = await self.read_lines(
            caller,
            Window(page.start, page.until),
            before_id=page.before_id,
            limit=page.limit,
            names=page.filters.get("api_key_name"),
        )
        rows = [self._row(record, after=after, in_units=in_units) for record, after in lines]
        return _spelt(rows, last_id=lines[-1][0]["id"] if lines else None, has_more=has_more)

    async def read_lines(
        self,
        caller: Caller,
        window: Window,
        *,
        before_id: int,
        limit: int,
        names: Iterable[str] | None = None,
        kind: str | None = None,
    ) -> tuple[list[tuple[Record, int | None]], bool]:
        """Read what changed the quota, newest first, each with the quota after it, in micros.

        `names`: of keys, as they are told. Beside the lines, whether there are more. To a
        sub-tenant no quota is told.
        """
        async with self._turn:
            records = await self._pool.fetch(
                LINES if caller.parent_id is None else LINES_RESOLD,
                caller.account_id,
                before_id,
                window.start,
                window.until,
                None if names is None else sorted(names),
                limit + 1,
                list(await self.family(caller)),
                None if caller.scope.sees_all else caller.token_id,
                kind,
            )
            shown = records[:limit]
            after = await self._quotas_after(caller, shown) if caller.parent_id is None else {}
        return [(record, after.get(record["id"])) for record in shown], len(records) > limit

    async def family(self, caller: Caller) -> dict[int, str | None]:
        """Name its sub-tenants, as it calls them, by our ids; itself, without a name, too."""
        found: dict[int, str | None] = {caller.tenant_id: None}
        if caller.scope.sees_all and caller.parent_id is None:
            rows = await self._pool.fetch(FAMILY, caller.tenant_id)
            found |= {row["id"]: own_name(row["name"]) for row in rows} | found
        return found

    async def _quotas_after(self, caller: Caller, lines: list[Record]) -> dict[int, int]:
        after = {line["id"]: line["quota_after_micros"] for line in lines}
        if unkept := [id_ for id_, micros in after.items() if micros is None]:
            values = (caller.account_id, unkept, min(unkept), max(unkept))
            records = await self._pool.fetch(QUOTAS_AFTER, *values)
            after |= {record["id"]: int(record["after"]) for record in records}
        return after

    def _row(self, record: Record, *, after: int | None, in_units: bool) -> dict[str, Any]:
        row = _told_of_task(record) if record["own_id"] else _told_of_sale(record)
        row["deduction_time"] = str(ms_of(record["created_at"]))
        deducted = record["deducted"]
        if in_units:
            return {
                "package_id": PACK_ID,
                "product_type": record["pack"] or Pack.VIDEO.value,
                **row,
                **_around("unit_{}_deduction", deducted, after, self._units),
            }
        return {
            **row,
            "cash_type": "balance",
            "list_price": decimal_of(deducted),
            "currency": self._currency,
            **_around("balance_{}_deduction", deducted, after, _money),
        }

    def _units(self, micros: int) -> msgspec.Raw:
        """Convert to video units at list price, as a JSON number of at most 4 places."""
        units = Decimal(micros) / self._prices.video_micros
        return _number(units.quantize(Decimal("0.0001"), ROUND_HALF_UP))


def _around(
    name: str, deducted: int, after: int | None, spell: Callable[[int], msgspec.Raw]
) -> dict[str, msgspec.Raw]:
    """Say what was deducted, between what there was before and after, where that is told."""
    amount = {"deduction_amount": spell(deducted)}
    if after is None:
        return amount
    before = {name.format("before"): spell(after + deducted)}
    return before | amount | {name.format("after"): spell(after)}


def _told_of_task(record: Record) -> dict[str, Any]:
    """Tell of a charge, or of what was given back of it: whose task, and what was asked for."""
    wanted = _quote.decode(record["quote"]).wanted
    return {
        "task_id": record["shown_id"] or str(record["own_id"]),
        "api_key_name": f"token-{record['token_id']}",
        "product_function": record["endpoint"],
        "model_name": record["model"] or "",
        "resolution": wanted.mode or "",
        "duration": _length(wanted),
        "refer_video_input": bool(wanted.video_input),
        "video_sound": "native" if wanted.sound else "off",
        "voice_control": bool(wanted.voice),
    }


def _told_of_sale(record: Record) -> dict[str, Any]:
    """Tell of what was sold or corrected: by its kind alone, since reasons are the operator's."""
    return {
        "task_id": "",
        "api_key_name": "",
        "product_function": record["kind"],
        "model_name": "",
        "resolution": "",
        "duration": "none",
        "refer_video_input": False,
        "video_sound": "off",
        "voice_control": False,
    }


def _length(wanted: Wanted) -> str:
    """Spell the seconds that were asked for; of images "none", and empty where Kling decides."""
    if wanted.is_open:
        return ""
    return "none" if wanted.seconds is None else str(wanted.seconds)


def _is_own_pack(page: Page) -> bool:
    own = {"package_id": PACK_ID, "package_name": PACK_NAME}
    if all(name in page.filters for name in own):
        raise InvalidParameter("filters", "package_name excludes package_id")
    return all(own[name] in page.filters[name] for name in own if name in page.filters)


def _spelt(rows: list[dict[str, Any]], *, last_id: int | None, has_more: bool) -> bytes:
    return msgspec.json.encode(
        {
            "result": {"detail": rows, "count": len(rows)},
            "next_cursor": str(last_id) if has_more else "",
            "has_more": has_more,
        }
    )


def _money(micros: int) -> msgspec.Raw:
    return _number(Decimal(micros) / MICROS)


def _number(number: Decimal) -> msgspec.Raw:
    """Spell a JSON number, without a float in between; Kling writes 5.0."""
    text = plain(number)
    return msgspec.Raw((text if "." in text else f"{text}.0").encode())
