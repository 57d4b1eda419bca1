"""What a trial saw, beside what the relay relies on: kept with the channel, and fit to be sent on.

Nothing in it is secret: no key, no prompt, no id of a task, no URL of a result.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from relay.channels.opened import OpenedChannel

MESSAGE_CHARS_MAX = 200
_URL = re.compile(r"https?://[^\s\"'<>]+")


class Outcome(StrEnum):
    """How what was seen compares with what is relied on."""

    AS_RELIED_ON = "as relied on"
    DIFFERS = "differs"
    NOT_SEEN = "not seen"


class Finding(msgspec.Struct, frozen=True):
    """One fact that money or a tenant's view rests on."""

    about: str
    relied_on: str
    """What docs/kling-api.md has, and the code goes by."""
    seen: str
    outcome: Outcome


class CallbackSeen(msgspec.Struct, frozen=True):
    """One callback, as the relay that listens received it."""

    after_s: float
    """Since the create."""
    status: str
    source: str
    """The address it came from: Kling's, or that of a proxy that is not trusted."""
    signature: str
    fields: list[str]


class Unlike(msgspec.Struct, frozen=True):
    """Paths of fields that one reply has and the sandbox's has not, and the other way round."""

    reply: str
    missing: list[str]
    more: list[str]


class TrialReport(msgspec.Struct, frozen=True):
    """Of one `relay channel try`."""

    at: datetime
    host: str
    """Of the base URL: the region."""
    endpoint: str
    model: str
    lookup: str
    """The way by which a task of this endpoint is looked for under our external id."""
    is_lookup_confirmed: bool
    is_list_confirmed: bool | None
    """Whether the endpoint's list shows our external id, for those that have no such query."""
    cost: str
    """By Kling's list, in units."""
    findings: list[Finding]
    fields: dict[str, list[str]]
    """By reply: the paths of its fields."""
    unlike_sandbox: list[Unlike]
    callbacks: list[CallbackSeen]
    version: int = 1

    @property
    def differing(self) -> list[Finding]:
        return [one for one in self.findings if one.outcome is Outcome.DIFFERS]


def scrubbed(text: str, channel: OpenedChannel, ids: Iterable[str]) -> str:
    """Take out of a text of Kling's what is the account's own: keys, ids, URLs."""
    text = _URL.sub("<url>", text)
    for secret in (channel.access_key, channel.secret_key, channel.api_key):
        if secret:
            text = text.replace(secret, "<key>")
    for known in ids:
        if known:
            text = text.replace(known, "<id>")
    return text[:MESSAGE_CHARS_MAX]
