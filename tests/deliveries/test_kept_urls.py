"""Credentials in a tenant's callback URL: shown to nobody, and sealed for the tenant."""

import pytest

from relay.deliveries.kept_url import keep_url, open_url, show_url
from relay.secrets import KeyRing, SecretKeyError, new_secret_key

KEYS = KeyRing.parse(new_secret_key())

SEALED = [
    ("https://user:pass@h.example/a", "https://***@h.example/a"),
    ("https://token@h.example", "https://***@h.example"),
    ("https://h.example:8443/a?key=secret&b=1", "https://h.example:8443/a?***"),
    ("https://u:p%40s@h.example/?k=a@b#frag", "https://***@h.example/?***"),
    ("https://h.example/a#token", "https://h.example/a#***"),
    ("https://a@b@h.example/", "https://***@h.example/"),
    ("https://***@h.example/?***", "https://***@h.example/?***"),
]


@pytest.mark.parametrize(("url", "shown"), SEALED)
def test_what_may_be_a_credential_is_sealed(url: str, shown: str) -> None:
    """Only the rest can be read in the row; it opens for its tenant alone, and not once blanked."""
    kept = keep_url(url, KEYS, tenant_id=7)

    assert show_url(kept) == kept.partition(" ")[0] == shown
    assert open_url(kept, KEYS, tenant_id=7) == url
    with pytest.raises(SecretKeyError):
        open_url(kept, KEYS, tenant_id=8)
    assert open_url(shown, KEYS, tenant_id=7) is None


@pytest.mark.parametrize(
    "url",
    ["https://h.example/a", "http://[::1]:80/@a", "https://h.example/a?", "https://é.example"],
)
def test_what_holds_none_stays_as_it_is(url: str) -> None:
    """Nothing is sealed, shown otherwise, or lost."""
    assert keep_url(url, KEYS, tenant_id=7) == show_url(url) == url
    assert open_url(url, KEYS, tenant_id=7) == url
