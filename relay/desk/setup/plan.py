"""What applying a file does, as its acts note it, and what it is applied with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.errors import DeskError
from relay.desk.setup.entries import Ref
from relay.desk.tables import Change
from relay.kling.catalogue import Catalogue
from relay.secrets import KeyRing

IS_NEW = ("account_id",)
"""What an act notes that is another number each time it is tried."""
DIGEST_CHARS = 24


class Planned(msgspec.Struct, frozen=True):
    """One act of a plan, as `changes` will have it."""

    act: str
    kind: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Plan(msgspec.Struct, frozen=True):
    """What applying a file does."""

    acts: list[Planned]
    notes: list[str]
    """What of the file is left alone and why, a sentence each: secrets that are not here."""

    @property
    def is_nothing(self) -> bool:
        return not self.acts

    @property
    def digest(self) -> str:
        """Tell it from another plan."""
        return sha256(msgspec.json.encode(self.acts, enc_hook=str)).hexdigest()[:DIGEST_CHARS]


class EntryRefused(Exception):
    """An entry of the file cannot be so; nothing is to be written. The cause says why."""

    def __init__(self, label: str, error: DeskError) -> None:
        super().__init__(label)
        self.label = label
        self.error = error


class With(msgspec.Struct, frozen=True):
    """What a file is applied with."""

    keys: KeyRing
    zone: tzinfo
    currency: str
    catalogue: Catalogue
    read_secret: Callable[[Ref], str | None]
    """None: it is not there."""


@contextmanager
def labelled(label: str) -> Iterator[None]:
    """Name the entry at which an act was refused."""
    try:
        yield
    except DeskError as error:
        raise EntryRefused(label, error) from error


@contextmanager
def noting(session: AsyncSession) -> Iterator[list[Planned]]:
    """Collect what the acts of a session note in `changes`, in their order."""
    acts: list[Planned] = []

    def note(flushing: Any, _: Any) -> None:
        acts.extend(
            Planned(
                one.act,
                one.subject_kind,
                one.subject,
                one.before,
                None if one.after is None else _lasting(one.after),
            )
            for one in flushing.new
            if isinstance(one, Change)
        )

    event.listen(session.sync_session, "after_flush", note)
    try:
        yield acts
    finally:
        event.remove(session.sync_session, "after_flush", note)


def _lasting(after: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if name not in IS_NEW}
