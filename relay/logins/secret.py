"""What a browser shows, and what of it is stored."""

import secrets as entropy
from hashlib import sha256


def new_secret() -> str:
    """Draw 256 bits, as text for a cookie or an address."""
    return entropy.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    return sha256(secret.encode(errors="surrogatepass")).digest()


def csrf_of(secret: str) -> str:
    """Spell what forms of a session carry: it follows from the cookie's secret, and tells none."""
    return sha256(b"csrf:" + secret.encode(errors="surrogatepass")).hexdigest()


def printable(text: str) -> str:
    """Take out of what a browser says of itself whatever no terminal should get."""
    return "".join(char if char.isprintable() else "?" for char in text)
