"""Free calls and shared lists: passed to Kling and back, without a hold and without a row.

What a call made is learned for the tenant before the tenant hears of it; what it deleted is
forgotten.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from relay.assets.given import GivenAssets
from relay.assets.links import by_their_ids
from relay.assets.store import StoreFailed
from relay.body_budget import Share
from relay.channels.opened import OpenedChannel
from relay.database.driver import Pool
from relay.errors import TimedOut, Unavailable
from relay.health.board import Board
from relay.health.condition import Need
from relay.kling.bare import no_verdict
from relay.kling.body import join_fields
from relay.kling.codes import ABOUT_THE_ACCOUNT, RESELLERS_BUSINESS
from relay.kling.endpoint import Endpoint
from relay.kling.lint.judge import check
from relay.kling.references import NamedResource, read_made
from relay.kling.strays import drop_ours, read_things
from relay.kling.transport import MaybeSent, NotSent, Reply
from relay.kling.wire import Envelope, Fields, read_envelope
from relay.owners.learn import forget, learn
from relay.tasks.choose_channel import ChannelChooser
from relay.tasks.failover import PassedOn, first_to_take
from relay.tasks.free_calls import Pace, SharedLists
from relay.tasks.upstream import Upstream
from relay.tenants.caller import Caller


class Passed(msgspec.Struct, frozen=True):
    """What Kling answered, in its own bytes."""

    reply: Reply
    envelope: Envelope
    channel: str
    """The name of the channel that answered."""
    is_remembered: bool = False
    """It answered another request before."""


class PassThrough:
    def __init__(
        self,
        pool: Pool,
        *,
        chooser: ChannelChooser,
        board: Board,
        upstream: Upstream,
        given: GivenAssets,
        timeout_s: float,
        calls_per_s: float,
    ) -> None:
        """`calls_per_s`: of one tenant, by this process."""
        self._pool = pool
        self._chooser = chooser
        self._board = board
        self._upstream = upstream
        self._given = given
        self._timeout_s = timeout_s
        self._pace = Pace(calls_per_s)
        self._lists: SharedLists[Passed] = SharedLists()

    async def call(
        self, caller: Caller, endpoint: Endpoint, fields: Fields, *, body: Share | None = None
    ) -> Passed:
        """Pass one free call to the channel of what it names, or to the first that takes it.

        `body`: what the call's body has of the budget of such.

        Raises:
            TooManyCalls: of this tenant; Kling was not asked.
            RelayError: what the tenant is told instead of Kling's answer.
        """
        self._pace.take(caller.payer_id)
        drop_ours(fields)
        if caller.lints_creates:
            check(endpoint, fields)
        if endpoint.deletes is not None:
            _keep_documented(endpoint, fields)
        named = read_things(endpoint, fields)
        async with self._with_files(caller, endpoint, fields, body) as sent:
            return await self._send(caller, endpoint, named, sent, names_files=sent is not fields)

    async def _send(
        self,
        caller: Caller,
        endpoint: Endpoint,
        named: list[NamedResource],
        sent: Fields,
        *,
        names_files: bool,
    ) -> Passed:
        async def attempt(
            channel: OpenedChannel, _: PassedOn[Passed] | None
        ) -> Passed | PassedOn[Passed]:
            try:
                reply = await self._upstream.create(
                    channel,
                    endpoint,
                    join_fields(sent),
                    timeout_s=channel.patience_s(self._timeout_s),
                )
            except NotSent as error:
                return PassedOn(f"{channel.name}: not sent, {error.reason}")
            except MaybeSent as error:
                raise TimedOut from error
            if names_files:
                reply = msgspec.structs.replace(reply, body=by_their_ids(reply.body))
            envelope = read_envelope(reply)
            if envelope is None:
                raise no_verdict(reply)
            passed = Passed(reply, envelope, channel.name)
            if envelope.code in ABOUT_THE_ACCOUNT:
                return PassedOn(
                    f"{channel.name}: code {envelope.code}, {envelope.message}",
                    refusal=None if envelope.code in RESELLERS_BUSINESS else passed,
                )
            if envelope.code == 0:
                await self._learn(caller, endpoint, channel, named, envelope)
            return passed

        chosen = await self._chooser.choose(caller, endpoint, named)
        channels = await self._board.able_first(chosen, Need(caller.tenant_id))
        outcome = await first_to_take(channels, attempt, what="call")
        return _taken(outcome)

    @asynccontextmanager
    async def _with_files(
        self, caller: Caller, endpoint: Endpoint, fields: Fields, body: Share | None
    ) -> AsyncIterator[Fields]:
        """Put files of ours where a call names them, for as long as it is sent.

        Gives the fields themselves if it names none.
        """
        checked = await self._given.check(caller.tenant_id, endpoint.name, fields)
        if checked is fields:
            yield fields
            return
        async with AsyncExitStack() as held:
            put = self._given.put(
                *(endpoint.name, checked),
                tenant_id=caller.tenant_id,
                account_id=caller.account_id,
                beside=body,
            )
            try:
                async with asyncio.timeout(self._timeout_s):
                    sent = await held.enter_async_context(put)
            except (StoreFailed, TimeoutError) as error:
                raise Unavailable from error
            yield sent

    async def read(self, caller: Caller, endpoint: Endpoint, query_string: bytes) -> Passed:
        """Get what all tenants share from the first channel that answers, or what it answered.

        Raises:
            TooManyCalls: of this tenant, for what is not remembered; Kling was not asked.
            Unavailable: no channel answered.
        """

        async def attempt(
            channel: OpenedChannel, _: PassedOn[Passed] | None
        ) -> Passed | PassedOn[Passed]:
            try:
                reply = await self._upstream.read(
                    channel, endpoint, query_string, timeout_s=self._timeout_s
                )
            except (NotSent, MaybeSent) as error:
                return PassedOn(f"{channel.name}: {error.reason}")
            envelope = read_envelope(reply)
            if envelope is None or envelope.code in ABOUT_THE_ACCOUNT:
                return PassedOn(f"{channel.name}: HTTP {reply.status}")
            return Passed(reply, envelope, channel.name)

        chosen = await self._chooser.choose(caller, endpoint, [])
        channels = await self._board.able_first(chosen, Need(caller.tenant_id))
        key = (channels[0].id, endpoint.name, query_string)
        remembered = self._lists.get(key)
        if remembered is not None:
            return remembered
        self._pace.take(caller.payer_id)
        passed = _taken(await first_to_take(channels, attempt, what="read"))
        if passed.envelope.code == 0:
            again = msgspec.structs.replace(passed, is_remembered=True)
            self._lists.keep(key, again, size=len(passed.reply.body))
        return passed

    async def _learn(
        self,
        caller: Caller,
        endpoint: Endpoint,
        channel: OpenedChannel,
        named: list[NamedResource],
        envelope: Envelope,
    ) -> None:
        """Keep whose the things are that it made, and forget those that it deleted."""
        if isinstance(envelope.data, msgspec.Raw):
            await learn(
                self._pool,
                channel_id=channel.id,
                tenant_id=caller.tenant_id,
                made=read_made(envelope.data),
            )
        if endpoint.deletes is not None:
            await forget(
                self._pool,
                channel_id=channel.id,
                tenant_id=caller.tenant_id,
                kind=endpoint.deletes,
                ids=[one.id for one in named if one.is_documented],
            )


def _taken(outcome: Passed | PassedOn[Passed]) -> Passed:
    if isinstance(outcome, Passed):
        return outcome
    if outcome.refusal is None:
        raise Unavailable
    return outcome.refusal


def _keep_documented(endpoint: Endpoint, fields: Fields) -> None:
    """Leave nothing but what a delete is known to delete: Kling may know of more than it says."""
    documented = {reference.path for reference in endpoint.references}
    for name in fields.keys() - documented:
        del fields[name]
