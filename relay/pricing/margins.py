"""What another list of Kling's would come to, for tasks that were sold lately.

All figures are quotes: what such tasks are held for at either list, and what Kling's list says it
takes for them. A row of the operator's stands before both lists, so there only the cost changes.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from relay.kling.wanted import Wanted
from relay.pricing.book import PriceBook, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.lists import RowChange, is_same_price
from relay.pricing.quote import UnitPrices, quote


class Sold(msgspec.Struct, frozen=True):
    """Tasks of one tenant's that were alike."""

    tenant: str
    tenant_id: int
    price_group: str | None
    """The tenant's, of today."""
    wanted: Wanted
    tasks: int


class Both(msgspec.Struct, frozen=True):
    """A sum at the list in force, and at the other one; micros."""

    old_micros: int = 0
    new_micros: int = 0

    def plus(self, old_micros: int, new_micros: int) -> "Both":
        return Both(self.old_micros + old_micros, self.new_micros + new_micros)


class TenantMargin(msgspec.Struct, frozen=True):
    """What one tenant's tasks come to, of those that Kling's lists price differently."""

    tenant: str
    tasks: int = 0
    charges: Both = Both()
    costs: Both = Both()
    """Kling's, at the list price of a unit."""
    refused: int = 0
    """Tasks that no row would price any more."""

    @property
    def margins(self) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        """Reckon them in percent of the charges: now, adopted, and not adopted.

        Of the last, Kling takes the new price all the same.
        """
        old, new = self.charges.old_micros, self.charges.new_micros
        return (
            _margin(old, self.costs.old_micros),
            _margin(new, self.costs.new_micros),
            _margin(old, self.costs.new_micros),
        )


class ListDifference(msgspec.Struct, frozen=True):
    """Rows that differ with how many such tasks were sold, and what it means for whom."""

    rows: list[tuple[RowChange, int]]
    tenants: list[TenantMargin]


def weigh(
    changes: Sequence[RowChange],
    sold: Iterable[Sold],
    *,
    in_force: Prices,
    old: Sequence[PriceRow],
    new: Sequence[PriceRow],
    prices: UnitPrices,
) -> ListDifference:
    """Quote what was sold by both lists, behind the operator's rows; those charged most first."""
    lists = PriceBook([], old), PriceBook([], new)
    sides = in_force.with_list(old), in_force.with_list(new)
    tasks: dict[RowChange, int] = dict.fromkeys(changes, 0)
    by_row = {row: change for change in changes for row in (change.old, change.new) if row}
    tenants: dict[str, TenantMargin] = {}
    for one in sold:
        rows = [book.find(one.wanted) for book in lists]
        if is_same_price(*rows):
            continue
        for change in {by_row[row]: None for row in rows if row in by_row}:
            tasks[change] += one.tasks
        costs = [_price(row, one.wanted, prices, lists[0]) for row in rows]
        books = [side.book(one.tenant_id, one.price_group) for side in sides]
        charges = [_price(book.find(one.wanted), one.wanted, prices, book) for book in books]
        tenants[one.tenant] = _added(
            tenants.get(one.tenant, TenantMargin(one.tenant)), one.tasks, charges, costs
        )
    return ListDifference(
        rows=list(tasks.items()),
        tenants=sorted(tenants.values(), key=lambda one: -one.charges.old_micros),
    )


def _added(
    margin: TenantMargin, tasks: int, charges: list[int | None], costs: list[int | None]
) -> TenantMargin:
    known = next(cost for cost in (*costs[::-1], 0) if cost is not None)
    old_cost, new_cost = ((known if cost is None else cost) * tasks for cost in costs)
    old, new = ((charge or 0) * tasks for charge in charges)
    return msgspec.structs.replace(
        margin,
        tasks=margin.tasks + tasks,
        charges=margin.charges.plus(old, new),
        costs=margin.costs.plus(old_cost, new_cost),
        refused=margin.refused + (tasks if charges[1] is None else 0),
    )


def _price(row: PriceRow | None, wanted: Wanted, prices: UnitPrices, book: PriceBook) -> int | None:
    if row is None:
        return None
    return quote(
        row,
        wanted,
        prices=prices,
        tenant_multiplier=book.multiplier,
        multiplies_amounts=book.multiplies_amounts,
    ).price_micros


def _margin(charged: int, cost: int) -> Decimal | None:
    return None if charged == 0 else Decimal(100 * (charged - cost)) / charged
