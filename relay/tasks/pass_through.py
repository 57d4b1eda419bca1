"""Free calls and shared lists: passed to Kling and back, without a hold and without a row.

What a call made is learned for the tenant before the tenant hears of it; what it deleted is
forgotten.
"""

from decimal import Decimal

import msgspec
import structlog

from relay.channels.channel import Channel
from relay.database.driver import Pool
from relay.errors import TimedOut, Unavailable
from relay.kling.body import join_fields, take_text
from relay.kling.codes import ABOUT_THE_ACCOUNT, RESELLERS_BUSINESS
from relay.kling.endpoint import Endpoint
from relay.kling.references import Named, read_made, read_named
from relay.kling.transport import MaybeSent, NotSent, Reply
from relay.kling.wire import Envelope, Fields, read_envelope
from relay.owners.own import forget, learn
from relay.pricing.book import FREE, Pack
from relay.pricing.quote import Quote, UnitPrices
from relay.tasks.place import Places
from relay.tasks.submit import Answer
from relay.tasks.upstream import Upstream
from relay.tasks.view import Shown, show_data
from relay.tenants.tokens import Caller

log = structlog.get_logger()

_NOTHING = Quote(
    row=FREE,
    wanted="",
    pack=Pack.VIDEO,
    prices=UnitPrices(video_micros=0, image_micros=0),
    list_unit_micros=0,
    unit_micros=Decimal(0),
    seconds=0,
    is_open=False,
    hold_micros=0,
)


class PassThrough:
    def __init__(self, pool: Pool, *, places: Places, upstream: Upstream, timeout_s: float) -> None:
        self._pool = pool
        self._places = places
        self._upstream = upstream
        self._timeout_s = timeout_s

    async def call(self, caller: Caller, endpoint: Endpoint, fields: Fields) -> Answer:
        """Pass one free call to the channel of what it names, or to the first that takes it.

        Raises:
            RelayError: what the tenant is told instead of Kling's answer.
        """
        for path in (endpoint.callback_field, endpoint.external_id_field):
            take_text(fields, path, chars_max=1 << 20)
        named = read_named(endpoint, fields)
        channels = await self._places.channels_for(caller.tenant_id, endpoint, named)
        refusal: Answer | None = None
        for channel in channels:
            try:
                reply = await self._upstream.create(
                    channel, endpoint, join_fields(fields), timeout_s=self._timeout_s
                )
            except NotSent as error:
                log.warning("call.not_sent", channel=channel.name, reason=error.reason)
                continue
            except MaybeSent as error:
                raise TimedOut from error
            envelope = read_envelope(reply)
            if envelope is None:
                raise TimedOut
            if envelope.code in RESELLERS_BUSINESS:
                log.warning("call.channel_refused", channel=channel.name, code=envelope.code)
                continue
            body = reply.body
            if envelope.code == 0:
                body = await self._show(caller, channel, reply, envelope)
                await self._forget(caller, endpoint, channel, named)
            answer = Answer(
                reply.status,
                body,
                retry_after=reply.retry_after,
                code=envelope.code,
                channel=channel.name,
            )
            if envelope.code not in ABOUT_THE_ACCOUNT:
                return answer
            refusal = answer
        if refusal is None:
            raise Unavailable
        return refusal

    async def read(self, caller: Caller, endpoint: Endpoint, query_string: bytes) -> Answer:
        """Get what all tenants share from the first channel that answers."""
        for channel in await self._places.channels_for(caller.tenant_id, endpoint, []):
            try:
                reply = await self._upstream.read(
                    channel, endpoint, query_string, timeout_s=self._timeout_s
                )
            except (NotSent, MaybeSent) as error:
                log.warning("read.unanswered", channel=channel.name, reason=error.reason)
                continue
            envelope = read_envelope(reply)
            if envelope is not None and envelope.code not in ABOUT_THE_ACCOUNT:
                return Answer(reply.status, reply.body, code=envelope.code, channel=channel.name)
        raise Unavailable

    async def _show(
        self, caller: Caller, channel: Channel, reply: Reply, envelope: Envelope
    ) -> bytes:
        """Learn what was made, and show the reply as the tenant's own."""
        if not isinstance(envelope.data, msgspec.Raw):
            return reply.body
        made = read_made(envelope.data)
        await learn(self._pool, channel_id=channel.id, tenant_id=caller.tenant_id, made=made)
        shown = Shown(
            tenant_id=caller.tenant_id, tenant_external_id=None, quote=_NOTHING, charged_micros=0
        )
        return show_data(reply.body, shown)

    async def _forget(
        self, caller: Caller, endpoint: Endpoint, channel: Channel, named: list[Named]
    ) -> None:
        if endpoint.deletes is not None:
            await forget(
                self._pool,
                channel_id=channel.id,
                tenant_id=caller.tenant_id,
                kind=endpoint.deletes,
                ids=[one.id for one in named],
            )
