"""Calls to Kling on behalf of a channel."""

import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from relay.channels.opened import OpenedChannel
from relay.counts import Counts, elsewhere
from relay.health.condition import Admission
from relay.health.observer import Observer
from relay.kling.bare import in_envelope
from relay.kling.clock import UpstreamClocks
from relay.kling.codes import RESIGN
from relay.kling.endpoint import Credential, Endpoint
from relay.kling.endpoints import QUERY_PATHS
from relay.kling.jwt import JwtCache, lifetime_of
from relay.kling.mend import mend_reply
from relay.kling.outcome import Outcome, outcome_of, outcome_without_reply
from relay.kling.transport import Body, NotSent, NoUsableReply, Reply, Transport
from relay.kling.ways import Ways
from relay.kling.wire import read_envelope


class _Call(NamedTuple):
    operation: str
    """For counts: create, query or read."""
    method: str
    path: str
    body: Body | None = None
    admission: Admission | None = None
    """Of a create that costs."""


class Upstream:
    """Signs and sends; what a reply means is judged by whoever asked."""

    def __init__(
        self,
        transport: Transport,
        jwts: JwtCache,
        *,
        counts: Counts | None = None,
        observer: Observer | None = None,
    ) -> None:
        """`observer`: learns how channels do; None where nobody is to, as in a trial."""
        self.transport = transport
        """The usual one, of channels without a way of their own."""
        self._jwts = jwts
        self._counts = counts or Counts()
        self._observer = observer
        self._clocks = UpstreamClocks()
        self._ways = Ways()

    async def aclose(self) -> None:
        """Close what it opened for channels with a way of their own; not its transport."""
        await self._ways.aclose()

    async def create(
        self,
        channel: OpenedChannel,
        endpoint: Endpoint,
        body: Body,
        *,
        timeout_s: float,
        model: str | None = None,
        admission: Admission | None = None,
    ) -> Reply:
        """Send a create or a call; `model` stands in the path where the endpoint wants it.

        `admission`: by which the channel may have what costs; None of what is free.

        Raises:
            NotSent, MaybeSent: see `kling/transport.py`.
        """
        path = endpoint.path
        if model is not None:
            path = path.replace("{model}", quote(model, safe=""))
        call = _Call("create", "POST", path, body, admission)
        return await self._call(channel, endpoint, call, timeout_s=timeout_s)

    async def query(
        self,
        channel: OpenedChannel,
        endpoint: Endpoint,
        *,
        kling_id: str | None,
        injected_id: str,
        timeout_s: float,
    ) -> Reply:
        """Ask about one task by Kling's id, or by the external id that we injected.

        Raises:
            NotSent, MaybeSent: no answer; nothing can be concluded.
        """
        key = quote(kling_id or injected_id, safe="")
        many = QUERY_PATHS.get(endpoint.generation)
        if many is None:
            path = f"{endpoint.path}/{key}"
        else:
            path = f"{many}?{'task_ids' if kling_id else 'external_task_ids'}={key}"
        return await self._call(channel, endpoint, _Call("query", "GET", path), timeout_s=timeout_s)

    async def read(
        self, channel: OpenedChannel, endpoint: Endpoint, query_string: bytes, *, timeout_s: float
    ) -> Reply:
        """Get a list: what all tenants share, or the account's tasks of one endpoint.

        Raises:
            NotSent, MaybeSent: no answer.
        """
        # As the client escaped it; what no URL can hold is escaped now.
        query = quote(query_string, safe="=&%+,:;@/?-._~")
        path = f"{endpoint.path}?{query}" if query else endpoint.path
        return await self._call(channel, endpoint, _Call("read", "GET", path), timeout_s=timeout_s)

    async def list_page(
        self,
        channel: OpenedChannel,
        endpoint: Endpoint,
        asked: Mapping[str, object],
        *,
        timeout_s: float,
    ) -> Reply:
        """Get a page of the list that all endpoints of this one's generation share, by cursor.

        Raises:
            NotSent, MaybeSent: no answer.
        """
        call = _Call("read", "POST", QUERY_PATHS[endpoint.generation], msgspec.json.encode(asked))
        return await self._call(channel, endpoint, call, timeout_s=timeout_s)

    async def bill_page(
        self,
        channel: OpenedChannel,
        endpoint: Endpoint,
        asked: Mapping[str, object],
        *,
        timeout_s: float,
    ) -> Reply:
        """Get a page of what the account was charged, by cursor; `endpoint` is the list.

        Raises:
            NotSent, MaybeSent: no answer.
        """
        call = _Call("read", "POST", endpoint.path, msgspec.json.encode(asked))
        return await self._call(channel, endpoint, call, timeout_s=timeout_s)

    async def _call(
        self, channel: OpenedChannel, endpoint: Endpoint, call: _Call, *, timeout_s: float
    ) -> Reply:
        bearer = self._bearer(channel, endpoint)
        if self._observer is None:
            return await self._signed(channel, endpoint, call, bearer, timeout_s=timeout_s)
        try:
            reply = await self._signed(channel, endpoint, call, bearer, timeout_s=timeout_s)
        except NoUsableReply as error:
            self._observer.failed(channel, call.admission, error)
            raise
        self._observer.answered(channel, call.admission, reply)
        return reply

    async def _signed(
        self,
        channel: OpenedChannel,
        endpoint: Endpoint,
        call: _Call,
        bearer: str,
        *,
        timeout_s: float,
    ) -> Reply:
        began = time.monotonic()
        reply = await self._send(channel, call, bearer, timeout_s=timeout_s)
        envelope = read_envelope(reply) if reply.status == 401 else None  # noqa: PLR2004
        if envelope is not None and envelope.code in RESIGN:
            # Our clock or the cached token is off; Kling refused, so nothing was made.
            lifetime = lifetime_of(bearer)
            if lifetime is not None:
                self._clocks.note_refused(channel.base_url, reply.date, lifetime)
            self._jwts.forget(channel.id)
            bearer = self._bearer(channel, endpoint)
            left_s = max(1.0, timeout_s - (time.monotonic() - began))
            reply = await self._send(channel, call, bearer, timeout_s=left_s)
        return reply

    async def _send(
        self, channel: OpenedChannel, call: _Call, bearer: str, *, timeout_s: float
    ) -> Reply:
        began = time.perf_counter()
        transport = self.transport
        if channel.way is not None:
            transport = self._ways.of(channel.way)
            timeout_s = min(timeout_s, channel.patience_s(timeout_s))
        try:
            with elsewhere():
                reply = await transport.send(
                    call.method,
                    channel.base_url + call.path,
                    bearer=bearer,
                    body=call.body,
                    timeout_s=timeout_s,
                )
        except NoUsableReply as error:
            self._count(channel, call, outcome_without_reply(error), "", began=began)
            raise
        self._clocks.note(channel.base_url, reply.date)
        reply = mend_reply(reply)
        body = channel.without_secrets(reply.body, bearer.encode())
        if body is not reply.body:
            reply = msgspec.structs.replace(reply, body=body)
        reply = in_envelope(reply)
        self._count(channel, call, *outcome_of(reply), began=began)
        return reply

    def _count(
        self, channel: OpenedChannel, call: _Call, outcome: Outcome, code: str, *, began: float
    ) -> None:
        took_s = time.perf_counter() - began
        self._counts.kling_calls.add(channel.name, call.operation, outcome.value, code)
        self._counts.kling_seconds.add(took_s, channel.name, call.operation)

    def _bearer(self, channel: OpenedChannel, endpoint: Endpoint) -> str:
        kinds = channel.credentials & endpoint.credentials
        if Credential.KEY_PAIR in kinds:
            assert channel.access_key, "a key pair has both (constraint)"
            assert channel.secret_key, "a key pair has both (constraint)"
            return self._jwts.bearer(
                channel.id,
                channel.access_key,
                channel.secret_key,
                now_s=self._clocks.now_s(channel.base_url),
            )
        if not channel.api_key:
            raise NotSent("the channel's keys cannot be opened")
        return channel.api_key
