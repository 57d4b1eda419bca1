"""Networks that an operator names in a setting."""

from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network

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
