"""Where Kling keeps what it made. Nobody has seen all of its hosts: one row here for one more."""

from urllib.parse import urlsplit

HOSTS = ("klingai.com", "kechuangai.com", "kwimgs.com", "kwaicdn.com")
"""Kling's, with all names below them; the second is of the mainland."""
HTTPS_PORT = 443
PORTS = {"https": HTTPS_PORT, "http": 80}


def is_of_kling(url: str) -> bool:
    """Tell whether a URL leads to a host of Kling's own, by https; nothing is fetched."""
    origin = origin_of(url)
    if origin is None:
        return False
    scheme, host, port = origin
    is_listed = any(host == one or host.endswith(f".{one}") for one in HOSTS)
    return is_listed and (scheme, port) == ("https", HTTPS_PORT)


def is_of_same_origin(url: str, other: str) -> bool:
    """Tell whether two URLs lead to one scheme, host and port."""
    origin = origin_of(url)
    return origin is not None and origin == origin_of(other)


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Read a URL's scheme, host and port; None if it has none, or names a user."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port
