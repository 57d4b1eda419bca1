"""Who is calling: an API key, or a JWT signed with an account's pair (docs/kling-api.md 2)."""

import hmac
import json
import math
from collections.abc import Iterable

from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import PyJWTError

from relay.sandbox.endpoint import Credential
from relay.sandbox.errors import Refusal
from relay.sandbox.settings import Account

LEEWAY_S = 5
"""How early or late a JWT may be. Kling's own tolerance is unknown."""


class _AnyKeyLength(HMACAlgorithm):
    """HS256 without PyJWT's warning on short keys: a sandbox account may be called `AK|SK|KEY`."""

    def check_key_length(self, key: bytes) -> None:
        _ = key


_signatures = PyJWS(algorithms=[])
_signatures.register_algorithm("HS256", _AnyKeyLength(HMACAlgorithm.SHA256))


class Accounts:
    """The sandbox's accounts, found by what a request carries."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._accounts = tuple(accounts)
        self._by_access_key = {account.access_key: account for account in self._accounts}

    def identify(self, authorization: str | None, *, now: float) -> tuple[Account, Credential]:
        """Find account and kind of an Authorization header; `now` is in unix seconds.

        Raises:
            Refusal: 1001 there is none; 1002 malformed or unknown; 1000 the signature is wrong;
                1003 too early; 1004 expired. Texts of 1001 and "api key not found" are recorded
                live, the others are ours.
        """
        if not authorization:
            raise Refusal(1001)
        scheme, _, bearer = authorization.partition(" ")
        bearer = bearer.strip()
        if scheme.lower() != "bearer" or not bearer:
            raise Refusal(1002)
        for account in self._accounts:
            if hmac.compare_digest(account.api_key.encode(), bearer.encode()):
                return account, "api_key"
        if bearer.count(".") == 2:  # noqa: PLR2004  # header.claims.signature
            return self._by_jwt(bearer, now=now), "jwt"
        raise Refusal(1002, "api key not found")

    def _by_jwt(self, token: str, *, now: float) -> Account:
        claims = _claims_of(token)
        account = self._by_access_key.get(str(claims.get("iss")))
        if account is None:
            raise Refusal(1002, "access key not found")
        try:
            _signatures.decode(token, account.secret_key, algorithms=["HS256"])
        except PyJWTError as error:
            raise Refusal(1000, "signature is invalid") from error
        expires, begins = _time_of(claims.get("exp")), _time_of(claims.get("nbf", 0))
        if begins > now + LEEWAY_S:
            raise Refusal(1003)
        if expires <= now - LEEWAY_S:
            raise Refusal(1004)
        return account


def _claims_of(token: str) -> dict[str, object]:
    """Read the claims before the signature is checked: `iss` says which key checks it."""
    try:
        payload = _signatures.decode_complete(token, options={"verify_signature": False})["payload"]
        claims = json.loads(payload)
    except (PyJWTError, ValueError) as error:
        raise Refusal(1002) from error
    if not isinstance(claims, dict):
        raise Refusal(1002)
    return claims


def _time_of(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refusal(1002)
    if isinstance(value, float) and not math.isfinite(value):
        raise Refusal(1002)  # NaN would be neither early nor late
    return value
