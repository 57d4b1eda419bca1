"""What all tests of the transports share; each such test runs over all of them."""

import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from relay.kling.http1_transport import Http1Transport
from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import Transport
from tests.kling.certificates import self_signed
from tests.kling.proxy_peer import listen_as_proxy
from tests.kling.transport_peer import Kind

KINDS: dict[str, Kind] = {"Http1Transport": Http1Transport, "HttpxTransport": HttpxTransport}


@pytest.fixture(params=[*KINDS, "http", "socks5"])
async def kind(request: pytest.FixtureRequest) -> AsyncIterator[Kind]:
    """Those without a proxy, and through one that makes tunnels as a good one does."""
    if request.param in KINDS:
        yield KINDS[request.param]
        return
    async with listen_as_proxy() as proxy:
        yield partial(Http1Transport, proxy=proxy.proxy(request.param))


@pytest.fixture
async def transport(kind: Kind) -> AsyncIterator[Transport]:
    async with aclosing(kind(reply_bytes_max=1000)) as made:
        yield made


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1 and the certificate it signed for itself."""
    path = tmp_path_factory.mktemp("tls") / "peer.pem"
    return self_signed(path, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))), path
