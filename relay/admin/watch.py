"""What keeps watch: alerts and where they go, pauses of creates, whose things are, what waits."""

from datetime import timedelta
from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk, IfMatch, of_version
from relay.admin.bodies import (
    Count,
    Cursor,
    Limit,
    Moment,
    Name,
    Number,
    PathId,
    PathName,
    Words,
    decimal_or_none,
    read_cursor,
)
from relay.admin.lists import Listing, answer_list, answer_whole, cut
from relay.admin.routes import acts, reads
from relay.alerts.places import open_places
from relay.alerts.read import ListedPlace, ListedRule, Standing, read_alerts
from relay.alerts.send import send_test
from relay.alerts.tables import AlertRule, Severity
from relay.desk.actor import Actor
from relay.desk.alerts import add_place, change_rule, mute_rule, remove_place
from relay.desk.errors import NoSuch, NotPossible
from relay.desk.find import channel_named, tenant_named
from relay.desk.names import CHARS_MAX
from relay.desk.office import Office
from relay.desk.owners import Claimed, claim_owners
from relay.desk.pauses import end_pause, pause_creates
from relay.desk.voice import voice_of
from relay.kling.endpoint import Resource
from relay.owners.read import ListedOwner, OwnerFilter, list_owners
from relay.pauses.read import ListedPause, list_pauses
from relay.tasks.queue.read import Lineup, read_lineup


class NewPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    """With its secret, which is never shown again."""
    least: Severity

    def __repr__(self) -> str:
        return "NewPlace(...)"


class RulePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bound: Number | None = None
    pause_s: Count | None = None
    is_default: bool = False
    """Both are the rule's own again, but for what is given."""


class Mute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    until: Moment | None
    """Null lets it speak again."""


class TestedPlace(msgspec.Struct, frozen=True):
    id: int
    shown: str
    arrived: bool
    why_not: str | None


class Tested(msgspec.Struct, frozen=True):
    places: list[TestedPlace]


class RemovedPlace(msgspec.Struct, frozen=True):
    removed: str


class NewPause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Creates that fit all that is named; with nothing named, every create."""

    reason: Words
    tenant: Name | None = None
    channel: Name | None = None
    endpoint: Name | None = None
    model: Name | None = None
    until: Moment | None = None


class PausePage(msgspec.Struct, frozen=True):
    pauses: list[ListedPause]
    next_cursor: str | None


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tenant: Name
    channel: Name
    kind: Resource
    ids: list[Name]
    """Kling's; all of them or none."""
    lives_s: Count | None = None
    """For how long from now they are known; null is as Kling keeps such things."""


class OwnerPage(msgspec.Struct, frozen=True):
    owners: list[ListedOwner]
    next_cursor: str | None


class Alerts(Controller):
    path = "/admin/v1/alerts"
    tags = ("Alerts",)

    @get(**reads("alert.read", streams=True))
    async def list_alerts(
        self, office: NamedDependency[Office], listing: NamedDependency[Listing]
    ) -> Response[Standing]:
        """List the rules with their states, and the places that messages go to.

        As CSV and JSON lines: the rules.
        """
        async with office.reading() as session:
            found = await read_alerts(session)
        return answer_whole(listing, found, found.rules, ListedRule)

    @get("/rules/{rule:str}", **reads("alert.read", 404))
    async def show(self, office: NamedDependency[Office], rule: PathName) -> Response[ListedRule]:
        """Show one rule."""
        async with office.reading() as session:
            return of_version(await _rule(session, rule))

    @post("/places", **acts("alert.add"))
    async def add(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewPlace]
    ) -> Response[ListedPlace]:
        """Have messages sent to one more place."""

        async def work(session: AsyncSession, actor: Actor) -> ListedPlace:
            return await add_place(session, actor, data.url, desk.keys, least=data.least)

        return await desk.act(work, status=201)

    @post("/test", **reads("alert.add", 409), status_code=200)
    async def test(self, office: NamedDependency[Office]) -> Tested:
        """Send a message to each place, now and from here, and say which arrived.

        Each has 20 seconds.
        """
        async with office.reading() as session:
            places = await open_places(session, office.keys)
        if not places:
            raise NotPossible("alerts", "", "there is no place to send to")
        reasons = await send_test(places, voice_of(office.settings))
        return Tested(
            [
                TestedPlace(place.id, place.shown, why is None, why)
                for place, why in zip(places, reasons, strict=True)
            ]
        )

    @delete("/places/{place_id:int}", **acts("alert.remove", 404), status_code=200)
    async def remove(
        self, desk: NamedDependency[AtDesk], place_id: PathId
    ) -> Response[RemovedPlace]:
        """Send nothing to a place any more; what waits for it is dropped."""

        async def work(session: AsyncSession, actor: Actor) -> RemovedPlace:
            return RemovedPlace(await remove_place(session, actor, place_id))

        return await desk.act(work)

    @patch("/rules/{rule:str}", **acts("alert.set", 404, 412))
    async def change(
        self,
        desk: NamedDependency[AtDesk],
        rule: PathName,
        data: JSONBody[RulePatch],
        if_match: IfMatch = None,
    ) -> Response[ListedRule]:
        """Change what a rule compares with, or how long it is silent after a message."""

        async def look(session: AsyncSession) -> ListedRule:
            await session.get(AlertRule, rule, with_for_update={"key_share": True})
            return await _rule(session, rule)

        async def work(session: AsyncSession, actor: Actor) -> ListedRule:
            await desk.refuse_stale(session, "alert.set", if_match, look)
            await change_rule(
                *(session, actor, rule),
                bound=decimal_or_none(data.bound),
                pause_s=data.pause_s,
                is_default=data.is_default,
            )
            return await _rule(session, rule)

        return await desk.act(work)

    @put("/rules/{rule:str}/mute", **acts("alert.mute", 404))
    async def mute(
        self, desk: NamedDependency[AtDesk], rule: PathName, data: JSONBody[Mute]
    ) -> Response[ListedRule]:
        """Send nothing of a rule for a while, or let it speak again."""

        async def work(session: AsyncSession, actor: Actor) -> ListedRule:
            await mute_rule(session, actor, rule, until=data.until)
            return await _rule(session, rule)

        return await desk.act(work)


