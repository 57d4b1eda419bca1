"""The proxies of channels, asked for a tunnel to Kling: it costs nothing, and nothing goes in."""

import asyncio
from urllib.parse import urlsplit

from relay.channels.opened import OpenedChannel
from relay.desk.check.finding import Finding, bad, good
from relay.kling.proxy import Proxy
from relay.kling.transport import CONNECT_TIMEOUT_S, NotSent
from relay.kling.tunnel import dial


async def check_proxies(channels: list[OpenedChannel]) -> list[Finding]:
    """Ask those of enabled channels, all at once."""
    asked = [
        _check(channel, channel.way.proxy)
        for channel in channels
        if channel.enabled and channel.way is not None and channel.way.proxy is not None
    ]
    return list(await asyncio.gather(*asked))


async def _check(channel: OpenedChannel, proxy: Proxy) -> Finding:
    subject = f"proxy of {channel.name}"
    to_do = f"see that it runs and lets this machine through; `relay channel set {channel.name}"
    to_do += " --proxy …` names another"
    parts = urlsplit(channel.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    limit_s = (channel.way and channel.way.connect_timeout_s) or CONNECT_TIMEOUT_S
    try:
        async with asyncio.timeout(limit_s):
            (await dial(proxy, parts.hostname or "", port)).close()
    except NotSent as error:
        return bad(subject, error.reason, to_do)
    except TimeoutError:
        return bad(subject, f"{proxy} made no tunnel within {limit_s:g} s", to_do)
    return good(subject, f"{proxy} makes tunnels to {parts.hostname}")
