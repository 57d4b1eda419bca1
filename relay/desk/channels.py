"""Adding Kling accounts, changing how they are used, and removing them."""

from collections.abc import Iterable

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels import edit
from relay.channels.checks import check_way, checked_webhook_secret, normalised_base_url
from relay.channels.directory import find_same_account
from relay.channels.edit import ChannelKeys, WayChanges
from relay.channels.groups import TEST, spelt
from relay.channels.tables import Channel
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.errors import Busy, InUse, NameTaken, NotPossible, SameAccount, Unusable
from relay.desk.find import channel_to_act_on
from relay.desk.groups import check_word, checked_groups
from relay.desk.names import check_name, check_new_name, removed_name
from relay.desk.secret_keys import check_secret_keys
from relay.health.edit import forget_conditions
from relay.kling.proxy import Proxy
from relay.kling.way import Way
from relay.pricing.book import Pack
from relay.secrets import KeyRing
from relay.tasks.live import count_live

__all__ = [
    "NO_KEYS",
    "ChannelChanges",
    "ChannelKeys",
    "WayChanges",
    "add_channel",
    "change_channel",
    "end_drain",
    "remove_channel",
]

NO_KEYS = ChannelKeys()
AS_BEFORE = WayChanges()
ROOM_MAX = 10_000
ORDER_MAX = 2**31 - 1
"""Of priorities and weights: what their columns take."""


class ChannelChanges(msgspec.Struct, frozen=True):
    """What is to be changed of a channel; None stays as it is."""

    base_url: str | None = None
    priority: int | None = None
    weight: int | None = None
    enabled: bool | None = None
    """Enabled anew, it is tried anew, whatever was learned of it."""
    is_draining: bool | None = None
    groups: list[str] | None = None
    """All of them anew."""
    models: list[str] | None = None
    room: dict[str, int | None] = {}
    """Slots of a `pack`, or of one model as `pack/model`; None forgets one, others stay."""
    rename: str | None = None
    is_sandbox: bool | None = None
    """Of what the new base URL leads to; with another one, what a trial confirmed is forgotten."""
    keys: ChannelKeys = NO_KEYS
    way: WayChanges = AS_BEFORE


@act("channel.add")
async def add_channel(
    session: AsyncSession,
    actor: Actor,
    keys: KeyRing,
    *,
    name: str,
    base_url: str,
    channel_keys: ChannelKeys,
    priority: int = 0,
    weight: int = 1,
    room: dict[str, int] | None = None,
    groups: Iterable[str] = (),
    models: Iterable[str] = (),
    may_be_same: bool = False,
    is_sandbox: bool = False,
    way: WayChanges = AS_BEFORE,
) -> Channel:
    """Add a channel, enabled; `may_be_same` if another one may have a key of these.

    `is_sandbox`: what it leads to is our sandbox, which does as the documents say.

    Raises:
        NameTaken, SameAccount
        Unusable: the name, the base URL, the weight, the room, the webhook secret, no key, or half
            a pair.
        SecretKeyError: the secret keys are not this database's.
    """
    check_new_name(name)
    _check_keys(channel_keys)
    _check_order(priority, weight)
    _check_room(room or {})
    groups, models = checked_groups(groups), _checked_models(models)
    _check_test(groups, is_sandbox=is_sandbox)
    _check_way(way)
    if channel_keys.access_key is None and channel_keys.api_key is None:
        raise Unusable("a channel has a key pair, an API key or both")
    await check_secret_keys(session, keys)
    row = await edit.add_channel(
        session,
        keys,
        name=name,
        base_url=_normalised(base_url),
        channel_keys=channel_keys,
        priority=priority,
        weight=weight,
        room=room or {},
        groups=groups,
        models=models,
        is_sandbox=is_sandbox,
        way=way,
    )
    if row is None:
        raise NameTaken("channel", name)
    if not may_be_same:
        await _refuse_same_account(session, keys, channel_keys, but=row.id)
    await note_change(
        session,
        actor,
        "channel.add",
        kind="channel",
        id=row.id,
        name=row.name,
        after=_state(row) | {"new_keys": _named(channel_keys) + _password(way)},
    )
    return row


