"""Channels as a file has them, with their keys, their ways out, and what their units cost."""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.checks import normalised_base_url
from relay.channels.costs import Cost, CostUnit, ListedCost, list_costs
from relay.channels.directory import read_channels
from relay.channels.opened import OpenedChannel
from relay.channels.read import find_channel, read_rows
from relay.channels.tables import Channel
from relay.desk.actor import Actor
from relay.desk.channel_costs import set_channel_cost
from relay.desk.channels import (
    ChannelChanges,
    ChannelKeys,
    WayChanges,
    add_channel,
    change_channel,
    remove_channel,
)
from relay.desk.errors import Unusable
from relay.desk.setup.entries import KEYS, NONE, ChannelEntry, CostEntry, Ref
from relay.desk.setup.file import Labelled
from relay.desk.setup.plan import With, labelled
from relay.kling.proxy import read_proxy
from relay.kling.way import USUAL, Way, certificates_of

USED = ("enabled", "priority", "weight", "groups", "models")
"""Fields of a channel that are compared as they stand in its row."""
PAIR = ("access_key", "secret_key")
READ = (*KEYS, "proxy_password", "ca_pem")
"""Fields that may say where their content is."""
TIMEOUTS = ("connect_timeout_s", "timeout_s")


async def put_channels(
    session: AsyncSession,
    actor: Actor,
    entries: Labelled[ChannelEntry],
    given: With,
    notes: list[str],
) -> None:
    there = {one.name: one for one in await read_channels(session, given.keys)}
    rows = {row.name: row for row in await read_rows(session)}
    for label, entry in entries:
        if entry.remove:
            continue
        with labelled(label):
            refs = {name: ref for name in READ if isinstance(ref := getattr(entry, name), Ref)}
            read = {name: given.read_secret(ref) for name, ref in refs.items()}
            absent = [str(ref) for name, ref in refs.items() if read[name] is None]
            row = rows.get(entry.name)
            if row is None:
                if absent:
                    raise Unusable(f"{absent[0]} is not there, and a new channel needs its keys")
                await _add_channel(session, actor, entry, read, given)
                continue
            notes += [
                f"{label}: {where} is not there: the channel keeps what it has." for where in absent
            ]
            found = there[entry.name]
            await _change_channel(session, actor, entry, row, found, read=read, given=given)


async def put_costs(
    session: AsyncSession, actor: Actor, entries: Labelled[CostEntry], given: With
) -> None:
    """Enter what counts not yet from the moments that the file says."""
    standing = [one for one in await list_costs(session) if one.replaced_by is None]
    for label, entry in entries:
        currency = entry.currency or given.currency
        cost = Cost(entry.unit, entry.price, currency, entry.rate, entry.rate_per)
        if _counts(standing, entry) == cost:
            continue
        with labelled(label):
            await set_channel_cost(
                *(session, actor, entry.channel, cost),
                currency=given.currency,
                valid_from=entry.valid_from,
            )


async def remove_channels(
    session: AsyncSession, actor: Actor, entries: Labelled[ChannelEntry]
) -> None:
    for label, entry in entries:
        if entry.remove and await find_channel(session, entry.name) is not None:
            with labelled(label):
                await remove_channel(session, actor, entry.name)


def costs_that_tell(costs: list[ListedCost]) -> list[ListedCost]:
    """Leave out what counts no more, and what goes on as it was before."""
    told: list[ListedCost] = []
    last: dict[tuple[str, CostUnit], Cost] = {}
    for one in costs:
        key = (one.channel, one.cost.unit)
        if one.replaced_by is None and last.get(key) != one.cost:
            told.append(one)
            last[key] = one.cost
    return told


def _counts(standing: list[ListedCost], entry: CostEntry) -> Cost | None:
    """Find what counts for a channel's unit at a moment; they stand in the order they begin."""
    found = [
        one.cost
        for one in standing
        if (one.channel, one.cost.unit) == (entry.channel, entry.unit)
        and one.valid_from <= entry.valid_from
    ]
    return found[-1] if found else None


