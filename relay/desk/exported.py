"""Every table that a person may want, row by row: whole, in little memory, and without secrets."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import tzinfo
from typing import Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.read import list_places as list_alert_places
from relay.alerts.read import read_alerts
from relay.channels.costs import list_costs
from relay.channels.read import read_rows
from relay.codes.read import list_all_codes, list_batches
from relay.database.ids import TaskId
from relay.deliveries.read import list_deliveries
from relay.desk.changes import list_changes
from relay.desk.shown import (
    list_shown_tenants,
    shown_change,
    shown_channel,
    shown_operator,
    shown_operator_token,
    shown_token,
)
from relay.desk.shown_limits import read_shown_limits
from relay.desk.shown_prices import shown_multiplier, shown_price
from relay.invoices.read import list_invoices
from relay.ledger.tables import Audit, ClosedMonth
from relay.money import decimal_of, plain
from relay.notices.read import NoticeFilter, list_notices
from relay.notices.read import list_places as list_notice_places
from relay.operators.read import read_operator_tokens, read_operators
from relay.pauses.read import list_pauses
from relay.pricing.prices import read_multipliers
from relay.pricing.prices import read_rows as read_price_rows
from relay.tasks.inspect import TaskFilter, list_tasks
from relay.tenants.read import TenantFilter, TokenFilter, list_tokens, read_tenants
from relay.usage.entries import EntryFilter, list_entries

AT_ONCE = 500
MICROS = "_micros"


class Of(msgspec.Struct, frozen=True):
    """What tables are spelled with."""

    zone: tzinfo
    currency: str


Page = Callable[[AsyncSession, Of, int | None], Awaitable[list[Any]]]
Whole = Callable[[AsyncSession, Of], Awaitable[list[Any]]]


async def read_table(session: AsyncSession, name: str, of: Of) -> AsyncIterator[dict[str, Any]]:
    """Read a table, newest first where it grows; money is in the currency, as decimals."""
    before_id: int | None = None
    while True:
        rows, before_id = await read_table_page(session, name, of, before_id)
        for row in rows:
            yield row
        if before_id is None:
            return


async def read_table_page(
    session: AsyncSession, name: str, of: Of, before_id: int | None
) -> tuple[list[dict[str, Any]], int | None]:
    """Read some rows of a table, and the id that the next ones are before; None at the end."""
    if name in SMALL:
        return [spelt(row) for row in await SMALL[name](session, of)], None
    rows = await GROWING[name](session, of, before_id)
    return [spelt(row) for row in rows], rows[-1].id if len(rows) == AT_ONCE else None


def spelt(row: Any) -> dict[str, Any]:
    """Spell a row with its amounts as decimals, under names without the unit."""
    found: dict[str, Any] = _money(msgspec.to_builtins(row, enc_hook=str))
    return found


def _money(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name.removesuffix(MICROS): decimal_of(one)
            if name.endswith(MICROS) and isinstance(one, int)
            else _money(one)
            for name, one in value.items()
        }
    return [_money(one) for one in value] if isinstance(value, list) else value


async def _channels(session: AsyncSession, _: Of) -> list[Any]:
    return [shown_channel(row) for row in await read_rows(session, with_removed=True)]


async def _limits(session: AsyncSession, _: Of) -> list[Any]:
    found = []
    for one in await read_shown_limits(session):
        row = msgspec.to_builtins(one, enc_hook=str)
        row |= {name: decimal_of(row[name]) for name in one.amounts if row[name] is not None}
        found.append(row)
    return found


async def _prices(session: AsyncSession, _: Of) -> list[Any]:
    names = {row.id: row.name for row in await read_tenants(session, with_removed=True)}
    return [shown_price(row, names=names) for row in await read_price_rows(session)]


async def _multipliers(session: AsyncSession, _: Of) -> list[Any]:
    names = {row.id: row.name for row in await read_tenants(session, with_removed=True)}
    return [shown_multiplier(one, names) for one in await read_multipliers(session)]


async def _statements(session: AsyncSession, _: Of) -> list[Any]:
    """List months that were closed, with their figures."""
    return await _rows(session, select(ClosedMonth), ClosedMonth.account_id, ClosedMonth.month)


async def _audits(session: AsyncSession, _: Of) -> list[Any]:
    return await _rows(session, select(Audit), Audit.id)


async def _rows(session: AsyncSession, query: Select[tuple[Any]], *order: Any) -> list[Any]:
    """Read rows whose columns may all be seen."""
    return [
        {column.key: getattr(row, column.key) for column in row.__table__.columns}
        for row in await session.scalars(query.order_by(*order))
    ]


async def _costs(session: AsyncSession, _: Of) -> list[Any]:
    """List what channels' units were bought at: each price in its own currency, with its rate."""
    found = []
    for one in await list_costs(session):
        row = msgspec.to_builtins(one, enc_hook=str)
        cost = row.pop("cost")
        numbers = {name: plain(getattr(one.cost, name)) for name in ("price", "rate", "rate_per")}
        found.append(row | cost | numbers)
    return found


