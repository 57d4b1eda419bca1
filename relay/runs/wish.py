"""What somebody asks runs for, and that once it is priced."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from relay.money import rounded
from relay.pricing.quote import Quote
from relay.runs.plan import Plan
from relay.tenants.caller import Caller


class Wish(msgspec.Struct, frozen=True):
    """What somebody asks for."""

    plan: Plan
    source: str
    input: dict[str, Any]
    """As it came, for it to be read again."""
    request_id: str
    address: str = ""
    key: str | None = None
    """Its `Idempotency-Key`."""
    cap_micros: int | None = None
    """What it may cost at the most; None is what it is quoted."""
    batch: tuple[UUID, int] | None = None
    """What it came in with others by, and its place there: then the worker sends its first step,
    too."""
    files: Mapping[str, str] = {}
    """Each that it names by its id, `asset://…`, with the field that names it."""
    inputs_mac: bytes | None = None
    """Of all that is made (`reuse.py`)."""

    def fingerprint(self) -> bytes:
        digest = blake2b(self.plan.kind.encode(), digest_size=32)
        digest.update(msgspec.json.encode(self.input, order="deterministic"))
        return digest.digest()


class Prepared(NamedTuple):
    """A wish that was priced and found to be one that can be granted."""

    wish: Wish
    quotes: list[Quote]
    bodies: list[str]
    """What each step sends, as JSON."""

    @property
    def quote_micros(self) -> int:
        """What all of it may cost, in the payer's money."""
        return sum(quote.hold_micros for quote in self.quotes)

    @property
    def own_micros(self) -> int:
        """The same in the caller's own money."""
        return sum(quote.resold(quote.hold_micros) for quote in self.quotes)

    @property
    def cap_micros(self) -> int:
        return self.quote_micros if self.wish.cap_micros is None else self.wish.cap_micros


def own_micros(caller: Caller, micros: int) -> int:
    """Say what the payer's money is to a caller: a sub-tenant is told nothing of its parent's."""
    return micros if caller.resale is None else rounded(micros * caller.resale)