@act("channel.change")
async def change_channel(
    session: AsyncSession,
    actor: Actor,
    keys: KeyRing,
    name: str,
    changes: ChannelChanges,
    *,
    may_be_same: bool = False,
) -> Channel:
    """Change a channel; its running tasks are still asked for, with the keys that it has then.

    What is so already is not noted. `may_be_same` if another one may have a key of the new ones.

    Raises:
        NoSuch, NotPossible, NameTaken, SameAccount
        Unusable: the new name, the base URL, the weight, the room, the webhook secret, or half a
            pair; or it is off, and has nothing to drain.
        SecretKeyError: the secret keys are not this database's.
    """
    _check_changes(name, changes)
    row = await channel_to_act_on(session, name, is_locked=True)
    if _named(changes.keys) or _password(changes.way):
        await check_secret_keys(session, keys)
    if not may_be_same:
        await _refuse_same_account(session, keys, changes.keys, but=row.id)
    state = _state(row)
    edit.put_keys(row, keys, changes.keys)
    edit.put_way(row, keys, changes.way)
    _put(row, name, changes)
    leads_elsewhere = changes.base_url is not None or changes.way.is_another
    if changes.enabled or leads_elsewhere or _named(changes.keys):
        await forget_conditions(session, row.id)
    if changes.rename is not None and not await edit.rename_channel(session, row, changes.rename):
        raise NameTaken("channel", changes.rename, renamed=name)
    before, after = differing(state, _state(row))
    if new_keys := _named(changes.keys) + _password(changes.way):
        after["new_keys"] = new_keys
    if after:
        await note_change(
            session,
            actor,
            "channel.change",
            kind="channel",
            id=row.id,
            name=name,
            before=before,
            after=after,
        )
    return row


@act("channel.remove")
async def remove_channel(session: AsyncSession, actor: Actor, name: str) -> Channel:
    """Take a channel out of use for good; its tasks keep it, by the name it gets then.

    The row is locked against submits on their way too: what they hold is seen, or they come later,
    with a channel that was still there two seconds ago, and then its keys still are, for a day.

    Raises:
        NoSuch, NotPossible: it was removed before.
        InUse: tasks of it are live.
    """
    row = await channel_to_act_on(session, name)
    await session.refresh(row, with_for_update=True)
    if row.name != name or row.removed_at is not None:
        raise Busy
    if tasks := await count_live(session, channel_id=row.id):
        raise InUse("channel", name, tasks=tasks)
    before = _state(row)
    await edit.remove_channel(session, row, removed_name(name, row.id))
    await note_change(
        session, actor, "channel.remove", kind="channel", id=row.id, name=name, before=before
    )
    return row


@act("channel.drained")
async def end_drain(session: AsyncSession, actor: Actor, name: str) -> Channel:
    """Switch off a channel that was drained.

    Raises:
        NoSuch
        NotPossible: it is not draining, or was removed.
        InUse: tasks of it are live.
    """
    row = await channel_to_act_on(session, name, is_locked=True)
    if not row.is_draining:
        raise NotPossible("channel", name, "it is not draining")
    if tasks := await count_live(session, channel_id=row.id):
        raise InUse("channel", name, tasks=tasks)
    before = _state(row)
    row.enabled = row.is_draining = False
    changed, after = differing(before, _state(row))
    await note_change(
        session,
        actor,
        "channel.drained",
        kind="channel",
        id=row.id,
        name=name,
        before=changed,
        after=after,
    )
    return row


async def _refuse_same_account(
    session: AsyncSession, keys: KeyRing, new: ChannelKeys, *, but: int
) -> None:
    if new.access_key is None and new.api_key is None:
        return
    await edit.lock_keys(session)
    found = await find_same_account(session, keys, access_key=new.access_key, api_key=new.api_key)
    for channel in found:
        if channel.id != but:
            raise SameAccount(channel.name)


def _put(row: Channel, name: str, changes: ChannelChanges) -> None:
    """Put what is given of how it is used into the row."""
    if changes.base_url is not None:
        _lead_to(row, _normalised(changes.base_url), is_sandbox=bool(changes.is_sandbox))
    if changes.priority is not None:
        row.priority = changes.priority
    if changes.weight is not None:
        row.weight = changes.weight
    if changes.room:
        room = row.room | changes.room
        row.room = {of: slots for of, slots in room.items() if slots is not None}
    if changes.enabled is not None:
        row.enabled, row.is_draining = changes.enabled, False
    if changes.is_draining:
        if not row.enabled:
            raise Unusable(f"'{name}' is off: it gets no new tasks")
        row.is_draining = True
    if changes.groups is not None:
        row.groups = checked_groups(changes.groups)
    if changes.models is not None:
        row.models = _checked_models(changes.models)
    _check_test(row.groups, is_sandbox=row.is_sandbox)


