"""What a tenant turns into quota: `POST /relay/redeem {"code": "7K3QM-…"}`.

A code that cannot be redeemed is refused in one way, whether there is none, it is over, or somebody
else had it: of other people's codes nothing is learned. Whoever shows too many of those waits, by
account and by address; each process counts for itself, and no number of them makes guessing worth
while (`relay/codes/spelling.py`).
"""

from typing import Any

import msgspec

from relay.database.engine import Sessions
from relay.desk.codes import redeem_code
from relay.desk.errors import Busy, NoSuch, NotPossible
from relay.errors import InvalidParameter, TooManyCalls, Unavailable, Withheld
from relay.moments import ms_of
from relay.money import decimal_of
from relay.networks import client_of
from relay.proxy.asked import Asked, name_now, read_body, tenant_actor
from relay.settings import Settings
from relay.tenants.caller import Caller
from relay.tries import Tries

WINDOW_S = 600.0
OF_ACCOUNT_MAX, OF_ADDRESS_MAX = 10, 30
"""Wrong ones in a window: several tenants may share an address."""


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class OwnCodes:
    """Answers a tenant that shows a code, with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, settings: Settings) -> None:
        self._sessions = sessions
        self._currency = settings.currency
        self._accounts = Tries(OF_ACCOUNT_MAX, WINDOW_S)
        self._addresses = Tries(OF_ADDRESS_MAX, WINDOW_S)

    async def redeem(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Add what a code is worth; again by the same account tells the same and adds nothing.

        Raises:
            Withheld: the account is its parent's.
            InvalidParameter, TooManyCalls: nothing was added.
        """
        if caller.parent_id is not None:
            raise Withheld("no codes are redeemed here")
        wanted = read_body(asked.body, _Wanted)
        whose = (
            (self._accounts, caller.account_id),
            (self._addresses, client_of(asked.address)),
        )
        wait_s = max(tries.wait_s(key) for tries, key in whose)
        if wait_s > 0:
            raise TooManyCalls(str(int(wait_s) + 1))
        # Counted before it is known to be wrong: of a hundred at once ten are looked up.
        for tries, key in whose:
            tries.count(key)
        is_wrong = False
        try:
            async with self._sessions.begin() as session:
                name = await name_now(session, caller.tenant_id)
                redeemed = await redeem_code(
                    *(session, tenant_actor(caller, asked), name, wanted.code),
                    currency=self._currency,
                )
        except (NoSuch, NotPossible) as error:
            is_wrong = True
            raise InvalidParameter("code", "cannot be redeemed") from error
        except Busy as error:
            raise Unavailable from error
        finally:
            if not is_wrong:
                for tries, key in whose:
                    tries.take_back(key)
        return {
            "added": decimal_of(redeemed.amount_micros if redeemed.is_new else 0),
            "amount": decimal_of(redeemed.amount_micros),
            "currency": self._currency,
            "kind": redeemed.kind,
            "reference": redeemed.reference,
            "redeemed_at": ms_of(redeemed.redeemed_at),
        }