async def _add_channel(
    session: AsyncSession,
    actor: Actor,
    entry: ChannelEntry,
    read: dict[str, str | None],
    given: With,
) -> None:
    if entry.base_url is None:
        raise Unusable("a new channel needs its base_url")
    await add_channel(
        *(session, actor, given.keys),
        name=entry.name,
        base_url=entry.base_url,
        channel_keys=ChannelKeys(**{name: read.get(name) for name in KEYS}),
        priority=entry.priority or 0,
        weight=1 if entry.weight is None else entry.weight,
        room=entry.room,
        groups=entry.groups or (),
        models=entry.models or (),
        may_be_same=entry.same_account,
        is_sandbox=bool(entry.is_sandbox),
        way=_way(entry, None, read),
    )
    if entry.enabled is False:
        changes = ChannelChanges(enabled=False)
        await change_channel(session, actor, given.keys, entry.name, changes)


async def _change_channel(
    session: AsyncSession,
    actor: Actor,
    entry: ChannelEntry,
    row: Channel,
    found: OpenedChannel,
    *,
    read: dict[str, str | None],
    given: With,
) -> None:
    """Change what differs alone: what is said anew is learned anew."""
    changed: dict[str, Any] = {}
    for name in USED:
        value = getattr(entry, name)
        if value is not None and _in_order(value) != _in_order(getattr(row, name)):
            changed[name] = value
    if entry.room is not None and entry.room != dict(row.room):
        changed["room"] = dict.fromkeys(row.room) | entry.room
    if entry.base_url is not None and _spelt(entry.base_url) != row.base_url:
        changed |= {"base_url": entry.base_url, "is_sandbox": bool(entry.is_sandbox)}
    new = {
        name: value
        for name in KEYS
        if (value := read.get(name)) is not None and value != getattr(found, name)
    }
    if new.keys() & set(PAIR):
        new |= {name: value for name in PAIR if (value := read.get(name)) is not None}
    if new:
        changed["keys"] = ChannelKeys(**new)
    way = _way(entry, found.way, read)
    if way != WayChanges():
        changed["way"] = way
    if changed:
        await change_channel(
            *(session, actor, given.keys, entry.name, ChannelChanges(**changed)),
            may_be_same=entry.same_account,
        )


def _way(entry: ChannelEntry, way: Way | None, read: dict[str, str | None]) -> WayChanges:
    """Say what of its way out is to be another; what is not at hand stays."""
    way = way or USUAL
    changed: dict[str, Any] = {}
    for name, value in entry.given(*TIMEOUTS).items():
        wanted = None if value is None else float(value)
        if wanted != getattr(way, name):
            changed[name] = wanted
    ca_pem = read.get("ca_pem") if isinstance(entry.ca_pem, Ref) else entry.ca_pem
    if ca_pem is not None:
        trusted = None if ca_pem == NONE else certificates_of(ca_pem) or ca_pem
        if trusted != (None if way.ca_pem is None else certificates_of(way.ca_pem)):
            changed["ca_pem"] = trusted
    proxy = _proxy(entry, way, read)
    return WayChanges(**changed, **({} if proxy == way.proxy else {"proxy": proxy}))


def _proxy(entry: ChannelEntry, way: Way, read: dict[str, str | None]) -> Any:
    """Say what its proxy is to be, with a password."""
    password = read.get("proxy_password")
    if entry.proxy is None:
        proxy = way.proxy
    else:
        proxy = None if entry.proxy == NONE else read_proxy(entry.proxy)
    if proxy is None:
        if entry.proxy_password is not None:
            raise Unusable("proxy_password goes with a proxy")
        return None
    is_the_same = way.proxy is not None and str(proxy) == str(way.proxy)
    if password is None and way.proxy is not None and is_the_same:
        return way.proxy
    if password is None and entry.proxy_password is not None:
        raise Unusable(f"{entry.proxy_password} is not there, and another proxy needs its password")
    return msgspec.structs.replace(proxy, password=password)


def _in_order(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value


def _spelt(base_url: str) -> str:
    try:
        return normalised_base_url(base_url)
    except ValueError as error:
        raise Unusable(str(error)) from error
