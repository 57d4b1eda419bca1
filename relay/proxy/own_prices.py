"""What a tenant pays, under `/relay/`: its prices, those to come, and the quote of a create.

    GET  /relay/prices?endpoint=…
    POST /relay/quote      {"path": "/v1/videos/text2video", "body": {…}}

Whom else a price is for, and what others pay, is told to nobody. Nothing is written.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from relay.database.cached import Cached
from relay.errors import InvalidParameter
from relay.kling.body import read_fields
from relay.moments import ms_of
from relay.money import decimal_of, plain
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.offered import (
    KINDS_OF_ROW,
    Offer,
    coming,
    kind_of_row,
    offers,
    settled_by,
    shown_offer,
    spelt_price,
)
from relay.pricing.quote import AS_IS, Quote, UnitPrices, needs_deduction, shown_units
from relay.proxy.asked import Asked
from relay.proxy.paths import Operation, Route, Router
from relay.proxy.query_string import read_query
from relay.tasks.quoter import Quoter
from relay.tenants.caller import Caller

PATH_CHARS_MAX = 600
PROVIDERS = "your provider's"
"""Whose a price is; of sub-tenants each one, whichever its parent has."""


class _Create(msgspec.Struct):
    path: str
    body: msgspec.Raw


class OwnPrices:
    """Answers a tenant about its prices, each with what is to stand in `data`."""

    def __init__(
        self,
        prices: Cached[Prices],
        quoter: Quoter,
        *,
        router: Router,
        unit_prices: UnitPrices,
        currency: str,
        timezone: str,
    ) -> None:
        self._prices = prices
        self._quoter = quoter
        self._router = router
        self._unit_prices = unit_prices
        self._currency = currency
        self._timezone = timezone

    async def list(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        given = read_query(asked.query).get("endpoint")
        endpoint = given[-1] if given else None
        prices = await self._prices.get()
        whom = (self._unit_prices, caller.payer_id, caller.price_group)

        def shown(listed: list[Offer]) -> list[dict[str, Any]]:
            return [shown_offer(one) for one in listed if endpoint in (None, one.row.endpoint)]

        changes = [
            {"at": ms_of(one.at), "prices": shown(one.offers), "ended": shown(one.ended)}
            for one in coming(prices, *whom, resale=caller.resale)
        ]
        return {
            "currency": self._currency,
            "timezone": self._timezone,
            "prices": shown(offers(prices, *whom, resale=caller.resale)),
            "coming": [one for one in changes if one["prices"] or one["ended"]],
        }

    async def quote(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Say what a create would hold, and why; no task is made of it.

        Raises:
            UnknownPath, BadRequest, InvalidParameter, Unpriced, Unavailable: as the create would.
        """
        create = _read(asked.body)
        route = self._route(create.path)
        assert route.endpoint is not None, "a create belongs to one endpoint"
        fields = read_fields(bytes(create.body))
        quoted = await self._quoter.quote(
            caller, route.endpoint, fields, route.model, notes_misses=False
        )
        prices = await self._prices.get()
        theirs = prices.for_whom(caller.payer_id, caller.price_group)
        quote = quoted.quote
        hold_micros = quote.resold(quote.hold_micros)
        return {
            "currency": self._currency,
            "hold": decimal_of(hold_micros),
            "final_unit_deduction": shown_units(hold_micros, quote),
            **told_of(quote, caller.resale),
            "good_until": _ms(theirs.good_until),
        }

    def _route(self, path: str) -> Route:
        route = self._router.find("POST", path.encode(errors="replace"))
        if route.operation is not Operation.CREATE:
            raise InvalidParameter("path", "must be that of a create")
        return route


def _read(body: bytes) -> _Create:
    try:
        create = msgspec.json.decode(body, type=_Create)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameter(
            "path, body", "must be the path of a create, and the object that would be its body"
        ) from error
    if len(create.path) > PATH_CHARS_MAX:
        raise InvalidParameter("path", f"must be at most {PATH_CHARS_MAX} characters")
    return create


def told_of(quote: Quote, resale: Decimal | None) -> dict[str, Any]:
    """Tell what was priced, and by what; `resale`: to a sub-tenant, how many times its parent's."""
    wanted, row = quote.wanted, quote.row
    times = AS_IS if resale is None else resale
    price: dict[str, Any] = {"per": row.per.value}
    if row.kind is PriceKind.UNITS:
        price |= {
            "units": plain(row.units or Decimal(0)),
            "pack": quote.pack.value,
            "unit_price": spelt_price(quote.unit_micros * times),
        }
    else:
        price["amount"] = spelt_price(
            (row.amount_micros or 0) * (quote.amount_times or AS_IS) * times
        )
    if row.per is Per.SECOND:
        price["seconds"] = quote.seconds
    if row.per is Per.IMAGE:
        price["images"] = wanted.count
    if row.input_floor is not None:
        price |= {"input_seconds": wanted.input_seconds, "input_floor": plain(row.input_floor)}
    return {
        "task": {
            "endpoint": wanted.endpoint,
            **{name: getattr(wanted, name) for name in KINDS_OF_ROW},
            "duration": wanted.seconds,
            "images": wanted.count if wanted.is_image else None,
        },
        "price": {**kind_of_row(row), **price},
        "whose": _whose(row) if resale is None else PROVIDERS,
        "settled_by": settled_by(row, is_open=needs_deduction(quote)),
        "is_longest": quote.is_open,
        "held_times": _held_times(quote),
    }


def _whose(row: PriceRow) -> str:
    """Say how far a price is the tenant's own; what group it stands in is not its business."""
    if row.tenant_id is not None or row.price_group is not None:
        return "yours"
    return PROVIDERS if row.is_own else "by the list"


def _held_times(quote: Quote) -> str:
    """Say how many times its price is held, where Kling took more of late; else 1."""
    if not quote.quoted_micros:
        return "1"
    times = Decimal(quote.hold_micros) / quote.quoted_micros
    return plain(times.quantize(Decimal("0.0001")))


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)
