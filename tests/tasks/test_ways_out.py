"""Which way a channel's calls take, and how long they may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from relay.channels.opened import OpenedChannel
from relay.kling.endpoints import ENDPOINTS
from relay.kling.http1_transport import Http1Transport
from relay.kling.jwt import JwtCache
from relay.kling.proxy import Proxy
from relay.kling.transport import MaybeSent, NotSent
from relay.kling.way import Way
from relay.tasks.upstream import Upstream
from tests.kling.proxy_peer import ProxyPeer, listen_as_proxy
from tests.kling.transport_peer import answer_all, hang, listen
from tests.waiting import PATIENCE_S

CLIP = next(one for one in ENDPOINTS if one.name == "text2video")


@pytest.fixture
async def proxy() -> AsyncIterator[ProxyPeer]:
    async with listen_as_proxy() as peer:
        yield peer


def channel(base_url: str, way: Way | None) -> OpenedChannel:
    return OpenedChannel(
        id=1,
        name="main",
        base_url=base_url,
        access_key=None,
        secret_key=None,
        api_key="an-api-key",
        way=way,
    )


async def create(upstream: Upstream, to: OpenedChannel) -> None:
    await upstream.create(to, CLIP, b"{}", timeout_s=to.patience_s(PATIENCE_S))


async def ask(upstream: Upstream, to: OpenedChannel, timeout_s: float) -> None:
    await upstream.query(to, CLIP, kling_id="1", injected_id="", timeout_s=timeout_s)


async def test_only_a_channel_with_a_proxy_goes_through_it(proxy: ProxyPeer) -> None:
    """With the proxy gone its calls are not sent, and never another way; others go on."""
    async with (
        listen(answer_all) as kling,
        aclosing(Http1Transport()) as usual,
        aclosing(Upstream(usual, JwtCache())) as upstream,
    ):
        await create(upstream, channel(kling.url, None))
        direct = proxy.tunnels
        await create(upstream, channel(kling.url, Way(proxy.proxy("http"))))
        await create(upstream, channel(kling.url, Way(proxy.proxy("http"))))
        gone = Way(Proxy("http", "127.0.0.1", 1))
        with pytest.raises(NotSent, match="cannot be reached"):
            await create(upstream, channel(kling.url, gone))
        await create(upstream, channel(kling.url, None))

    assert (direct, proxy.tunnels) == (0, 1)
    assert len(kling.requests) == 4


async def test_a_channels_own_timeout_ends_its_calls() -> None:
    """Of a create in place of the setting; of a question only where it is shorter."""
    short, long = Way(timeout_s=0.2), Way(timeout_s=PATIENCE_S)
    async with (
        listen(hang) as kling,
        aclosing(Http1Transport()) as usual,
        aclosing(Upstream(usual, JwtCache())) as upstream,
    ):
        with pytest.raises(MaybeSent):
            await create(upstream, channel(kling.url, short))
        for way, timeout_s in ((short, PATIENCE_S), (long, 0.2)):
            with pytest.raises(MaybeSent):
                async with asyncio.timeout(PATIENCE_S / 2):  # before the other one would end it
                    await ask(upstream, channel(kling.url, way), timeout_s)

    assert channel("", short).patience_s(60) == 0.2
    assert channel("", long).patience_s(1) == PATIENCE_S
    assert channel("", None).patience_s(60) == 60
