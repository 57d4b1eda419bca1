"""One Kling account as the rest of the relay sees it, with its keys opened."""

from datetime import datetime
from functools import cached_property

import msgspec

from relay.kling.endpoint import Credential


class OpenedChannel(msgspec.Struct, frozen=True, dict=True):
    """Never log one: it holds keys."""

    id: int
    name: str
    base_url: str
    """Without a trailing slash and without `/v1`."""
    access_key: str | None
    secret_key: str | None
    api_key: str | None
    webhook_secret: str | None
    priority: int
    weight: int
    enabled: bool
    callback_at: datetime | None

    @cached_property
    def credentials(self) -> frozenset[Credential]:
        kinds = set()
        if self.access_key and self.secret_key:
            kinds.add(Credential.KEY_PAIR)
        if self.api_key:
            kinds.add(Credential.API_KEY)
        return frozenset(kinds)

    @property
    def is_sealed(self) -> bool:
        """Tell whether none of its keys could be opened: each channel has one (constraint)."""
        return not self.credentials

    def __repr__(self) -> str:
        return f"OpenedChannel({self.id}, {self.name!r})"
