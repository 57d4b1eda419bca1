"""What a tenant asks on a path of the relay's own."""

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """One request under `/relay/`, read."""

    key: str
    """Of what the path names, such as a delivery."""
    query: bytes
    body: bytes
    request_id: str
