"""From where a token is taken."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


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


def plain_address(address: str) -> IPv4Address | IPv6Address:
    """Read an address; one of IPv4 that a socket of both kinds spells in IPv6 is IPv4.

    Raises:
        ValueError: it is none.
    """
    at = ip_address(address)
    return getattr(at, "ipv4_mapped", None) or at
