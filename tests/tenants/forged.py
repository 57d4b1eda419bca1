"""JWTs built by hand: what no library would sign."""

import base64
import hashlib
import hmac
import json
from typing import Any


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def forge(
    claims: dict[str, Any] | bytes,
    *,
    secret: str,
    header: dict[str, Any] | bytes = b'{"alg":"HS256"}',
    digest: str = "sha256",
) -> str:
    """Sign anything; dicts as JSON with Python's NaN, big integers and escapes."""
    parts = (
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)
    )
    signed = ".".join(encoded(part) for part in parts)
    mac = hmac.new(secret.encode(), signed.encode(), getattr(hashlib, digest)).digest()
    return f"{signed}.{encoded(mac)}"
