"""Which addresses a tenant's callback may be dialled at.

A URL is a tenant's word, so without this a tenant could make us talk to what only we can reach. The
judge is `CallbackGuard.open_socket`: the connector calls it with the very address that it dials
next, after the name was resolved, so a name that changes its address between two lookups wins
nothing, and a refusal happens before there is a socket.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import structlog

log = structlog.get_logger()

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
AddressInfo = tuple[
    int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]
]
"""As `getaddrinfo` returns them."""

REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carriers"),  # and Alibaba's metadata, 100.100.100.200
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "metadata of Azure"),
        ("169.254.0.0/16", "link-local"),  # and most clouds' metadata, 169.254.169.254
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "6to4"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "this host"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),  # and Amazon's metadata, fd00:ec2::254
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
"""By IANA's registries of special-purpose addresses, with what they are for."""

GLOBAL_IPV6 = IPv6Network("2000::/3")
"""The only part of IPv6 that is handed out to the public."""


class AddressRefused(OSError):
    """The address may not be dialled. No socket was opened.

    The words say nothing of the address: the tenant reads them, and how our resolver sees a name is
    not the tenant's to know. The log has it.
    """

    def __init__(self) -> None:
        super().__init__("the address is not a public one")


class CallbackGuard:
    """Judges addresses; `allowed` are the operator's exceptions, such as its own networks."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def open_socket(self, info: AddressInfo) -> socket.socket:
        """Make the socket for an address that is about to be dialled.

        Raises:
            AddressRefused: instead of a socket.
        """
        family, kind, protocol, _, place = info
        why = self.why_refused(str(place[0]))
        if why is not None:
            log.warning("delivery.address_refused", address=str(place[0]), why=why)
            raise AddressRefused
        return socket.socket(family=family, type=kind, proto=protocol)

    def why_refused(self, text: str) -> str | None:
        """Say why an address may not be dialled, or None if it may."""
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return "no address"
        if any(address in network for network in self._allowed):
            return None
        for network, why in REFUSED:
            if address in network:
                return why
        is_public = address in GLOBAL_IPV6 if address.version == 6 else address.is_global  # noqa: PLR2004
        return None if is_public else "reserved"

    def why_unusable(self, url: str) -> str | None:
        """Say why a URL cannot be a callback's, as far as it can be told without its name.

        Names are judged when they are dialled, addresses in any spelling at once.
        """
        try:
            parts = urlsplit(url)
            is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
            address = read_literal(parts.hostname or "")
        except ValueError:
            return "must be an http or https URL"
        if not is_usable or not url.isprintable() or any(char.isspace() for char in url):
            return "must be an http or https URL"
        if address is not None and self.why_refused(str(address)) is not None:
            return "must be a public address"
        return None


def read_literal(host: str) -> Address | None:
    """Read a host as an address, also as `127.1`, `2130706433`, `0x7f.1` or `017700000001`."""
    bare = host.strip("[]").rstrip(".").partition("%")[0]
    try:
        return ip_address(bare)
    except ValueError:
        pass
    try:
        # The C library's own reading of the short, octal and hexadecimal spellings.
        return IPv4Address(socket.inet_aton(bare))
    except (OSError, UnicodeEncodeError):
        return None
