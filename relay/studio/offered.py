"""`GET /api/kling/capabilities`: what can be asked for, by which fields, and what it costs."""

from typing import Any

import msgspec
from litestar import Request, get

from relay.errors import RelayError, Unpriced
from relay.kling.wire import Fields
from relay.money import decimal_of
from relay.studio.behind import Visit
from relay.studio.capabilities import CAPABILITIES, Capability
from relay.studio.creates import PREFIX

_fields = msgspec.json.Decoder(Fields)


class OfferedField(msgspec.Struct, frozen=True):
    """One field of a create."""

    name: str
    is_required: bool
    takes_file: bool
    has_effect: bool


class Offered(msgspec.Struct, frozen=True):
    """One capability."""

    name: str
    path: str
    summary: str
    endpoint: str
    """Kling's, that makes the result."""
    default_model: str | None
    models: list[str]
    """Those that can be named; empty where Kling takes none."""
    fields: list[OfferedField]
    price: str | None
    """What it may cost with nothing but its defaults; null where it has no price."""
    currency: str


class Capabilities(msgspec.Struct, frozen=True):
    """All of them."""

    success: bool
    capabilities: list[Offered]


@get(f"{PREFIX}/capabilities", tags=["capabilities"])
async def list_capabilities(request: Request[Any, Any, Any]) -> Capabilities:
    """What can be asked for, and what the caller pays for it at the least."""
    visit: Visit = request.scope["user"]
    return Capabilities(
        success=True, capabilities=[await _offered(visit, one) for one in CAPABILITIES]
    )


async def _offered(visit: Visit, capability: Capability) -> Offered:
    files = {media.name for media in capability.media}
    return Offered(
        name=capability.name,
        path=f"{PREFIX}/{capability.path}",
        summary=capability.summary,
        endpoint=capability.endpoint,
        default_model=capability.default_model,
        models=list(capability.models),
        fields=[
            OfferedField(
                field.name,
                field.required,
                field.name in files,
                field.name not in capability.without_effect,
            )
            for field in msgspec.structs.fields(capability.body)
        ],
        price=await _price(visit, capability),
        currency=visit.behind.settings.currency,
    )


async def _price(visit: Visit, capability: Capability) -> str | None:
    body = {} if capability.default_model is None else {"model_name": capability.default_model}
    try:
        quoted = await visit.behind.quoter.quote(
            visit.caller,
            visit.behind.catalogue.of(capability.endpoint),
            _fields.decode(msgspec.json.encode(body)),
            None,
            notes_misses=False,
            priced_as=capability.name,
        )
    except Unpriced:
        return None
    except RelayError:
        return None  # paused for now
    return decimal_of(quoted.quote.resold(quoted.quote.hold_micros))
