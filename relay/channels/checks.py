"""What an operator gives for a channel, checked."""

import base64
import binascii
import ssl
from urllib.parse import urlsplit

from relay.kling.way import Way, trusting

TIMEOUT_MIN_S, TIMEOUT_MAX_S = 0.1, 3600.0
WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 (the public beginning of every such secret)


def normalised_base_url(url: str) -> str:
    """Cut what clients write behind the host: a trailing slash, `/v1`.

    Raises:
        ValueError: with a sentence.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"'{url}' is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(
            f"'{url}' must begin with https://, such as https://api-singapore.klingai.com"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("a base URL has no user, no query and no fragment")
    if not url.isascii() or not url.strip().isprintable() or " " in url.strip():
        raise ValueError("a base URL has ASCII characters only, and no white space")
    path = parts.path.rstrip("/")
    path = path.removesuffix("/v1").rstrip("/")
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{f':{port}' if port is not None else ''}{path}"


def check_way(way: Way | None) -> None:
    """Check certificates and timeouts; what is a proxy is read by `kling/proxy.py`.

    Raises:
        ValueError: with a sentence.
    """
    if way is None:
        return
    if way.ca_pem is not None:
        try:
            trusting(way.ca_pem)
        except (ssl.SSLError, ValueError):
            raise ValueError("there is no certificate in it that can be read (PEM)") from None
    for limit_s in (way.connect_timeout_s, way.timeout_s):
        if limit_s is not None and not TIMEOUT_MIN_S <= limit_s <= TIMEOUT_MAX_S:
            raise ValueError(f"a timeout is {TIMEOUT_MIN_S:g} to {TIMEOUT_MAX_S:g} s")


def checked_webhook_secret(secret: str) -> str:
    """Check a Standard Webhooks secret: `whsec_` and base64 (docs/kling-api.md 6).

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook secret is 'whsec_' and base64, as Kling's console shows it")
    return secret
