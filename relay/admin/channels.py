"""Kling accounts: how they do, how they are used, and what their units are bought at."""

from decimal import Decimal
from typing import Any

import msgspec
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk, IfMatch, of_version
from relay.admin.bodies import (
    Count,
    Cursor,
    Limit,
    Moment,
    Name,
    Number,
    PathName,
    channel_of,
    read_cursor,
)
from relay.admin.lists import Listing, answer_list
from relay.admin.problems import WrongField
from relay.admin.routes import acts, reads
from relay.channels.costs import Cost, CostUnit, ListedCost, list_costs
from relay.channels.read import read_rows
from relay.channels.tables import Channel
from relay.desk.actor import Actor
from relay.desk.channel_costs import set_channel_cost
from relay.desk.channels import (
    ChannelChanges,
    ChannelKeys,
    WayChanges,
    add_channel,
    change_channel,
    end_drain,
    remove_channel,
)
from relay.desk.find import channel_named, channel_to_act_on
from relay.desk.office import Office
from relay.desk.shown import ShownChannel, shown_channel
from relay.health.read import Event, Standing, read_events, read_standings
from relay.kling.proxy import read_proxy
from relay.trial.kept import ShownTrial, read_last_trial

KEYS = ("access_key", "secret_key", "api_key", "webhook_secret")
WAY = ("proxy", "ca_pem", "connect_timeout_s", "timeout_s")


class NewChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With an access key and its secret key, an API key, or both. Kling is not asked about them."""

    name: Name
    base_url: str
    access_key: str | None = None
    secret_key: str | None = None
    api_key: str | None = None
    webhook_secret: str | None = None
    priority: int = 0
    weight: Count = 1
    room: dict[str, Count] = {}
    """Slots of a `pack`, or of one model as `pack/model`."""
    groups: list[Name] = []
    models: list[Name] = []
    is_sandbox: bool = False
    may_be_same: bool = False
    """Take keys of an account that is a channel already."""
    proxy: str | None = None
    """`http://user:password@host:port` or `socks5://…`."""
    ca_pem: str | None = None
    connect_timeout_s: float | None = None
    timeout_s: float | None = None

    def __repr__(self) -> str:
        return f"NewChannel({self.name!r})"


class ChannelPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not named stays as it is. Keys can be replaced, and are never shown."""

    name: Name | UnsetType = UNSET
    base_url: str | UnsetType = UNSET
    access_key: str | UnsetType = UNSET
    secret_key: str | UnsetType = UNSET
    api_key: str | UnsetType = UNSET
    webhook_secret: str | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    weight: Count | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    is_draining: bool | UnsetType = UNSET
    room: dict[str, Count | None] | UnsetType = UNSET
    """Null forgets one, others stay."""
    groups: list[Name] | UnsetType = UNSET
    models: list[Name] | UnsetType = UNSET
    is_sandbox: bool | UnsetType = UNSET
    may_be_same: bool = False
    proxy: str | UnsetType | None = UNSET
    ca_pem: str | UnsetType | None = UNSET
    connect_timeout_s: float | UnsetType | None = UNSET
    timeout_s: float | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "ChannelPatch(...)"


class NewCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unit: CostUnit
    price: Number
    currency: str
    rate: Number = "1"
    rate_per: Number = "1"
    valid_from: Moment | None = None
    """May have passed; null is now."""


class ChannelStanding(msgspec.Struct, frozen=True):
    channel: ShownChannel
    standing: Standing
    """How it does."""


class ChannelStory(msgspec.Struct, frozen=True):
    channel: ShownChannel
    standing: Standing
    events: list[Event]
    trial: dict[str, Any] | None
    """What a trial saw last."""
    last_trial: ShownTrial | None
    """The newest that was begun, and how it goes; null if none was since the relay keeps them."""
    costs: list[ListedCost]


class ChannelPage(msgspec.Struct, frozen=True):
    channels: list[ChannelStanding]
    next_cursor: str | None


class CostList(msgspec.Struct, frozen=True):
    costs: list[ListedCost]


