"""The resource packs of an account, as `/account/costs` tells them.

Source: docs/kling-api.md 4.16 and 5.6: free, at most one question a second for an account, and what
remains lags twelve hours. Fields of a pack are those of the vendor's page "Account Usage"; that its
name tells what it pays for is our reading, and stands in `KINDS` alone.
"""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import UNSET

from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.transport import Reply
from relay.kling.wire import fields_of, items_of, read_envelope, text_of

COSTS = Endpoint(
    name="account-costs", path="/account/costs", method="GET", kind=EndpointKind.READ, is_free=True
)
WINDOW_DAYS = 365
"""Packs are told that were in use within the window that is asked for."""
KINDS = (("try-on", "try-on"), ("try on", "try-on"), ("image", "image"), ("图", "image"))
"""What in a pack's name says what it pays for; all others are for videos."""


class PackInfo(msgspec.Struct, frozen=True):
    """One pack."""

    id: str
    name: str
    kind: str
    """video, image or try-on."""
    total: Decimal
    remaining: Decimal
    effective_at: datetime | None
    expires_at: datetime | None
    status: str


def costs_query(now: datetime) -> bytes:
    """Spell the window, in ms, which both ends of are required."""
    end_ms = int(now.timestamp() * 1000)
    return f"start_time={end_ms - WINDOW_DAYS * 86_400_000}&end_time={end_ms}".encode()


def read_packs(reply: Reply) -> list[PackInfo] | None:
    """Read what an account has; [] if it has none; None if the reply does not say.

    A pack without an id or a number that can be read is left out.
    """
    envelope = read_envelope(reply)
    if envelope is None or envelope.code != 0 or reply.status != 200:  # noqa: PLR2004
        return None
    data = fields_of(envelope.data)
    if text_of(data.get("code")) != "0":
        return None
    packs = items_of(data.get("resource_pack_subscribe_infos", UNSET))
    found = [_pack(fields_of(pack)) for pack in packs]
    return [pack for pack in found if pack is not None]


def _pack(fields: dict[str, msgspec.Raw]) -> PackInfo | None:
    pack_id = text_of(fields.get("resource_pack_id"))
    name = text_of(fields.get("resource_pack_name"))
    try:
        total = Decimal(text_of(fields.get("total_quantity")))
        remaining = Decimal(text_of(fields.get("remaining_quantity")))
    except InvalidOperation:
        return None
    if not pack_id or not total.is_finite() or not remaining.is_finite():
        return None
    return PackInfo(
        id=pack_id,
        name=name,
        kind=next((kind for word, kind in KINDS if word in name.lower()), "video"),
        total=total,
        remaining=remaining,
        effective_at=_moment(fields.get("effective_time")),
        expires_at=_moment(fields.get("invalid_time")),
        status=text_of(fields.get("status")),
    )


def _moment(raw: msgspec.Raw | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(text_of(raw)) / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
