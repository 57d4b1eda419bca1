"""From when, from where and for what a token or a tenant is let in."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from relay.errors import (
    AccessExpired,
    AddressNotAllowed,
    EndpointNotAllowed,
    ModelNotAllowed,
    TenantDisabled,
)
from relay.networks import is_within


class Gate(msgspec.Struct, frozen=True):
    """What bounds a token or a tenant, but for what is counted (`limits/`); None is no bound."""

    expires_at: datetime | None = None
    addresses: tuple[str, ...] | None = None
    """Networks."""
    endpoints: frozenset[str] | None = None
    """By their names in `kling/endpoints.py`."""
    models: frozenset[str] | None = None
    """In lower case."""
    is_parents: bool = False
    """It is of the tenant above, of which the caller is told nothing."""

    @classmethod
    def of(
        cls,
        expires_at: datetime | None,
        addresses: Iterable[str] | None,
        endpoints: Iterable[str] | None,
        models: Iterable[str] | None,
        *,
        is_parents: bool = False,
    ) -> Self | None:
        """Read what a row has; None where it bounds nothing."""
        if expires_at is None and addresses is None and endpoints is None and models is None:
            return None
        return cls(
            expires_at,
            None if addresses is None else tuple(addresses),
            None if endpoints is None else frozenset(endpoints),
            None if models is None else frozenset(models),
            is_parents,
        )

    def check_entry(self, address: str, *, now_s: float) -> None:
        """Judge a request, whatever it asks for.

        Raises:
            AccessExpired, AddressNotAllowed
            TenantDisabled: what has expired is the tenant above.
        """
        if self.expires_at is not None and self.expires_at.timestamp() <= now_s:
            if self.is_parents:
                raise TenantDisabled
            raise AccessExpired(f"{self.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
        if self.addresses is not None and not is_within(address, self.addresses):
            raise AddressNotAllowed(address)

    def check_endpoint(self, endpoint: str) -> None:
        """Judge what creates or changes something.

        Raises:
            EndpointNotAllowed
        """
        if self.endpoints is not None and endpoint not in self.endpoints:
            raise EndpointNotAllowed(endpoint)

    def check_model(self, model: str | None) -> None:
        """Judge a create by its model; one without a model is none of those that are named.

        Raises:
            ModelNotAllowed
        """
        if self.models is not None and (model or "").lower() not in self.models:
            raise ModelNotAllowed(model)


COLUMNS = ("expires_at", "addresses", "endpoints", "models")


def read_gates(record: Any) -> tuple[Gate, ...]:
    """Read those of a token, its tenant and that one's parent: columns of these names, prefixed."""
    every = (
        Gate.of(*(record[f"{of}{name}"] for name in COLUMNS), is_parents=of == "parent_")
        for of in ("", "tenant_", "parent_")
    )
    return tuple(gate for gate in every if gate is not None)