class Channels(Controller):
    path = "/admin/v1/channels"
    tags = ("Channels",)

    @get(**reads("channel.read", streams=True))
    async def list_channels(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        removed: FromQuery[bool] = False,
        enabled: FromQuery[bool | None] = None,
        group: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[ChannelPage]:
        """List channels in the order they are tried, and how they do; `removed`: with those.

        `model`: those that take it.
        """

        async def read(
            session: AsyncSession, behind_id: int | None, most: int
        ) -> tuple[list[ChannelStanding], int | None]:
            rows = _behind(await read_rows(session, with_removed=True), behind_id)
            wanted = [
                one
                for one in rows
                if (removed or one.removed_at is None)
                and enabled in (None, one.enabled)
                and (group is None or group in one.groups)
                and (model is None or not one.models or model.lower() in one.models)
            ]
            page = wanted[:most]
            standings = await read_standings(session, page)
            shown = [ChannelStanding(shown_channel(one), standings[one.id]) for one in page]
            return shown, page[-1].id if len(wanted) > most else None

        return await answer_list(
            *(office, listing, read, ChannelStanding),
            page=ChannelPage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @get("/{channel:str}", **reads("channel.read", 404))
    async def show(
        self, office: NamedDependency[Office], channel: PathName
    ) -> Response[ChannelStory]:
        """Show one channel without its keys; its ETag is that of how it is set up."""
        async with office.reading() as session:
            row = await channel_named(session, await channel_of(session, channel))
            standing = (await read_standings(session, [row]))[row.id]
            story = ChannelStory(
                shown_channel(row),
                standing,
                await read_events(session, row.id),
                row.trial,
                await read_last_trial(session, row.id),
                await list_costs(session, row.id),
            )
        return of_version(story, version_of=story.channel)

    @post(**acts("channel.add", 409))
    async def add(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewChannel]
    ) -> Response[ShownChannel]:
        """Add a Kling account, enabled."""
        given = msgspec.structs.asdict(data)

        async def work(session: AsyncSession, actor: Actor) -> ShownChannel:
            row = await add_channel(
                *(session, actor, desk.keys),
                name=data.name,
                base_url=data.base_url,
                channel_keys=ChannelKeys(**{name: given[name] for name in KEYS}),
                priority=data.priority,
                weight=data.weight,
                room=data.room,
                groups=data.groups,
                models=data.models,
                may_be_same=data.may_be_same,
                is_sandbox=data.is_sandbox,
                way=_way({name: given[name] for name in WAY if given[name] is not None}),
            )
            await session.refresh(row)
            return shown_channel(row)

        return await desk.act(work, status=201)

    @patch("/{channel:str}", **acts("channel.change", 404, 409, 412))
    async def change(
        self,
        desk: NamedDependency[AtDesk],
        channel: PathName,
        data: JSONBody[ChannelPatch],
        if_match: IfMatch = None,
    ) -> Response[ShownChannel]:
        """Change a channel: how it is used, where it leads, its keys."""
        fields = msgspec.structs.asdict(data)
        given = {name: value for name, value in fields.items() if value is not UNSET}
        may_be_same = given.pop("may_be_same")
        keys = ChannelKeys(**{name: given.pop(name) for name in KEYS if name in given})
        way = _way({name: given.pop(name) for name in WAY if name in given})
        if "name" in given:
            given["rename"] = given.pop("name")

        async def work(session: AsyncSession, actor: Actor) -> ShownChannel:
            name = await channel_of(session, channel)
            await desk.refuse_stale(
                *(session, "channel.change", if_match), lambda s: _locked(s, name)
            )
            changes = ChannelChanges(keys=keys, way=way, **given)
            row = await change_channel(
                *(session, actor, desk.keys, name, changes), may_be_same=may_be_same
            )
            await session.refresh(row)
            return shown_channel(row)

        return await desk.act(work)

    @delete("/{channel:str}", **acts("channel.remove", 404, 409, 412), status_code=200)
    async def remove(
        self, desk: NamedDependency[AtDesk], channel: PathName, if_match: IfMatch = None
    ) -> Response[ShownChannel]:
        """Take a channel out of use for good; refused while tasks of it are not over."""

        async def work(session: AsyncSession, actor: Actor) -> ShownChannel:
            name = await channel_of(session, channel)
            await desk.refuse_stale(
                *(session, "channel.remove", if_match), lambda s: _locked(s, name)
            )
            row = await remove_channel(session, actor, name)
            await session.refresh(row)
            return shown_channel(row)

        return await desk.act(work)

    @post("/{channel:str}/drained", **acts("channel.drained", 404))
    async def drained(
        self, desk: NamedDependency[AtDesk], channel: PathName
    ) -> Response[ShownChannel]:
        """Switch off a channel that was drained; a worker does it by itself."""

        async def work(session: AsyncSession, actor: Actor) -> ShownChannel:
            row = await end_drain(session, actor, await channel_of(session, channel))
            return shown_channel(row)

        return await desk.act(work, status=201)

    @post("/{channel:str}/costs", **acts("channel.set_cost", 404))
    async def set_cost(
        self, desk: NamedDependency[AtDesk], channel: PathName, data: JSONBody[NewCost]
    ) -> Response[CostList]:
        """Say what a channel's units are bought at, from a moment on; margins go by it."""

        async def work(session: AsyncSession, actor: Actor) -> CostList:
            name = await channel_of(session, channel)
            cost = Cost(
                unit=data.unit,
                price=Decimal(data.price),
                currency=data.currency,
                rate=Decimal(data.rate),
                rate_per=Decimal(data.rate_per),
            )
            await set_channel_cost(
                *(session, actor, name, cost),
                currency=desk.settings.currency,
                valid_from=data.valid_from,
            )
            return CostList(await list_costs(session, (await channel_named(session, name)).id))

        return await desk.act(work, status=201)


def _behind(rows: list[Channel], last_id: int | None) -> list[Channel]:
    """Go on behind a channel, in the order they are tried: there are few, and none is deleted."""
    if last_id is None:
        return rows
    places = [place for place, row in enumerate(rows) if row.id == last_id]
    if not places:
        raise WrongField("cursor", "it is no `next_cursor` of a page")
    return rows[places[0] + 1 :]


async def _locked(session: AsyncSession, name: str) -> ShownChannel:
    return shown_channel(await channel_to_act_on(session, name, is_locked=True))


def _way(given: dict[str, Any]) -> WayChanges:
    """Read what is said of how its calls go out."""
    if given.get("proxy") is not None:
        try:
            given["proxy"] = read_proxy(given["proxy"])
        except ValueError as error:
            raise WrongField("proxy", str(error)) from error
    return WayChanges(**given)