def _lead_to(row: Channel, base_url: str, *, is_sandbox: bool) -> None:
    """Change where it leads; what a trial confirmed was of the other place."""
    if base_url != row.base_url:
        row.base_url, row.confirmed_lookups, row.is_sandbox = base_url, [], is_sandbox


def _state(row: Channel) -> State:
    return {
        "name": row.name,
        "base_url": row.base_url,
        "priority": row.priority,
        "weight": row.weight,
        "enabled": row.enabled,
        "is_draining": row.is_draining,
        "room": dict(row.room),
        "groups": list(row.groups),
        "models": list(row.models),
        "is_sandbox": row.is_sandbox,
        "confirmed_lookups": list(row.confirmed_lookups),
        "proxy": row.proxy,
        "ca_sha256": Way(ca_pem=row.ca_pem).ca_sha256,
        "connect_timeout_s": row.connect_timeout_s,
        "timeout_s": row.timeout_s,
    }


def _named(keys: ChannelKeys) -> list[str]:
    """List which keys were given; what they are is nobody's to read."""
    given = msgspec.structs.asdict(keys)
    return [name for name, value in given.items() if value is not None]


def _password(way: WayChanges) -> list[str]:
    """Name a proxy's password, if one was given, as keys are named."""
    return ["proxy_password"] if isinstance(way.proxy, Proxy) and way.proxy.password else []


def _check_changes(name: str, changes: ChannelChanges) -> None:
    _check_keys(changes.keys)
    _check_way(changes.way)
    _check_order(changes.priority, changes.weight)
    _check_room({of: slots for of, slots in changes.room.items() if slots is not None})
    if changes.rename is not None and changes.rename != name:
        check_new_name(changes.rename)


def _check_keys(keys: ChannelKeys) -> None:
    if (keys.access_key is None) != (keys.secret_key is None):
        raise Unusable("an access key goes with its secret key")
    if keys.webhook_secret is not None:
        try:
            checked_webhook_secret(keys.webhook_secret)
        except ValueError as error:
            raise Unusable(str(error)) from error


def _check_way(way: WayChanges) -> None:
    try:
        check_way(way.after(None))
    except ValueError as error:
        raise Unusable(str(error)) from error


def _check_order(priority: int | None, weight: int | None) -> None:
    """Check what says which of several channels is taken; None is not said."""
    if weight is not None and weight < 1:
        raise Unusable("a weight is at least 1", field="weight")
    for name, number in (("priority", priority), ("weight", weight)):
        if number is not None and abs(number) > ORDER_MAX:
            raise Unusable(f"a {name} is {ORDER_MAX:,} at most", field=name)


def _checked_models(models: Iterable[str]) -> list[str]:
    for model in models:
        check_name(model, what="model")
        check_word(model.lower(), what="model")
    return spelt(model.lower() for model in models)


def _check_test(groups: list[str], *, is_sandbox: bool) -> None:
    """See that tests, which are free, are never made with units that cost."""
    if TEST in groups and not is_sandbox:
        raise Unusable(
            f"in group '{TEST}' are sandboxes only, since its tasks are free: name other groups, or"
            " none"
        )
    if TEST in groups and len(groups) > 1:
        raise Unusable(
            f"group '{TEST}' is apart: no other group's tasks are to run on a sandbox of it"
        )


def _check_room(room: dict[str, int]) -> None:
    for of, slots in room.items():
        pack, slash, model = of.partition("/")
        if pack not in tuple(Pack) or bool(slash) != bool(model) or model != model.lower():
            raise Unusable(f"'{of}' is no pack, such as video, and no model of one: video/kling-v3")
        if not 0 <= slots <= ROOM_MAX:
            raise Unusable(f"room is 0 to {ROOM_MAX} slots, not {slots}")


def _normalised(base_url: str) -> str:
    try:
        return normalised_base_url(base_url)
    except ValueError as error:
        raise Unusable(str(error)) from error
