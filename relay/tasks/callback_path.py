"""The path on which Kling calls back about one task, and only about that one.

`/internal/callback/{key id}.{task}.{mac}`, where `{task}` is `{external id}~{channel id}` and the
MAC is over both with a key derived from `RELAY_SECRET_KEY`: whoever holds the path was told it by
us, for this task on this channel. Older key ids stay valid while their key is configured.
"""

import hmac
from typing import NamedTuple

from relay.secrets import KeyRing

PREFIX = "/internal/callback"


class CallbackTarget(NamedTuple):
    """What an authentic path names."""

    injected_id: str
    channel_id: int


class CallbackPaths:
    def __init__(self, keys: KeyRing, public_url: str | None) -> None:
        """Without a `public_url`, callbacks are off."""
        self._keys = keys
        self._public_url = public_url

    @property
    def are_on(self) -> bool:
        return self._public_url is not None

    def url(self, injected_id: str, channel_id: int) -> str | None:
        """Spell what we inject as `callback_url`; None if callbacks are off."""
        if self._public_url is None:
            return None
        task = f"{injected_id}~{channel_id}"
        mac = self._keys.mac(task, key_id=self._keys.current)
        return f"{self._public_url}{PREFIX}/{self._keys.current}.{task}.{mac}"

    def macs(self, injected_id: str, channel_id: int) -> list[str]:
        """List what a path of this task on this channel may end in, one for each key."""
        return self._keys.macs(f"{injected_id}~{channel_id}")

    def read(self, token: str) -> CallbackTarget | None:
        """Read the last segment of a path; None if it was not made by us."""
        key_id, _, rest = token.partition(".")
        task, _, mac = rest.rpartition(".")
        injected_id, _, channel = task.rpartition("~")
        expected = self._keys.mac(task, key_id=key_id)
        if expected is None or not mac.isascii() or not hmac.compare_digest(expected, mac):
            return None
        return CallbackTarget(injected_id, int(channel))
