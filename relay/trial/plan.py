"""Which task a trial makes: the cheapest that is made of a text alone."""

from decimal import Decimal
from typing import Any

import msgspec

from relay.channels.opened import OpenedChannel
from relay.kling.alike import Reading
from relay.kling.endpoint import Endpoint
from relay.kling.endpoints import BY_NAME
from relay.kling.wanted import read_wanted
from relay.pricing.book import Pack, PriceBook
from relay.pricing.official import OFFICIAL
from relay.pricing.quote import Quote, UnitPrices, quote

PROMPT = "a plain grey pebble on white paper"
"""Ours, so that a report has no tenant's words in it."""


class Trial(msgspec.Struct, frozen=True):
    """One task that can be tried."""

    endpoint: Endpoint
    model: str
    body: dict[str, Any]
    """Without the external id and the callback URL."""
    quote: Quote
    """What it costs by Kling's list, whatever tenants pay."""

    @property
    def model_in_path(self) -> str | None:
        return self.model if "{model}" in self.endpoint.path else None


_BODIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    # Models that are sold today: a retired one may be answered by a dearer one.
    ("generations", "kling-v2-1", {"prompt": PROMPT, "resolution": "1k", "n": 1}),
    ("text2video", "kling-v2-5-turbo", {"prompt": PROMPT, "mode": "std", "duration": "5"}),
    (
        *("text-to-video", "kling-2.5-turbo"),
        {"prompt": PROMPT, "settings": {"resolution": "720p", "duration": 5, "audio": "off"}},
    ),
)
ENDPOINTS = tuple(name for name, _, _ in _BODIES)


def trials(channel: OpenedChannel, prices: UnitPrices) -> list[Trial]:
    """List what can be tried with the keys that the channel has, the cheapest first."""
    book = PriceBook([], OFFICIAL)
    found: list[Trial] = []
    for name, model, rest in _BODIES:
        endpoint = BY_NAME[name]
        if not endpoint.credentials & channel.credentials:
            continue
        body = rest if "{model}" in endpoint.path else {"model_name": model, **rest}
        fields = {key: msgspec.Raw(msgspec.json.encode(value)) for key, value in body.items()}
        path_model = model if "{model}" in endpoint.path else None
        wanted, *_ = read_wanted(endpoint, Reading(fields), model=path_model).wanted
        row = book.find(wanted)
        assert row is not None, "the list has a price of each"
        quoted = quote(row, wanted, prices=prices, tenant_multiplier=Decimal(1))
        found.append(Trial(endpoint, model, body, quoted))
    return sorted(found, key=lambda trial: trial.quote.hold_micros)


def units_of(trial: Trial) -> str:
    """Spell what Kling's list says that it takes."""
    pack = "image units" if trial.quote.pack is Pack.IMAGE else "units"
    units = trial.quote.hold_micros / trial.quote.list_unit_micros
    return f"{units:g} {pack}"
