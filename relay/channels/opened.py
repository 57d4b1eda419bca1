"""One Kling account as the rest of the relay sees it, with its keys opened."""

from datetime import datetime
from functools import cached_property
from urllib.parse import quote

import msgspec

from relay.kling.endpoint import Credential, Lookup
from relay.kling.way import Way

SECRET_CHARS_MIN = 8
"""Kling's keys have 32 and more. What is shorter, a sandbox's at most, may be a word of a body."""


class OpenedChannel(msgspec.Struct, frozen=True, dict=True):
    """Never log one: it holds keys."""

    id: int
    name: str
    base_url: str
    """Without a trailing slash and without `/v1`."""
    access_key: str | None
    secret_key: str | None
    api_key: str | None
    webhook_secret: str | None = None
    priority: int = 0
    weight: int = 1
    enabled: bool = True
    is_draining: bool = False
    """It gets no new tasks, and all else goes on; off once its last one has ended."""
    groups: frozenset[str] = frozenset()
    """In none it serves whoever names none."""
    models: frozenset[str] = frozenset()
    """Those that it takes, in lower case; none is all."""
    room: dict[str, int] = {}
    """How many slots the operator says there are: of a `pack`, or of one model as `pack/model`."""
    callback_at: datetime | None = None
    way: Way | None = None
    """None is the usual one."""
    is_sandbox: bool = False
    confirmed_lookups: frozenset[str] = frozenset()
    """Of `kling/endpoint.py`'s `Lookup`."""

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

    @cached_property
    def secrets(self) -> tuple[bytes, ...]:
        """List its keys as they would stand in JSON, were Kling ever to repeat one.

        Of a key of letters and digits, as Kling's are, there is one spelling.
        """
        keys = (self.secret_key, self.access_key, self.api_key, self.webhook_secret)
        known = [key for key in keys if key and len(key) >= SECRET_CHARS_MIN]
        return tuple(dict.fromkeys(spelt for key in known for spelt in _spellings(key)))

    def without_secrets(self, body: bytes, *more: bytes) -> bytes:
        """Put stars where a body of Kling's has one of the keys, or of `more` secrets.

        Nearly always it is the body itself.
        """
        for secret in (*self.secrets, *more):
            if secret in body:
                body = body.replace(secret, b"***")
        return body

    def patience_s(self, usual_s: float) -> float:
        """Say how long a create may take on this channel, where others have `usual_s`."""
        return usual_s if self.way is None else self.way.timeout_s or usual_s

    def confirms(self, lookup: Lookup) -> bool:
        """Tell whether "not found" of this lookup is known to mean that there is no task."""
        return self.is_sandbox or lookup in self.confirmed_lookups

    def __repr__(self) -> str:
        return f"OpenedChannel({self.id}, {self.name!r})"


def _spellings(key: str) -> list[bytes]:
    """Spell a key as writers of JSON do, some of which escape more than they must, and in a URL."""
    plain = msgspec.json.encode(key)[1:-1]
    slashed = plain.replace(b"/", b"\\/")
    html_safe = [text.replace(b"=", b"\\u003d") for text in (plain, slashed)]
    return [plain, slashed, *html_safe, quote(key, safe="").encode()]
