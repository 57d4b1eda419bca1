"""TLS: trusted and untrusted, on a real socket."""

import hashlib
import ssl
from contextlib import aclosing
from pathlib import Path

import pytest

from relay.kling.transport import Body, NotSent, Transport
from tests.kling.transport_peer import Kind, answer_all, listen
from tests.waiting import PATIENCE_S


async def test_a_large_body_goes_out_over_tls(
    kind: Kind, tls_server: tuple[ssl.SSLContext, Path]
) -> None:
    """5 MB in parts arrive whole; the peer's certificate is one that we were told to trust."""
    server, certificate = tls_server
    trusting = ssl.create_default_context(cafile=certificate)
    parts: Body = [b"{", memoryview(bytes(5_000_000)), b"}"]
    async with listen(answer_all, tls=server) as peer, aclosing(kind(tls=trusting)) as transport:
        await transport.send("POST", peer.url, bearer="b", body=parts, timeout_s=PATIENCE_S)

    digest = hashlib.sha256(b"{" + bytes(5_000_000) + b"}").digest()
    assert [request.digest for request in peer.requests] == [digest]


async def test_a_certificate_that_is_not_trusted_is_not_sent(
    transport: Transport, tls_server: tuple[ssl.SSLContext, Path]
) -> None:
    """The handshake ends before a byte of HTTP; certificates are checked by default."""
    async with listen(answer_all, tls=tls_server[0]) as peer:
        with pytest.raises(NotSent):
            await transport.send("POST", peer.url, bearer="b", body=b"{}", timeout_s=PATIENCE_S)

    assert peer.requests == []
