"""Networks that an operator names: in a setting, or from where a token is taken."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

CLIENT_BITS = 64
"""Of IPv6 that one client has."""
WIDEST_IPV4, WIDEST_IPV6 = 8, 7
"""Bits of the widest networks that are anybody's own: 10.0.0.0/8 and fc00::/7."""


def check_networks(name: str, parts: Iterable[str], *, or_all: bool = False) -> None:
    """Check what a setting of that name has; `or_all`: `*` too.

    Raises:
        ValueError: with a sentence that names the setting.
    """
    for part in map(str.strip, parts):
        if or_all and part == "*":
            continue
        try:
            network = ip_network(part, strict=False)
        except ValueError as error:
            raise ValueError(f"{name} has '{part}', which is no address or network") from error
        widest = WIDEST_IPV4 if isinstance(network, IPv4Network) else WIDEST_IPV6
        if network.prefixlen < widest:
            instead = "; * is everyone" if or_all else ""
            raise ValueError(
                f"{name} has '{part}', which is wider than a /{widest}: name your own"
                f" networks{instead}"
            )


def is_address(name: str) -> bool:
    """Tell an address from a name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def read_networks(given: Iterable[str]) -> list[str] | None:
    """Spell addresses and networks in full; None where there are none.

    Raises:
        ValueError: one is neither, with a sentence.
    """
    networks = []
    for part in given:
        try:
            networks.append(str(ip_network(part.strip(), strict=False)))
        except ValueError as error:
            raise ValueError(f"'{part}' is no address or network, such as 10.0.0.0/8") from error
    return list(dict.fromkeys(networks)) or None


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Tell whether a client's address is in one of them; what is no address is in none."""
    try:
        at = plain_address(address)
    except ValueError:
        return False
    return any(at in ip_network(network) for network in networks)


def client_of(address: str) -> str:
    """Name a client by its address; of IPv6 by its network."""
    try:
        at = plain_address(address)
    except ValueError:
        return address
    if isinstance(at, IPv6Address):
        return str(IPv6Address(int(at) >> CLIENT_BITS << CLIENT_BITS))
    return str(at)


def plain_address(address: str) -> IPv4Address | IPv6Address:
    """Read an address; one of IPv4 that a socket of both kinds spells in IPv6 is IPv4.

    Raises:
        ValueError: it is none.
    """
    at = ip_address(address)
    return getattr(at, "ipv4_mapped", None) or at
