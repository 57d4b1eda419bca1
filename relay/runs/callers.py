"""Who a run is sent for: whoever asked for it, with the rights that its token has now."""

import time

from relay.database.driver import Pool
from relay.errors import CredentialUnknown
from relay.runs.statements import CREDENTIAL
from relay.runs.tables import Run
from relay.tenants.authenticate import Authenticator
from relay.tenants.caller import Caller


class Callers:
    """Lets them in."""

    def __init__(self, pool: Pool, authenticator: Authenticator) -> None:
        self._pool = pool
        self._authenticator = authenticator

    async def admit(self, run: Run) -> Caller:
        """Let in whoever asked for a run.

        Raises:
            RelayError: its token ended, or may not come in any more.
        """
        token = await self._pool.fetchrow(CREDENTIAL, run.token_id)
        key = token and (token["access_key"] or token["api_key_hash"])
        if not key:
            raise CredentialUnknown
        caller = await self._authenticator.admit(
            key, now_s=time.time(), address=run.caller_address or ""
        )
        if caller.token_id != run.token_id:
            raise CredentialUnknown
        return caller
