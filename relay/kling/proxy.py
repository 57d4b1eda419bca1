"""A proxy on a channel's way to Kling, as the operator names it; `tunnel.py` goes through it."""

from urllib.parse import quote, unquote, urlsplit

import msgspec

DEFAULT_PORTS = {"http": 3128, "socks5": 1080}


class Proxy(msgspec.Struct, frozen=True):
    """Never log its fields: it may hold a password. As text it is without."""

    scheme: str
    """http or socks5."""
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        user = "" if self.username is None else f"{quote(self.username, safe='')}@"
        return f"{self.scheme}://{user}{authority_of(self.host, self.port)}"

    def __repr__(self) -> str:
        return f"Proxy({str(self)!r})"


def read_proxy(url: str) -> Proxy:
    """Read `http://user:password@host:port` or `socks5://…`; the user is optional, and so the port.

    Raises:
        ValueError: with a sentence that repeats no password.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it cannot be read: a password with :, / or @ in it is escaped") from None
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise ValueError("it begins with http:// or socks5://, such as http://10.0.0.1:3128")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("it ends with its port; a password with :, / or @ in it is escaped")
    username = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    for name, part in (("host", host), ("user", username), ("password", password)):
        if part is not None and not (part.isascii() and part.isprintable()):
            raise ValueError(f"its {name} has printable ASCII characters only")
    if username is not None and ":" in username:
        raise ValueError("its user has no colon")
    return Proxy(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], username, password)


def authority_of(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
