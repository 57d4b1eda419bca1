"""Which channels may take a request: the owner of what it names, else all that are able.

An id of another tenant, and one that we never learned, are refused as if they did not exist (T4),
unless the account shows it to everybody as a preset.
"""

import random
from contextlib import suppress

import structlog

from relay.channels.choose import in_order
from relay.channels.directory import ChannelDirectory
from relay.channels.groups import may_use, takes_model
from relay.channels.opened import OpenedChannel
from relay.database.cached import Cached
from relay.database.driver import Pool
from relay.errors import ThingDeleted, ThingNotFound, Unavailable
from relay.kling.endpoint import Endpoint, EndpointKind, Resource
from relay.kling.references import NamedResource
from relay.owners.learn import find_owners
from relay.pauses.in_force import Pauses
from relay.tasks.presets import Presets
from relay.tenants.caller import Caller

log = structlog.get_logger()


class ChannelChooser:
    """Finds channels for requests."""

    def __init__(
        self,
        pool: Pool,
        directory: ChannelDirectory,
        presets: Presets,
        pauses: Cached[Pauses],
    ) -> None:
        self._pool = pool
        self._directory = directory
        self._presets = presets
        self._pauses = pauses
        self._chance = random.Random()  # noqa: S311 (balances load, guards nothing)

    async def choose(
        self,
        caller: Caller,
        endpoint: Endpoint,
        named: list[NamedResource],
        *,
        model: str | None = None,
    ) -> list[OpenedChannel]:
        """Find the channels that may take it now, in the order to try them; at least one.

        `model`: as the price knows it, for pauses and for channels that take some models only.

        Raises:
            Paused: the operator stopped such creates, or all channels that are left.
            ThingNotFound, ThingDeleted, Unavailable: see `find`.
        """
        channels = await self.find(caller, endpoint, named, model=model)
        return await self.left_of(channels, caller, endpoint, model=model)

    async def left_of(
        self,
        channels: list[OpenedChannel],
        caller: Caller,
        endpoint: Endpoint,
        *,
        model: str | None = None,
    ) -> list[OpenedChannel]:
        """Keep those of `find` that are not paused; at least one, or raise Paused."""
        if endpoint.kind is EndpointKind.READ or endpoint.deletes is not None:
            return channels  # it makes nothing
        pauses = await self._pauses.get()
        return pauses.left_of(
            channels, whose={caller.tenant_id, caller.payer_id}, endpoint=endpoint.name, model=model
        )

    async def find(
        self,
        caller: Caller,
        endpoint: Endpoint,
        named: list[NamedResource],
        *,
        model: str | None = None,
    ) -> list[OpenedChannel]:
        """Find the channels that could take it, paused or not; at least one.

        Raises:
            ThingNotFound: it names what is not this tenant's, or things of two accounts.
            ThingDeleted: it deletes what this tenant has deleted before.
            Unavailable: no channel of its groups, or the owner is off.
        """
        makes_tasks = endpoint.kind in (EndpointKind.TASK, EndpointKind.CALL)
        told_model = None
        if makes_tasks and not endpoint.is_free:
            told_model = (model or endpoint.name).lower()
        channels = in_order(
            [
                channel
                for channel in await self._directory.all()
                if may_use(channel, caller.groups, is_test=caller.is_test)
                and (told_model is None or takes_model(channel, told_model))
            ],
            endpoint,
            chance=self._chance,
            makes_tasks=makes_tasks,
        )
        tenant_id = caller.tenant_id
        if named and channels:
            tied = await self._tied(tenant_id, endpoint, named, channels)
            if tied is not None:
                channels = [channel for channel in channels if channel.id in tied]
        if not channels:
            log.error("submit.no_channel", endpoint=endpoint.name)
            raise Unavailable
        return channels

    async def _tied(
        self,
        tenant_id: int,
        endpoint: Endpoint,
        named: list[NamedResource],
        channels: list[OpenedChannel],
    ) -> set[int] | None:
        """Find the channels that all named things live on, usually one; None if nothing is tied.

        What stands where no page has it ties nothing, as it may be no thing's; but what is known to
        be another tenant's stands nowhere, under whichever kind's name.
        """
        owners = await find_owners(self._pool, [one.id for one in named])
        tied: set[int] | None = None
        for one in named:
            if not one.is_documented:
                of_id = [owner.tenant_id for owner in owners if owner.id == one.id]
                if of_id and tenant_id not in of_id:
                    raise ThingNotFound(one.kind)
                continue
            of_it = [owner for owner in owners if (owner.kind, owner.id) == (one.kind, one.id)]
            ours = [owner for owner in of_it if owner.tenant_id == tenant_id]
            own = {owner.channel_id for owner in ours if not owner.is_deleted}
            if not own:
                if ours and endpoint.deletes is one.kind:
                    raise ThingDeleted(one.kind)
                if of_it or not await self._is_shared(one, endpoint, channels):
                    raise ThingNotFound(one.kind)
                continue
            tied = own if tied is None else tied & own
            if not tied:
                raise ThingNotFound(one.kind)
        return tied

    async def _is_shared(
        self, one: NamedResource, endpoint: Endpoint, channels: list[OpenedChannel]
    ) -> bool:
        if endpoint.deletes is not None:
            return False
        if endpoint.has_fixed_voices and one.kind is Resource.VOICE:
            return True
        for channel in channels:
            with suppress(Unavailable):
                return await self._presets.has(channel, one)
        # None of them tells: it may be there.
        raise Unavailable
