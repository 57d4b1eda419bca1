"""Who comes into the portal: somebody of a tenant, with a session of one of its tokens."""

import time
from pathlib import Path
from typing import Any

import msgspec

from relay.database.engine import Sessions
from relay.errors import RelayError
from relay.html.gate import Connection, Gate, address_of
from relay.html.site import Site
from relay.logins.portal import TenantVisitor, find_tenant_visitor
from relay.tenants.authenticate import Authenticator
from relay.tenants.caller import Caller

ROOT = "/portal"
TEMPLATES = Path(__file__).with_name("templates")


class PortalVisitor(msgspec.Struct, frozen=True):
    """Somebody who was let in."""

    session_id: int
    csrf: str
    caller: Caller
    """As the token is known now: what it may, and what bounds it."""
    token_name: str | None


class PortalGate(Gate):
    """Knows a visitor by its session, and its token anew at each request."""

    def __init__(
        self,
        app: Any,
        site: Site,
        *,
        sessions: Sessions,
        authenticator: Authenticator,
        files_at: str | None,
    ) -> None:
        super().__init__(app, site, files_at=files_at)
        self._sessions = sessions
        self._authenticator = authenticator

    async def _find_visitor(
        self, secret: str, connection: Connection, *, is_seen: bool = True
    ) -> PortalVisitor | None:
        async with self._sessions.begin() as session:
            found = await find_tenant_visitor(session, secret, is_seen=is_seen)
        if found is None:
            return None
        try:
            caller = await self._authenticator.admit(
                _key_of(found), now_s=time.time(), address=address_of(connection)
            )
        except RelayError:
            return None  # ended, expired, or not let in from there: the door says so
        if caller.token_id != found.token_id:
            return None
        return PortalVisitor(found.session_id, found.csrf, caller, found.token_name)


def _key_of(found: TenantVisitor) -> str | bytes:
    key = found.access_key or found.api_key_hash
    assert key is not None, "a token has a credential, by a constraint"
    return key
