"""Who is in the portal for a tenant, under `/relay/sessions`.

    GET  /relay/sessions              those that have not ended, the last used first
    POST /relay/sessions/{id}/end     log that browser out

A key of scope `manage` sees all of its tenant's and ends any; each other key those that were
entered by it, since who has it could have entered them. Of one that is the provider's own
(`is_support`) nobody is told from where.
"""

from typing import Any

from relay.database.engine import Sessions
from relay.desk.errors import Busy, NoSuch
from relay.desk.portal import end_own_session
from relay.errors import PortalSessionNotFound, Unavailable, Withheld
from relay.logins.portal import OpenPortalSession, read_portal_sessions
from relay.moments import ms_of
from relay.proxy.asked import Asked, tenant_actor
from relay.tenants.caller import Caller
from relay.tenants.scope import Scope

ID_DIGITS_MAX = 18


class OwnSessions:
    """Answers a tenant about its browsers, each with what is to stand in `data`."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def list(self, caller: Caller, asked: Asked) -> list[dict[str, Any]]:
        _ = asked
        async with self._sessions() as session:
            found = await read_portal_sessions(session, caller.tenant_id, _bound_of(caller))
        return [_shown(one) for one in found]

    async def end(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """End one; again is no error.

        Raises:
            PortalSessionNotFound: none that the caller sees.
            Withheld: the caller has new keys, and who found the old ones is to log nobody out.
        """
        if caller.is_replaced:
            raise Withheld("this key was replaced by new ones, which alone change this")
        key = asked.key
        if not (key.isascii() and key.isdigit() and len(key) <= ID_DIGITS_MAX):
            raise PortalSessionNotFound
        async with self._sessions.begin() as session:
            try:
                await end_own_session(
                    *(session, tenant_actor(caller, asked), caller.tenant_id, int(key)),
                    token_id=_bound_of(caller),
                )
            except NoSuch as error:
                raise PortalSessionNotFound from error
            except Busy as error:
                raise Unavailable from error
        return {"id": int(key), "is_ended": True}


def _bound_of(caller: Caller) -> int | None:
    """Name the one token whose sessions a caller sees; None is all of its tenant's."""
    return None if caller.scope.has(Scope.MANAGE) else caller.token_id


def _shown(one: OpenPortalSession) -> dict[str, Any]:
    is_support = one.support_by is not None
    return {
        "id": one.id,
        "token_id": one.token_id,
        "address": None if is_support else one.address,
        "agent": None if is_support else one.agent,
        "is_support": is_support,
        "created_at": ms_of(one.created_at),
        "seen_at": ms_of(one.seen_at),
    }
