"""Tenants and channels by the names the operator typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.failure import Failure, WrongSettings, no_such

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.channels.tables import Channel
    from relay.kling.catalogue import Catalogue
    from relay.tenants.tables import Tenant


async def tenant_named(session: AsyncSession, name: str) -> Tenant:
    """Find a tenant; Failure names close matches."""
    from relay.tenants.tenants import find_tenant, tenant_names

    tenant = await find_tenant(session, name)
    if tenant is None:
        known = await tenant_names(session)
        otherwise = "`relay tenant list` names them all"
        if not known:
            otherwise = "there are none yet, `relay tenant add` makes one"
        raise Failure(no_such("tenant", name, known, otherwise=otherwise))
    return tenant


async def channel_named(session: AsyncSession, name: str) -> Channel:
    """Find a channel; Failure names close matches."""
    from relay.channels.edit import channel_names, find_channel

    channel = await find_channel(session, name)
    if channel is None:
        known = await channel_names(session)
        otherwise = "`relay channel list` names them all"
        if not known:
            otherwise = "there are none yet, `relay channel add` makes one"
        raise Failure(no_such("channel", name, known, otherwise=otherwise))
    return channel


def catalogue() -> Catalogue:
    """Kling's endpoints and those of the settings."""
    from relay.cli.database import current_settings
    from relay.kling.catalogue import Catalogue

    try:
        return Catalogue.with_added(current_settings().endpoints)
    except ValueError as error:
        raise WrongSettings(str(error)) from error


def endpoint_named(name: str, *, or_any: bool = False) -> str:
    """Check an endpoint's name; Failure names close matches. `or_any` takes `*` too."""
    names = catalogue().names
    if name in names or (or_any and name == "*"):
        return name
    otherwise = f"the endpoints are {', '.join(names)}" + (
        ", and '*' (in quotes) for what has no row" if or_any else ""
    )
    raise Failure(no_such("endpoint", name, names, otherwise=otherwise))
