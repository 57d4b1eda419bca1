"""The endpoints that one process serves: Kling's, and plain ones that the operator added."""

from collections.abc import Iterable

from relay.kling.endpoint import Endpoint, Kind
from relay.kling.endpoints import BY_NAME, ENDPOINTS
from relay.settings import AddedEndpoint


class Catalogue:
    def __init__(self, added: Iterable[Endpoint] = ()) -> None:
        """Raise ValueError if an added endpoint has a name or path that is there already."""
        self.endpoints: tuple[Endpoint, ...] = ENDPOINTS
        self._by_name = dict(BY_NAME)
        paths = {endpoint.path for endpoint in ENDPOINTS}
        for endpoint in added:
            if endpoint.name in self._by_name or endpoint.path in paths:
                raise ValueError(f"the endpoint {endpoint.name} ({endpoint.path}) is there already")
            self.endpoints += (endpoint,)
            self._by_name[endpoint.name] = endpoint
            paths.add(endpoint.path)

    @classmethod
    def with_added(cls, added: Iterable[AddedEndpoint]) -> "Catalogue":
        """Kling's endpoints and those of the settings: legacy in shape, priced by `price set`.

        Raises:
            ValueError: one of them is there already.
        """
        return cls(
            Endpoint(
                name=one.name,
                path=one.path,
                kind=Kind.CALL if one.is_sync else Kind.TASK,
                is_free=one.is_free,
                is_listed=not one.is_sync,
            )
            for one in added
        )

    def of(self, name: str) -> Endpoint:
        """Raise LookupError if there is none, such as one that was configured once."""
        return self._by_name[name]

    @property
    def names(self) -> list[str]:
        return list(self._by_name)
