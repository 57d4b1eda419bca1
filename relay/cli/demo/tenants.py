"""The demo's tenants and the one channel they share."""

import time
from decimal import Decimal

import jwt
import msgspec

from relay.channels.edit import ChannelKeys, add_channel
from relay.database.engine import Sessions
from relay.ledger.entries import open_account, top_up
from relay.sandbox.settings import DEFAULT_ACCOUNT
from relay.secrets import KeyRing
from relay.tenants.tenants import add_tenant
from relay.tenants.tokens import IssuedToken, issue_token

CURRENCY = "USD"


class DemoTenant(msgspec.Struct, frozen=True):
    """A tenant as its own software sees it. Never log one: it has the secrets."""

    opening_micros: int
    signs_jwts: bool
    token: IssuedToken

    @property
    def name(self) -> str:
        return self.token.tenant

    def authorization(self) -> str:
        """Make the header of one request, as Kling's SDKs do (docs/kling-api.md 2)."""
        if not self.signs_jwts:
            return f"Bearer {self.token.api_key}"
        now = int(time.time())
        claims = {"iss": self.token.access_key, "exp": now + 1800, "nbf": now - 5}
        return f"Bearer {jwt.encode(claims, self.token.secret_key, algorithm='HS256')}"


async def add_sandbox_channel(sessions: Sessions, keys: KeyRing, *, base_url: str) -> None:
    """Make the sandbox's account the relay's only channel."""
    account = DEFAULT_ACCOUNT
    async with sessions.begin() as session:
        await add_channel(
            session,
            keys,
            name="sandbox",
            base_url=base_url,
            channel_keys=ChannelKeys(
                access_key=account.access_key,
                secret_key=account.secret_key,
                api_key=account.api_key,
            ),
            priority=0,
            weight=1,
        )


async def add_tenants(sessions: Sessions, keys: KeyRing) -> dict[str, DemoTenant]:
    """Open both accounts; by name."""
    tenants = [
        await _add(sessions, keys, name="acme", opening_micros=10_000_000, signs_jwts=False),
        await _add(sessions, keys, name="globex", opening_micros=5_000_000, signs_jwts=True),
    ]
    return {tenant.name: tenant for tenant in tenants}


async def _add(
    sessions: Sessions, keys: KeyRing, *, name: str, opening_micros: int, signs_jwts: bool
) -> DemoTenant:
    async with sessions.begin() as session:
        row = await add_tenant(session, name, multiplier=Decimal(1))
        assert row is not None, "the database is new"
        await open_account(session, row.id)
        await top_up(
            session,
            row.id,
            amount_micros=opening_micros,
            reference="opening",
            currency=CURRENCY,
        )
        token = await issue_token(session, row, keys)
    return DemoTenant(opening_micros=opening_micros, signs_jwts=signs_jwts, token=token)
