"""What a browser shows, and what of it is stored."""

import secrets as entropy
from hashlib import sha256


def new_secret() -> str:
    """Draw 256 bits, as text for a cookie or an address."""
    return entropy.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    return sha256(secret.encode(errors="surrogatepass")).digest()
