"""Tenants as commands print them, with their account and the multiplier that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.gate_options import gate_pairs
from relay.cli.show import moment, print_json, print_pairs, print_table, yes_no
from relay.money import decimal_of, money

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.shown import ShownTenant
    from relay.settings import Settings


async def read_tenant(session: AsyncSession, name: str, settings: Settings) -> ShownTenant:
    """Read a tenant with what it draws on and its multiplier, as an act has left them."""
    from relay.desk.shown import read_shown_tenant

    return await read_shown_tenant(session, name, zone=settings.zone, currency=settings.currency)


def show_tenant(found: ShownTenant, currency: str, *, as_json: bool) -> None:
    """Print one with all that can be set of it; what is nothing by default, where it is set."""
    if as_json:
        print_json(found)
        return
    own, days = found.own_multiplier, found.keep_results_days
    gb_month = found.asset_gb_month_micros
    print_pairs(
        [
            ("tenant", found.name),
            ("enabled", yes_no(found.enabled)),
            ("quota", money(found.quota_micros, currency)),
            ("credit", money(found.credit_micros, currency)),
            ("held", money(found.held_micros, currency)),
            ("available", money(found.available_micros, currency)),
            ("multiplier", f"{found.multiplier}, {'not its own' if own is None else 'its own'}"),
            ("price group", found.price_group or "none"),
            ("factor", found.factor),
            ("tasks at most", "any" if found.tasks_max is None else str(found.tasks_max)),
            ("open holds", str(found.open_holds)),
            ("groups", "all" if found.groups is None else ", ".join(found.groups)),
            ("queue", _waits(found)),
            ("shows quotes", yes_no(found.shows_quote)),
            ("joins retries", yes_no(found.joins_retries)),
            ("checks creates", yes_no(found.lints_creates)),
            ("keeps results", "no" if days is None else f"for {days} days"),
            ("keeps at most", _kept(found.asset_bytes_max)),
            ("GB-month", None if gb_month is None else f"{money(gb_month, currency)}, its own"),
            ("result URLs", found.result_urls),
            *gate_pairs(found),
            ("contact", found.contact),
            ("notes", None if found.notes is None else " / ".join(found.notes.splitlines())),
            ("removed", moment(found.removed_at) if found.removed_at else None),
        ]
    )


def print_tenants(found: list[ShownTenant], currency: str) -> None:
    factors = [row.factor or "" for row in found]
    has_factors = any(factors)
    money_columns = (">quota", ">credit", ">held", ">available", ">times")
    print_table(
        [
            *("tenant", "enabled", *money_columns, ">tasks max", ">open", "price group"),
            *("groups", "queue"),
            *((">factor",) if has_factors else ()),
        ],
        [
            (
                row.name,
                yes_no(row.enabled),
                money(row.quota_micros, currency),
                money(row.credit_micros, currency),
                money(row.held_micros, currency),
                money(row.available_micros, currency),
                row.multiplier,
                "none" if row.tasks_max is None else str(row.tasks_max),
                str(row.open_holds),
                row.price_group or "none",
                "all" if row.groups is None else ", ".join(row.groups),
                _waits(row),
                *((factor,) if has_factors else ()),
            )
            for row, factor in zip(found, factors, strict=True)
        ],
        empty="There are no tenants yet: `relay tenant add NAME --quota 100` adds one.",
    )


def _kept(bytes_max: int | None) -> str:
    return "any" if bytes_max is None else f"{decimal_of(bytes_max // 1000)} GB"


def _waits(row: ShownTenant) -> str:
    """Say for how long its creates wait for room, and what is unlike others' about it."""
    from relay.tasks.queue.wait import spell_wait

    said = [spell_wait(row.queue_s)]
    if row.queue_weight != 1:
        said.append(f"weight {row.queue_weight}")
    if row.room_min:
        said.append(f"least {row.room_min}")
    return ", ".join(said)
