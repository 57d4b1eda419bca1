"""A tenant's callback URL as rows keep it: what may be a credential is sealed, and seen by nobody.

    https://***@hooks.example/kling?*** k1:…      `user:password@` and the query, sealed behind it
    https://hooks.example/kling                   nothing to seal: as it came

The seal is bound to the tenant, so that a row cannot be moved to another one. Once it is blanked,
the part in front is left, to which nothing is sent any more.
"""

import re

from relay.secrets import KeyRing

STARS = "***"
_PARTS = re.compile(r"(?s)([^:/?#]*://)?(?:([^/?#]*)@)?([^?#]*)([?#].*)?")


def keep_url(url: str, keys: KeyRing, *, tenant_id: int) -> str:
    """Spell a URL for its row."""
    if "@" not in url and "?" not in url and "#" not in url:
        return url
    shown = _masked(url)
    if STARS not in shown:
        return url  # what looked like it stands in its path
    return f"{shown} {keys.seal(url, context=url_context(tenant_id))}"


def show_url(kept: str) -> str:
    """Spell what people may see of it."""
    return kept.partition(" ")[0]


def open_url(kept: str, keys: KeyRing, *, tenant_id: int) -> str | None:
    """Read the URL; None once it is blanked.

    Raises:
        SecretKeyError: sealed for another tenant, or by a key that is not configured.
    """
    shown, _, sealed = kept.partition(" ")
    if sealed:
        return keys.open(sealed, context=url_context(tenant_id))
    return None if _is_blanked(shown) else shown


def _masked(url: str) -> str:
    scheme, own, place, rest = _split(url)
    shown_rest = f"{rest[0]}{STARS}" if len(rest) > 1 else rest
    return scheme + ("" if own is None else f"{STARS}@") + place + shown_rest


def _is_blanked(shown: str) -> bool:
    _, own, _, rest = _split(shown)
    return own == STARS or rest[1:] == STARS


def _split(url: str) -> tuple[str, str | None, str, str]:
    found = _PARTS.fullmatch(url)
    assert found is not None, "each of its parts may be empty"
    return found[1] or "", found[2], found[3], found[4] or ""


def url_context(tenant_id: int) -> str:
    """Spell what a tenant's URL is sealed for."""
    return f"tenants/{tenant_id}/callback_url"
