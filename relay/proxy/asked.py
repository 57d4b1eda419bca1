"""What a tenant asks on a path of the relay's own."""

import msgspec

from relay.desk.actor import Actor, ActorKind
from relay.tenants.caller import Caller


class Asked(msgspec.Struct, frozen=True):
    """One request under `/relay/`, read."""

    key: str
    """Of what the path names, such as a delivery."""
    query: bytes
    body: bytes
    request_id: str


def tenant_actor(caller: Caller, asked: Asked) -> Actor:
    """Say who acts at the desk, with which of its keys."""
    origin = f"api, token {caller.token_id}"
    return Actor(ActorKind.TENANT, caller.tenant, origin=origin, request_id=asked.request_id)
