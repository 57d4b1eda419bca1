"""A file of what a relay is to be, put in force by the acts that there are: all or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from typing import Any

import msgspec
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.checks import normalised_base_url
from relay.channels.directory import read_channels
from relay.channels.opened import OpenedChannel
from relay.channels.read import find_channel
from relay.desk.actor import Actor
from relay.desk.channels import (
    NO_KEYS,
    ChannelChanges,
    ChannelKeys,
    add_channel,
    change_channel,
    remove_channel,
)
from relay.desk.errors import DeskError, NotPossible, Unusable
from relay.desk.gates import GateChanges, set_gates
from relay.desk.limits import set_limits
from relay.desk.price_files import import_prices
from relay.desk.setup.file import SECRETS, ChannelEntry, SecretRef, SetupFile, TenantEntry, label_of
from relay.desk.tables import Change
from relay.desk.tenants import TenantChanges, change_tenant, open_tenant, remove_tenant
from relay.kling.catalogue import Catalogue
from relay.money import micros_of
from relay.pricing.difference import slot
from relay.pricing.file import PriceFile, read_file, spell_file
from relay.pricing.in_force import read_prices
from relay.secrets import KeyRing
from relay.tenants.gate import COLUMNS as GATES
from relay.tenants.read import find_tenant, read_tenants

USED = ("enabled", "priority", "weight", "groups", "models")
"""Fields of a channel that are compared as they stand in its row."""
IS_NEW = ("account_id",)
"""What an act notes that is another number each time it is tried."""
PAIR = ("access_key", "secret_key")
OF_TENANT = (
    *("enabled", "price_group", "tasks_max", "groups", "contact", "shows_quote", "joins_retries"),
    *("queue_s", "queue_weight", "room_min"),
)


class Planned(msgspec.Struct, frozen=True):
    """One act of a plan, as `changes` will have it."""

    act: str
    kind: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Plan(msgspec.Struct, frozen=True):
    """What applying a file does."""

    acts: list[Planned]
    kept: list[str]
    """Secrets that the file names and that are not here: those channels keep what they have."""

    @property
    def is_nothing(self) -> bool:
        return not self.acts


class EntryRefused(Exception):
    """An entry of the file cannot be so; nothing is to be written. The cause says why."""

    def __init__(self, label: str, error: DeskError) -> None:
        super().__init__(label)
        self.label = label
        self.error = error


class With(msgspec.Struct, frozen=True):
    """What a file is applied with."""

    keys: KeyRing
    zone: tzinfo
    currency: str
    catalogue: Catalogue
    read_secret: Callable[[SecretRef], str | None]
    """None: it is not there."""


async def apply_setup(
    session: AsyncSession, actor: Actor, file: SetupFile, given: With, *, seen: Plan | None = None
) -> Plan:
    """Make all as the file says, in the caller's one transaction; twice is nothing.

    Channels first, then tenants with what bounds them, then prices, and what is removed last. What
    is so already is left alone. Rolled back, what it returns is the plan. `seen`: the plan that
    whoever decided it was shown.

    Raises:
        EntryRefused: names the entry.
        NotPossible: by now it would do something else than was seen.
        SecretKeyError: the secret keys are not this database's.
    """
    kept: list[str] = []
    with _noting(session) as acts:
        await _put_channels(session, actor, file, given, kept)
        for number, tenant in enumerate(file.tenants, 1):
            if not tenant.remove:
                with _labelled(label_of("tenant", number, tenant.name)):
                    await _put_tenant(session, actor, tenant, given)
        if file.has_prices:
            with _labelled("prices"):
                await _put_prices(session, actor, file, given)
        await _remove(session, actor, file)
    plan = Plan(acts, kept)
    if seen is not None and seen.acts != plan.acts:
        raise NotPossible("file", "", "something was changed meanwhile: look at the plan again")
    return plan


async def _put_channels(
    session: AsyncSession, actor: Actor, file: SetupFile, given: With, kept: list[str]
) -> None:
    there = {one.name: one for one in await read_channels(session, given.keys)}
    for number, entry in enumerate(file.channels, 1):
        if entry.remove:
            continue
        label = label_of("channel", number, entry.name)
        with _labelled(label):
            secrets = {name: _secret(entry, name, given) for name in SECRETS}
            absent = [
                str(getattr(entry, name))
                for name in SECRETS
                if getattr(entry, name) is not None and secrets[name] is None
            ]
            found = there.get(entry.name)
            if found is None:
                if absent:
                    raise Unusable(f"{absent[0]} is not there, and a new channel needs its keys")
                await _add_channel(session, actor, entry, ChannelKeys(**secrets), given)
                continue
            kept += [f"{label}: {where}" for where in absent]
            await _change_channel(session, actor, entry, found, secrets=secrets, given=given)


async def _add_channel(
    session: AsyncSession, actor: Actor, entry: ChannelEntry, keys: ChannelKeys, given: With
) -> None:
    if entry.base_url is None:
        raise Unusable("a new channel needs its base_url")
    await add_channel(
        *(session, actor, given.keys),
        name=entry.name,
        base_url=entry.base_url,
        channel_keys=keys,
        priority=entry.priority or 0,
        weight=1 if entry.weight is None else entry.weight,
        room=entry.room,
        groups=entry.groups or (),
        models=entry.models or (),
        is_sandbox=bool(entry.is_sandbox),
    )
    if entry.enabled is False:
        changes = ChannelChanges(enabled=False)
        await change_channel(session, actor, given.keys, entry.name, changes)


async def _change_channel(
    session: AsyncSession,
    actor: Actor,
    entry: ChannelEntry,
    found: OpenedChannel,
    *,
    secrets: dict[str, str | None],
    given: With,
) -> None:
    """Change what differs alone: what is said anew is learned anew."""
    row = await find_channel(session, entry.name)
    assert row is not None, "it was read in this transaction"
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
        for name, value in secrets.items()
        if value is not None and value != getattr(found, name)
    }
    if new.keys() & set(PAIR):
        new |= {name: value for name in PAIR if (value := secrets[name]) is not None}
    if new:
        changed["keys"] = ChannelKeys(**new)
    if changed:
        changes = ChannelChanges(**{"keys": NO_KEYS} | changed)
        await change_channel(session, actor, given.keys, entry.name, changes)


async def _put_tenant(session: AsyncSession, actor: Actor, entry: TenantEntry, given: With) -> None:
    if await find_tenant(session, entry.name) is None:
        quota = entry.opening_quota
        await open_tenant(
            *(session, actor, entry.name),
            quota_micros=0 if quota is None else micros_of(quota),
            currency=given.currency,
        )
    changes = entry.given(*OF_TENANT)
    if changes:
        await change_tenant(session, actor, entry.name, TenantChanges(**changes))
    gates = entry.given(*GATES)
    if gates:
        await set_gates(session, actor, GateChanges(**gates), tenant=entry.name)
    if entry.limits:
        await set_limits(session, actor, entry.allowed, tenant=entry.name, zone=given.zone)


async def _put_prices(session: AsyncSession, actor: Actor, file: SetupFile, given: With) -> None:
    """Import the file's prices, with those that stand beside them unless it has them all."""
    wanted = file.prices
    if not file.prices_are_whole:
        names = {row.id: row.name for row in await read_tenants(session)}
        spelt = spell_file(await read_prices(session, given.zone), names)
        there = read_file(spelt, given.zone, given.catalogue)
        wanted = _beside(wanted, there)
    await import_prices(session, actor, wanted)


