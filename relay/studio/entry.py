"""Who comes in: the bearers and scopes of Kling's own paths."""

import time
from contextlib import ExitStack
from typing import Any

from relay.errors import ScopeTooSmall
from relay.html.words import choose
from relay.logs import RequestLine
from relay.studio.behind import Behind, Visit
from relay.tenants.authenticate import Authenticator
from relay.tenants.caller import Caller
from relay.tenants.scope import Scope

READS = ("GET", "HEAD")


class Entry:
    """Lets tenants in."""

    def __init__(self, authenticator: Authenticator, behind: Behind) -> None:
        self._authenticator = authenticator
        self.behind = behind

    async def let_in(
        self, scope: Any, line: RequestLine, closing: ExitStack, *, authorization: str | None = None
    ) -> Visit:
        """Tell who asks; `authorization`: where it is no header of the request.

        Raises:
            RelayError
        """
        headers = dict(scope["headers"])
        if authorization is None and b"authorization" in headers:
            authorization = headers[b"authorization"].decode("latin-1")

        async def ask() -> Caller:
            caller: Caller = await self._authenticator.authenticate(
                authorization, now_s=time.time(), address=line.client
            )
            check_scope(caller, line.method)
            return caller

        caller = await ask()
        line.tenant, line.token_id = caller.tenant, caller.token_id
        accepted = headers.get(b"accept-language", b"").decode("latin-1")
        language = choose(None, accepted, usual=self.behind.settings.language)
        return Visit(*(caller, self.behind, line.request_id, line.client, language), ask, closing)


def check_scope(caller: Caller, method: str) -> None:
    """Refuse what a token's scope is too small for.

    Raises:
        ScopeTooSmall
    """
    scopes = (Scope.CALL, Scope.READ) if method in READS else (Scope.CALL,)
    if not any(caller.scope.has(one) for one in scopes):
        raise ScopeTooSmall(caller.scope, " or ".join(sorted(scopes)))