async def _batches(session: AsyncSession, _: Of) -> list[Any]:
    return list(await list_batches(session))


async def _notice_places(session: AsyncSession, _: Of) -> list[Any]:
    return list(await list_notice_places(session))


async def _alert_places(session: AsyncSession, _: Of) -> list[Any]:
    return list(await list_alert_places(session))


async def _alert_rules(session: AsyncSession, _: Of) -> list[Any]:
    return list((await read_alerts(session)).rules)


async def _operator_tokens(session: AsyncSession, _: Of) -> list[Any]:
    found = await read_operator_tokens(session)
    return [shown_operator_token(row, name) for row, name in found]


async def _pauses(session: AsyncSession, _: Of) -> list[Any]:
    return list(await list_pauses(session, with_ended=True))


async def _operators(session: AsyncSession, _: Of) -> list[Any]:
    return [shown_operator(row) for row in await read_operators(session, with_removed=True)]


async def _tenants(session: AsyncSession, of: Of, before_id: int | None) -> list[Any]:
    wanted = TenantFilter(with_removed=True, before_id=before_id)
    return list(
        await list_shown_tenants(session, wanted, zone=of.zone, currency=of.currency, limit=AT_ONCE)
    )


async def _tokens(session: AsyncSession, _: Of, before_id: int | None) -> list[Any]:
    found = await list_tokens(session, TokenFilter(before_id=before_id), limit=AT_ONCE)
    return [shown_token(row, name) for row, name in found]


async def _invoices(session: AsyncSession, _: Of, before_id: int | None) -> list[Any]:
    return list(await list_invoices(session, before_id=before_id, limit=AT_ONCE))


async def _entries(session: AsyncSession, _: Of, before_id: int | None) -> list[Any]:
    return list(await list_entries(session, EntryFilter(before_id=before_id), limit=AT_ONCE))


async def _tasks(session: AsyncSession, _: Of, before_id: int | None) -> list[Any]:
    before = None if before_id is None else TaskId(before_id)
    return list(await list_tasks(session, TaskFilter(before_id=before), limit=AT_ONCE))


async def _codes(session: AsyncSession, _: Of, before_id: int | None) -> list[Any]:
    return list(await list_all_codes(session, before_id=before_id, limit=AT_ONCE))


async def _notices(session: AsyncSession, _: Of, before_id: int | None) -> list[Any]:
    wanted = NoticeFilter(before_id=before_id)
    return list(await list_notices(session, wanted, limit=AT_ONCE))


async def _deliveries(session: AsyncSession, _: Of, before_id: int | None) -> list[Any]:
    return list(await list_deliveries(session, before_id=before_id, limit=AT_ONCE))


async def _changes(session: AsyncSession, _: Of, before_id: int | None) -> list[Any]:
    found = await list_changes(session, before_id=before_id, limit=AT_ONCE)
    return [shown_change(row) for row in found]


SMALL: dict[str, Whole] = {
    "channels": _channels,
    "costs": _costs,
    "limits": _limits,
    "prices": _prices,
    "multipliers": _multipliers,
    "statements": _statements,
    "pauses": _pauses,
    "operators": _operators,
    "operator-tokens": _operator_tokens,
    "code-batches": _batches,
    "notice-places": _notice_places,
    "alert-rules": _alert_rules,
    "alert-places": _alert_places,
    "audits": _audits,
}
"""Small tables, each read as a whole."""
GROWING: dict[str, Page] = {
    "tenants": _tenants,
    "tokens": _tokens,
    "invoices": _invoices,
    "entries": _entries,
    "tasks": _tasks,
    "codes": _codes,
    "notices": _notices,
    "deliveries": _deliveries,
    "changes": _changes,
}
"""Tables that grow with the business, read page by page by their ids."""
TABLES = (*SMALL, *GROWING)
