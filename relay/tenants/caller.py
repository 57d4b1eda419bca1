"""Who sends a request, once its bearer is known."""

from decimal import Decimal

import msgspec

from relay.database.ids import AccountId, TenantId
from relay.tenants.gate import Gate
from relay.tenants.scope import Scope


class Caller(msgspec.Struct, frozen=True):
    """Who sends a request."""

    token_id: int
    tenant_id: TenantId
    tenant: str
    account_id: AccountId
    """What its tasks are paid from."""
    parent_id: TenantId | None = None
    """Whose sub-tenant it is: that one's account is charged, by that one's prices."""
    resale: Decimal | None = None
    """How many times those its own prices are; None is of who is no sub-tenant."""
    scope: Scope = Scope.CALL
    is_replaced: bool = False
    """It has new keys, and this is one of those before, which is taken a while longer."""
    price_group: str | None = None
    """Whose prices are its, where it has none of its own (`pricing/in_force.py`); of a sub-tenant
    its parent's."""
    shows_quote: bool = False
    """Whether answers to its submits carry the quoted price in `x-relay-quote`."""
    groups: frozenset[str] | None = None
    """Of channels (`channels/groups.py`); None is all."""
    is_test: bool = False
    """Its tasks run on sandboxes, and are free."""
    queue_s: int = 0
    """For how many seconds its creates wait for room, unless they say otherwise."""
    room_min: int = 0
    """With fewer slots taken than that, of a pack, it is served before all others."""
    gates: tuple[Gate, ...] = ()
    """Of its token, its tenant and that one's parent, which all have to let it through."""
    limits_known: int = 0
    """How many limits were ever set of who draws on its account; HOLD compares it."""
    is_limited: bool = False
    """Some are its token's, its tenant's or that one's parent's (`limits/`)."""
    joins_retries: bool = True
    """Whether a create like one whose answer nobody heard is answered by that one's task."""

    keeps_results: bool = False
    """Whether files of its tasks' results are copied (`assets/`)."""
    result_urls: str = "kling"
    """Whose URLs its tasks show of files that were copied: `kling` or `ours`."""
    lints_creates: bool = False
    """Whether its creates are judged by Kling's documents first (`kling/lint/`)."""

    @property
    def payer_id(self) -> TenantId:
        """Whose account pays, by whose prices; all who have the same one are one customer."""
        return self.tenant_id if self.parent_id is None else self.parent_id

    def check_endpoint(self, endpoint: str) -> None:
        """Raise EndpointNotAllowed where it may not create, by the endpoint's name."""
        for gate in self.gates:
            gate.check_endpoint(endpoint)

    def check_model(self, model: str | None) -> None:
        """Raise ModelNotAllowed of a model that it may not ask for."""
        for gate in self.gates:
            gate.check_model(model)
