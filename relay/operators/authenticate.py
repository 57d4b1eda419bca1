"""From an operator's token to who shows it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from relay.database.driver import Pool
from relay.database.line import Line
from relay.networks import is_within
from relay.operators.tables import Role
from relay.operators.tokens import PREFIX, hash_token
from relay.tenants.remembered import Remembered

CHARS_MAX = 256
"""Ours have 51."""
FIND = """
SELECT o.id AS operator_id, o.name, o.role, t.id AS token_id, t.expires_at, t.addresses
FROM operator_tokens t JOIN operators o ON o.id = t.operator_id
WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND o.removed_at IS NULL
"""


class KnownOperator(msgspec.Struct, frozen=True):
    """Whose token it is; what it may do is judged anew in each act."""

    id: int
    name: str
    role: Role
    token_id: int
    expires_at: datetime | None
    addresses: tuple[str, ...] | None


class OperatorAuthenticator:
    """Tells operators by their tokens, from memory until a token or an operator is changed."""

    def __init__(
        self, line: Line, pool: Pool, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._known: dict[bytes, KnownOperator] = {}
        self._remembered = Remembered(line, self._known, clock=clock)

    async def find(self, token: str, *, address: str) -> KnownOperator | None:
        """Tell whose it is; None where it is nobody's, over, or not to be shown from there."""
        if not token.startswith(PREFIX) or len(token) > CHARS_MAX:
            return None
        await self._remembered.changed.get()
        number, key = self._remembered.number, hash_token(token)
        known = self._known.get(key)
        if known is None:
            known = await self._read(key)
            if known is None:
                return None
            self._remembered.keep(self._known, key, known, read_at=number)
        if known.expires_at is not None and known.expires_at <= datetime.now(UTC):
            return None
        if known.addresses is not None and not is_within(address, known.addresses):
            return None
        return known

    async def aclose(self) -> None:
        await self._remembered.aclose()

    async def _read(self, key: bytes) -> KnownOperator | None:
        row = await self._pool.fetchrow(FIND, key)
        if row is None:
            return None
        addresses = row["addresses"]
        return KnownOperator(
            id=row["operator_id"],
            name=row["name"],
            role=Role(row["role"]),
            token_id=row["token_id"],
            expires_at=row["expires_at"],
            addresses=None if addresses is None else tuple(addresses),
        )
