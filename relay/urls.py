"""What URLs of the settings may be, as far as it can be told without calling them."""

from urllib.parse import parse_qsl, urlsplit


def is_url(url: str) -> bool:
    """Tell whether it is one of http or https, with a host."""
    return _has_host(url, "http", "https")


def is_base_url(url: str) -> bool:
    """Tell whether paths can be put behind it."""
    return is_url(url) and not set(url) & set("?#")


def is_mail_server(url: str) -> bool:
    """Tell whether it is one that mail goes out by; to whom, is not its to say."""
    if not _has_host(url, "mailto", "mailtos") or set(url) & set("#;"):
        return False
    return not {name for name, _ in parse_qsl(urlsplit(url).query)} & {"to", "cc", "bcc"}


def _has_host(url: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname) and url.isascii() and " " not in url
