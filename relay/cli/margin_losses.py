"""`relay margin --losses`: what was sold below cost, and by which price row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relay.cli.file_out import put_json, put_sheet
from relay.money import decimal_of, money
from relay.months import spelt_window

if TYPE_CHECKING:
    from datetime import tzinfo

    from relay.months import Window
    from relay.usage.losses import Loss

WORDS = {
    "price": "by its price",
    "underquoted": "Kling took more than was held",
    "refunded": "given back",
    "uncharged": "not charged",
}


def tell_losses(
    found: list[Loss],
    window: Window,
    zone: tzinfo,
    currency: str,
    *,
    form: str,
    out: str | None,
) -> None:
    """Show what was sold below cost, a line for each price row, tenant and channel."""
    from relay.desk.shown_prices import shown_loss
    from relay.usage.sheet import Sheet, amount

    lost = sum(one.lost_micros for one in found)
    if form == "json":
        put_json(
            {
                "since": window.start,
                "until": window.until,
                "currency": currency,
                "lost_micros": lost,
                "losses": [shown_loss(one) for one in found],
            },
            out,
        )
        return
    rows: list[list[Any]] = [
        [
            *(WORDS[one.why], *_row_cells(one, currency), one.tenant, one.channel, one.tasks),
            *(amount(one.charged_micros), amount(one.cost_micros), amount(one.lost_micros)),
            *(_unit(one), str(one.worst_id)),
        ]
        for one in found
    ]
    put_sheet(
        Sheet(
            title="Sold below cost",
            facts=[*spelt_window(window, zone), ("Lost", money(lost, currency))],
            columns=[
                *("Why", "Price row", "Price", "Tenant", "Channel", ">Tasks"),
                *(f">Charged {currency}", f">Cost {currency}", f">Lost {currency}"),
                *("A unit sold / bought at", ">Worst task"),
            ],
            rows=rows,
            notes=["`relay price why ENDPOINT … --tenant NAME` has all rows that were considered."]
            if found
            else [],
        ),
        form,
        out,
        empty="Nothing was sold below cost then.",
    )


def _row_cells(one: Loss, currency: str) -> tuple[str, str]:
    from relay.cli.price_key import quoted_key
    from relay.cli.price_rows import priced

    row = one.row
    if row is None:
        return "-", "-"
    whose = row.source if not row.is_own else "yours"
    if row.tenant_id is not None:
        whose = "the tenant's"
    elif row.price_group is not None:
        whose = f"group {row.price_group}"
    began = "" if row.valid_from is None else f", from {row.valid_from:%Y-%m-%d %H:%MZ}"
    return f"{quoted_key(row)} ({whose}{began})", priced(row, currency)


def _unit(one: Loss) -> str:
    from decimal import Decimal

    from relay.money import rounded

    if not one.units or one.sold_at_micros is None or one.row is None or one.row.units is None:
        return "-"
    bought = decimal_of(rounded(Decimal(one.cost_micros) / one.units))
    return f"{decimal_of(rounded(one.sold_at_micros))} / {bought}"
