"""Tenants as commands print them, with their account and the multiplier that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.show import print_json, print_table, yes_no
from relay.money import money

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.shown import ShownTenant
    from relay.settings import Settings


async def read_tenant(session: AsyncSession, name: str, settings: Settings) -> ShownTenant:
    """Read a tenant with what it draws on and its multiplier, as an act has left them."""
    from relay.desk.shown import read_shown_tenant

    return await read_shown_tenant(session, name, zone=settings.zone, currency=settings.currency)


def show_tenant(found: ShownTenant, currency: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_tenants([found], currency)


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


def _waits(row: ShownTenant) -> str:
    """Say for how long its creates wait for room, and what is unlike others' about it."""
    from relay.tasks.queue.wait import spell_wait

    said = [spell_wait(row.queue_s)]
    if row.queue_weight != 1:
        said.append(f"weight {row.queue_weight}")
    if row.room_min:
        said.append(f"least {row.room_min}")
    return ", ".join(said)
