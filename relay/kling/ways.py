"""The transports of channels that have a way of their own (`way.py`)."""

from relay.kling.http1_transport import Http1Transport
from relay.kling.transport import CONNECT_TIMEOUT_S, Transport
from relay.kling.way import Way, trusting


def open_way(way: Way) -> Transport:
    """Open the transport of a way; whoever calls closes it."""
    return Http1Transport(
        proxy=way.proxy,
        tls=None if way.ca_pem is None else trusting(way.ca_pem),
        connect_timeout_s=way.connect_timeout_s or CONNECT_TIMEOUT_S,
    )


class Ways:
    """The transports of all ways that were asked for, each opened at its first use."""

    def __init__(self) -> None:
        self._opened: dict[Way, Transport] = {}
        """One that no channel has any more stays: it costs nothing once its connections are old."""

    def of(self, way: Way) -> Transport:
        transport = self._opened.get(way)
        if transport is None:
            transport = self._opened[way] = open_way(way)
        return transport

    async def aclose(self) -> None:
        for transport in self._opened.values():
            await transport.aclose()
