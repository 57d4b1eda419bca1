"""How the calls of one channel go out, where that is not the usual way."""

import hashlib
import ssl

import msgspec

from relay.kling.http1_transport import Http1Transport
from relay.kling.proxy import Proxy
from relay.kling.transport import CONNECT_TIMEOUT_S, Transport


class Way(msgspec.Struct, frozen=True):
    """What a channel has of its own; never log one: its proxy may have a password."""

    proxy: Proxy | None = None
    ca_pem: str | None = None
    """Certificates that are trusted in place of the system's."""
    connect_timeout_s: float | None = None
    """To the proxy, through it, and TLS: together."""
    timeout_s: float | None = None
    """Of a whole call: of a create in place of the setting, of a question if it is shorter."""

    @property
    def is_usual(self) -> bool:
        return self == USUAL

    @property
    def ca_sha256(self) -> str | None:
        """Tell one file of certificates from another."""
        return None if self.ca_pem is None else hashlib.sha256(self.ca_pem.encode()).hexdigest()


USUAL = Way()


def open_way(way: Way) -> Transport:
    """Open the transport of a way; whoever calls closes it."""
    return Http1Transport(
        proxy=way.proxy,
        tls=None if way.ca_pem is None else trusting(way.ca_pem),
        connect_timeout_s=way.connect_timeout_s or CONNECT_TIMEOUT_S,
    )


def trusting(ca_pem: str) -> ssl.SSLContext:
    """Trust these certificates and no others.

    Raises:
        ssl.SSLError, ValueError: there is none in it.
    """
    context = ssl.create_default_context(cadata=ca_pem)
    if not context.cert_store_stats()["x509"]:
        raise ValueError("no certificate")
    context.set_alpn_protocols(["http/1.1"])
    return context


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
