"""Prices that pages show: of a tenant, a group, some hours, to come, missing, of a new list."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from relay.desk.multipliers import set_multiplier
from relay.desk.prices import remove_price, set_price
from relay.pricing.book import Multiplier, Per, PriceKind, PriceRow
from relay.pricing.official import OFFICIAL
from tests.admin.office import act
from tests.relay_app import Relay

CLIPS = PriceRow("text2video", model="kling-v3", mode="std", sound=False)
PAGES = (
    *("", "/history", "/multipliers", "/calculator", "/missing", "/official", "/file", "/simulate"),
    *("?whose=tenant", "?at=never", "?endpoint=tts&tenant=nobody"),
    "/calculator?endpoint=text2video&model=kling-v3&mode=std&duration=5&tenant=acme",
    "/calculator?endpoint=effects",
    "/calculator?endpoint=tts&mode=pro",
    "/set?endpoint=text2video&model=kling-v3&way=units_per_second&tenant=acme",
    "/end?endpoint=text2video&model=kling-v3&mode=std&sound=off&tenant=acme",
    *("/multipliers/set?price_group=vip", "/multipliers/end?price_group=vip"),
    "/simulate?endpoint=text2video&model=kling-v3&way=amount&number=1",
)


def older() -> list[PriceRow]:
    """Kling's list as it might have been: one row cheaper, one there no more, one not there yet."""
    gone = PriceRow("effects", per=Per.TASK, model="kling-v1", units=Decimal(2), source="old")
    rows = [msgspec.structs.replace(row, source="old") for row in OFFICIAL[:-1]]
    return [msgspec.structs.replace(rows[0], units=Decimal("0.5")), *rows[1:], gone]


async def adopted_before(relay: Relay) -> None:
    """What an upgrade finds: the database has adopted another list than this version brings."""
    rows = msgspec.json.encode(older()).decode()
    await relay.rows(
        "INSERT INTO price_lists (name, rows) VALUES ('2026-01-31', $1::text::jsonb)", rows
    )


async def tell_prices(relay: Relay, tenant: str) -> list[str]:
    """Set prices of every kind; returns the addresses of the pages that show them."""
    later = datetime.now(UTC) + timedelta(days=40)
    own = msgspec.structs.replace(CLIPS, units=Decimal("0.55"), multiplier=Decimal("1.1"))
    night = msgspec.structs.replace(CLIPS, units=Decimal("0.4"), price_group="vip", hours=(22, 6))
    fixed = PriceRow(
        "tts", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=20_000, valid_to=later
    )
    await act(relay, set_price, own, tenant=tenant)
    await act(relay, set_price, msgspec.structs.replace(own, valid_from=later), tenant=tenant)
    await act(
        *(relay, set_price),
        msgspec.structs.replace(own, units=Decimal("0.7"), valid_from=later + timedelta(days=1)),
        tenant=tenant,
    )
    for row in (night, fixed, PriceRow("effects", per=Per.TASK, units=Decimal(3))):
        await act(relay, set_price, row)
    await act(relay, remove_price, PriceRow("effects"))
    await act(relay, set_multiplier, Multiplier(Decimal("1.2")))
    await act(relay, set_multiplier, Multiplier(Decimal("1.05"), price_group="vip"))
    await act(relay, set_multiplier, Multiplier(Decimal("1.3"), valid_from=later), tenant=tenant)
    await adopted_before(relay)
    return [f"/prices{page}" for page in PAGES]
