"""The endpoints that one process serves: Kling's, and plain ones that the operator added."""

from collections.abc import Iterable
from functools import cached_property

import msgspec

from relay.kling.capabilities import PRICED_LIKE, WORKFLOWS
from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.endpoints import BY_NAME, ENDPOINTS, QUERY_PATHS
from relay.settings import AddedEndpoint

OURS = frozenset(
    {"account", "api", "assets", "dashboard", "health", "internal", "kling", "portal", "relay"}
)
"""First parts of paths that are answered before the catalogue is asked."""


class Catalogue:
    def __init__(self, added: Iterable[Endpoint] = ()) -> None:
        """Raise ValueError if an added endpoint has a name or path that is there already."""
        self.endpoints: tuple[Endpoint, ...] = ENDPOINTS
        self._by_name = dict(BY_NAME)
        paths = {_address(endpoint.path) for endpoint in ENDPOINTS}
        paths |= {_address(path) for path in QUERY_PATHS.values()}
        models = {address[:-1] for address in paths if address[-1] == "{model}"}
        for endpoint in added:
            address = _address(endpoint.path)
            is_path_known = address in paths or address[:-1] in models or address[0] in OURS
            if endpoint.name in self._by_name or is_path_known:
                raise ValueError(f"the endpoint {endpoint.name} ({endpoint.path}) is there already")
            self.endpoints += (endpoint,)
            self._by_name[endpoint.name] = endpoint
            paths.add(address)

    @classmethod
    def with_added(cls, added: Iterable[AddedEndpoint]) -> "Catalogue":
        """Add the endpoints of the settings to Kling's: legacy in shape, priced by `price set`.

        Raises:
            ValueError: one of them is there already.
        """
        return cls(
            Endpoint(
                name=one.name,
                path=one.path,
                kind=EndpointKind.CALL if one.is_sync else EndpointKind.TASK,
                is_free=one.is_free,
                is_listed=not one.is_sync,
            )
            for one in added
        )

    def of(self, name: str) -> Endpoint:
        """Raise LookupError if there is none, such as one that was configured once."""
        return self._by_name[name]

    def kind_of(self, name: str) -> EndpointKind:
        """Say what kind an endpoint is; one that is gone counts as a task's."""
        endpoint = self._by_name.get(name)
        return EndpointKind.TASK if endpoint is None else endpoint.kind

    @property
    def names(self) -> list[str]:
        return list(self._by_name)

    @cached_property
    def priced(self) -> tuple[Endpoint, ...]:
        """What price rows may be for: the endpoints, and what the studio makes by them."""
        capabilities = (
            msgspec.structs.replace(self._by_name[endpoint], name=name)
            for name, endpoint in PRICED_LIKE.items()
        )
        workflows = (Endpoint(name=name, path="") for name in WORKFLOWS)
        return (*self.endpoints, *capabilities, *workflows)

    def priced_as(self, name: str) -> Endpoint:
        """Find what a price row is for; raise LookupError if there is no such thing."""
        found = next((one for one in self.priced if one.name == name), None)
        if found is None:
            raise LookupError(name)
        return found


def _address(path: str) -> tuple[str, ...]:
    """Spell a path as the router does, which does not ask for `/v1`."""
    return tuple(path.removeprefix("/v1/").strip("/").split("/"))
