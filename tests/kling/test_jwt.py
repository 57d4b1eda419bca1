"""Bearers signed for channels, against the facts of docs/kling-api.md 2."""

import base64
import hashlib
import hmac
import json

import pytest

from relay.kling.jwt import JwtCache, lifetime_of, sign_jwt

NOW_S = 1_781_000_000


def _decode(segment: str) -> dict[str, object]:
    decoded: dict[str, object] = json.loads(base64.urlsafe_b64decode(segment + "=="))
    return decoded


def test_a_bearer_holds_exactly_what_every_public_client_sends() -> None:
    """Header alg and typ; claims iss, exp = now + 1800, nbf = now - 5, as integers; no other."""
    header, claims, _ = sign_jwt("AK", "SK", now_s=NOW_S).split(".")

    assert _decode(header) == {"alg": "HS256", "typ": "JWT"}
    assert _decode(claims) == {"iss": "AK", "exp": NOW_S + 1800, "nbf": NOW_S - 5}


def test_a_bearer_is_signed_with_the_raw_bytes_of_the_secret() -> None:
    """HMAC-SHA256 over the first two segments, unpadded base64url; recomputed here by hand."""
    signed, _, signature = sign_jwt("AK", "S3cret+/=", now_s=NOW_S).rpartition(".")

    digest = hmac.new(b"S3cret+/=", signed.encode(), hashlib.sha256).digest()
    assert signature == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_a_bearer_is_kept_until_five_minutes_before_its_end() -> None:
    """1499 s after signing it is still the same; at 1500 s it is a fresh one."""
    cache = JwtCache()
    first = cache.bearer(1, "AK", "SK", now_s=NOW_S)

    assert cache.bearer(1, "AK", "SK", now_s=NOW_S + 1499) == first
    assert cache.bearer(1, "AK", "SK", now_s=NOW_S + 1500) == sign_jwt(
        "AK", "SK", now_s=NOW_S + 1500
    )


def test_a_clock_that_went_back_signs_afresh() -> None:
    """A bearer of a future `nbf` would be refused with 1003."""
    cache = JwtCache()
    cache.bearer(1, "AK", "SK", now_s=NOW_S)

    again = cache.bearer(1, "AK", "SK", now_s=NOW_S - 60)

    assert again == sign_jwt("AK", "SK", now_s=NOW_S - 60)


def test_changed_keys_are_used_at_once() -> None:
    """Either half of the pair may be rotated; the cached bearer of the old pair is not used."""
    cache = JwtCache()
    cache.bearer(1, "AK", "SK", now_s=NOW_S)

    assert cache.bearer(1, "AK", "SK2", now_s=NOW_S) == sign_jwt("AK", "SK2", now_s=NOW_S)
    assert cache.bearer(1, "AK2", "SK2", now_s=NOW_S) == sign_jwt("AK2", "SK2", now_s=NOW_S)


def test_a_forgotten_channel_signs_afresh_and_others_keep_theirs() -> None:
    """After 1003 or 1004 only the channel that was refused gets another bearer."""
    cache = JwtCache()
    other = cache.bearer(2, "AK", "SK", now_s=NOW_S)
    cache.bearer(1, "AK", "SK", now_s=NOW_S)

    cache.forget(1)
    cache.forget(3)

    assert cache.bearer(1, "AK", "SK", now_s=NOW_S + 9) == sign_jwt("AK", "SK", now_s=NOW_S + 9)
    assert cache.bearer(2, "AK", "SK", now_s=NOW_S + 9) == other


def test_the_cache_stays_within_its_bound() -> None:
    """With room for two channels, a third pushes out the one signed longest ago."""
    cache = JwtCache(channels_max=2)
    for channel_id in (1, 2, 3):
        cache.bearer(channel_id, "AK", "SK", now_s=NOW_S)

    later = NOW_S + 1
    assert cache.bearer(3, "AK", "SK", now_s=later) == sign_jwt("AK", "SK", now_s=NOW_S)
    assert cache.bearer(2, "AK", "SK", now_s=later) == sign_jwt("AK", "SK", now_s=NOW_S)
    assert cache.bearer(1, "AK", "SK", now_s=later) == sign_jwt("AK", "SK", now_s=later)


@pytest.mark.parametrize("key", ["", "api-key-1", "a.b.c", "eyJhbGciOiJIUzI1NiJ9.e30.x"])
def test_only_what_is_signed_here_has_a_lifetime(key: str) -> None:
    """An API key is refused for no clock's sake."""
    assert lifetime_of(sign_jwt("AK", "SK", now_s=NOW_S)) == (NOW_S - 5, NOW_S + 1800)
    assert lifetime_of(key) is None
