"""TLS: trusted and untrusted, on a real socket."""

import datetime as dt
import hashlib
import ipaddress
import ssl
from contextlib import aclosing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from relay.kling.transport import Body, NotSent, Transport
from tests.kling.transport_peer import Kind, answer_all, listen
from tests.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1 and the certificate it signed for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "peer.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path


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