def _beside(wanted: PriceFile, there: PriceFile) -> PriceFile:
    """Add what is there of other keys, people and hours."""

    def merged(lines: list[Any], others: list[Any]) -> list[Any]:
        named = {(slot(line.one), line.tenant) for line in lines}
        return [*lines, *(one for one in others if (slot(one.one), one.tenant) not in named)]

    return PriceFile(
        merged(wanted.rows, there.rows),
        merged(wanted.multipliers, there.multipliers),
        wanted.multiplies_amounts,
    )


async def _remove(session: AsyncSession, actor: Actor, file: SetupFile) -> None:
    for number, tenant in enumerate(file.tenants, 1):
        if tenant.remove and await find_tenant(session, tenant.name) is not None:
            with _labelled(label_of("tenant", number, tenant.name)):
                await remove_tenant(session, actor, tenant.name)
    for number, channel in enumerate(file.channels, 1):
        if channel.remove and await find_channel(session, channel.name) is not None:
            with _labelled(label_of("channel", number, channel.name)):
                await remove_channel(session, actor, channel.name)


def _secret(entry: ChannelEntry, name: str, given: With) -> str | None:
    ref: SecretRef | None = getattr(entry, name)
    return None if ref is None else given.read_secret(ref)


def _in_order(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value


def _lasting(after: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if name not in IS_NEW}


def _spelt(base_url: str) -> str:
    try:
        return normalised_base_url(base_url)
    except ValueError as error:
        raise Unusable(str(error)) from error


@contextmanager
def _labelled(label: str) -> Iterator[None]:
    try:
        yield
    except DeskError as error:
        raise EntryRefused(label, error) from error


@contextmanager
def _noting(session: AsyncSession) -> Iterator[list[Planned]]:
    """Collect what the acts of a session note in `changes`, in their order."""
    acts: list[Planned] = []

    def note(flushing: Any, _: Any) -> None:
        acts.extend(
            Planned(
                one.act,
                one.subject_kind,
                one.subject,
                one.before,
                None if one.after is None else _lasting(one.after),
            )
            for one in flushing.new
            if isinstance(one, Change)
        )

    event.listen(session.sync_session, "after_flush", note)
    try:
        yield acts
    finally:
        event.remove(session.sync_session, "after_flush", note)
