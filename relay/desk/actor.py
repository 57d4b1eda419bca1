"""Who acts, from where, and under which request."""

import os
import socket
from contextlib import suppress
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
    operator_id: int | None = None
    """Ours, of an operator: what it may do is read by it in each act."""

    def __str__(self) -> str:
        """Spell it as entries, events and changes keep it: `system:ann`, `tenant:acme`, `relay`."""
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value


BY_RULE = Actor(ActorKind.RELAY)


def system_user() -> Actor:
    """Tell who runs this process, for acts at a terminal.

    Behind `sudo` it is the person who called it: root, or the relay's own user, acts for many.
    This is a note, no proof: `SUDO_USER` can be set by whoever has the shell, and that shell can
    write to the database without us.
    """
    origin = f"terminal of {socket.gethostname()}"
    return Actor(ActorKind.SYSTEM, _user_name(os.environ.get("SUDO_USER")), origin)


def _user_name(behind_sudo: str | None) -> str:
    """Name the user; one behind sudo only if this machine knows it."""
    try:
        import pwd  # noqa: PLC0415 (Windows has none)
    except ImportError:
        return os.environ.get("USERNAME", "unknown")
    if behind_sudo:
        with suppress(KeyError):
            return pwd.getpwnam(behind_sudo).pw_name
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return f"uid-{os.getuid()}"  # a container may run as a number that has no name