class Pauses(Controller):
    path = "/admin/v1/pauses"
    tags = ("Pauses",)

    @get(**reads("pause.read", streams=True))
    async def list_pauses(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        ended: FromQuery[bool] = False,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[PausePage]:
        """List the pauses in force, newest first; `ended`: and those that were."""

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedPause], int | None]:
            found = await list_pauses(
                session, with_ended=ended, before_id=before_id, limit=most + 1
            )
            return cut(found, most)

        return await answer_list(
            *(office, listing, read, ListedPause),
            page=PausePage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @post(**acts("pause.add", 404))
    async def add(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewPause]
    ) -> Response[ListedPause]:
        """Stop creates for a while; all else goes on."""
        if data.endpoint is not None:
            desk.office.check_endpoint(data.endpoint)

        async def work(session: AsyncSession, actor: Actor) -> ListedPause:
            return await pause_creates(session, actor, **msgspec.structs.asdict(data))

        return await desk.act(work, status=201)

    @delete("/{pause_id:int}", **acts("pause.end", 404), status_code=200)
    async def end(self, desk: NamedDependency[AtDesk], pause_id: PathId) -> Response[ListedPause]:
        """Let creates on again, before the pause's own end."""

        async def work(session: AsyncSession, actor: Actor) -> ListedPause:
            return await end_pause(session, actor, pause_id)

        return await desk.act(work)


class Owners(Controller):
    path = "/admin/v1/owners"
    tags = ("Owners",)

    @get(**reads("owner.read", 404, streams=True))
    async def list_owners(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        tenant: FromQuery[str | None] = None,
        channel: FromQuery[str | None] = None,
        kind: FromQuery[Resource | None] = None,
        kling_id: Annotated[str | None, QueryParameter(name="id", max_length=CHARS_MAX)] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[OwnerPage]:
        """List whose things are, newest first, with those that expired or were deleted.

        `id`: Kling's, of one thing.
        """
        async with office.reading() as session:
            wanted = OwnerFilter(
                tenant_id=None if tenant is None else (await tenant_named(session, tenant)).id,
                channel_id=None if channel is None else (await channel_named(session, channel)).id,
                kind=kind,
                resource_id=kling_id,
            )

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedOwner], int | None]:
            asked = msgspec.structs.replace(wanted, before_id=before_id)
            found = await list_owners(session, asked, limit=most + 1)
            return found[:most], found[most - 1].row_id if len(found) > most else None

        return await answer_list(
            *(office, listing, read, ListedOwner),
            page=OwnerPage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @post(**acts("owner.claim", 404))
    async def claim(
        self, desk: NamedDependency[AtDesk], data: JSONBody[Claim]
    ) -> Response[Claimed]:
        """Give what a tenant made on your account before it came here to it."""
        lives = None if data.lives_s is None else timedelta(seconds=data.lives_s)

        async def work(session: AsyncSession, actor: Actor) -> Claimed:
            return await claim_owners(
                *(session, actor),
                tenant=data.tenant,
                channel=data.channel,
                kind=data.kind,
                ids=data.ids,
                lives=lives,
            )

        return await desk.act(work, status=201)


class Queue(Controller):
    path = "/admin/v1/queue"
    tags = ("Tasks",)

    @get(**reads("task.read"))
    async def show(self, office: NamedDependency[Office]) -> Lineup:
        """Say how many creates wait for room, and how long the first of them has."""
        async with office.reading() as session:
            return await read_lineup(session)


async def _rule(session: AsyncSession, name: str) -> ListedRule:
    for rule in (await read_alerts(session)).rules:
        if rule.name == name:
            return rule
    raise NoSuch("alert rule", name)
