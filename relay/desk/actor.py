"""Who acts, from where, and under which request."""

import os
import socket
from enum import StrEnum

import msgspec

from relay.ledger.entries import BY_RELAY


class ActorKind(StrEnum):
    """What somebody is to us."""

    OPERATOR = "operator"
    """A person of the reseller's, known by a token or a login."""
    SYSTEM = "system"
    """Whoever has a shell on a machine of the relay's: its user there."""
    TENANT = "tenant"
    """A tenant, on its own things."""
    RELAY = BY_RELAY
    """The relay itself, by a rule."""


class Actor(msgspec.Struct, frozen=True):
    """One who acts."""

    kind: ActorKind
    name: str = ""
    origin: str = ""
    """From where: the terminal of a machine, or an address."""
    request_id: str | None = None

    def __str__(self) -> str:
        """Spell it as entries, events and changes keep it: `system:ann`, `tenant:acme`, `relay`."""
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value


def system_user() -> Actor:
    """Tell who runs this process, for acts at a terminal.

    Behind `sudo`, the person is whoever called it: root acts for many.
    """
    import pwd  # noqa: PLC0415 (not on Windows, where the relay runs as nobody in particular)

    user = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return Actor(ActorKind.SYSTEM, user, origin=f"terminal of {socket.gethostname()}")
