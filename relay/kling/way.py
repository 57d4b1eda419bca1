"""How the calls of one channel go out, where that is not the usual way."""

import hashlib
import re
import ssl

import msgspec

from relay.kling.proxy import Proxy


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
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def certificates_of(pem: str) -> str:
    """Take the certificates of a file alone: some have their private key beside them."""
    return "".join(f"{one}\n" for one in _CERTIFICATE.findall(pem))


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
