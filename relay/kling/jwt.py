"""Bearers for channels that hold an AccessKey and SecretKey pair.

Source: docs/kling-api.md 2, "Auth B"; identical in more than ten clients.
"""

import json
from typing import NamedTuple

from jwt import DecodeError, PyJWS
from jwt.algorithms import HMACAlgorithm

LIFETIME_S = 1800
NOT_BEFORE_SKEW_S = 5
RENEW_BEFORE_S = 300
"""Longer than any call and than any plausible difference of clocks."""


class _KlingHs256(HMACAlgorithm):
    def check_key_length(self, key: bytes) -> str | None:  # noqa: ARG002 - overrides PyJWT's
        """Accept every key: Kling chose its length, a warning on each request changes nothing."""
        return None


_jws = PyJWS()
_jws.unregister_algorithm("HS256")
_jws.register_algorithm("HS256", _KlingHs256(HMACAlgorithm.SHA256))


def sign_jwt(access_key: str, secret_key: str, *, now_s: int) -> str:
    """Sign a bearer valid from 5 s before `now_s`, a Unix time, to 30 minutes after it."""
    claims = {"iss": access_key, "exp": now_s + LIFETIME_S, "nbf": now_s - NOT_BEFORE_SKEW_S}
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return _jws.encode(payload, secret_key, algorithm="HS256")


class Lifetime(NamedTuple):
    """From when until when a bearer holds, both Unix times."""

    begins_at_s: int
    ends_at_s: int


def lifetime_of(bearer: str) -> Lifetime | None:
    """Read it from one that was signed here; None of an API key."""
    try:
        claims = json.loads(_jws.decode(bearer, options={"verify_signature": False}))
        return Lifetime(claims["nbf"], claims["exp"])
    except (DecodeError, ValueError, LookupError, TypeError):
        return None


class _Signed(NamedTuple):
    access_key: str
    secret_key: str
    signed_at_s: int
    bearer: str


class JwtCache:
    """Bearers by channel, at most `channels_max` of them; the longest unsigned leaves first."""

    def __init__(self, *, channels_max: int = 1024) -> None:
        self._channels_max = channels_max
        self._signed: dict[int, _Signed] = {}

    def bearer(self, channel_id: int, access_key: str, secret_key: str, *, now_s: int) -> str:
        """Return a bearer with at least 5 minutes to live, signed with exactly this pair.

        Also signs afresh if the clock went back, since the cached one may lie in the future.
        """
        signed = self._signed.get(channel_id)
        if (
            signed is not None
            and signed.access_key == access_key
            and signed.secret_key == secret_key
            and 0 <= now_s - signed.signed_at_s < LIFETIME_S - RENEW_BEFORE_S
        ):
            return signed.bearer
        bearer = sign_jwt(access_key, secret_key, now_s=now_s)
        self._signed.pop(channel_id, None)  # so that it is put at the end
        self._signed[channel_id] = _Signed(access_key, secret_key, now_s, bearer)
        if len(self._signed) > self._channels_max:
            del self._signed[next(iter(self._signed))]
        return bearer

    def forget(self, channel_id: int) -> None:
        """Make the next bearer of this channel a fresh one, after Kling answered 1003 or 1004."""
        self._signed.pop(channel_id, None)
