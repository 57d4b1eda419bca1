"""Who was refused in the office: a note beside what was done."""

import time
from collections.abc import Callable

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.database.faults import log_failure
from relay.desk.act import act
from relay.desk.actor import BY_RULE, Actor
from relay.desk.changes import note_change
from relay.networks import client_of

log = structlog.get_logger()

PATH_CHARS_MAX = 200
WINDOW_S = 60.0
NOTED_MAX = 60
"""Refusals that are noted in a window, of all addresses: an attacker may have any number."""


class Refusals:
    """Notes refusals in `changes`, of one address and status once in a window."""

    def __init__(self, sessions: Sessions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._clock = clock
        self._noted: dict[tuple[str, int], float] = {}
        """In the last window: when a refusal was noted, by address and status."""

    async def note(
        self, operator: tuple[int, str] | None, address: str, status: int, path: str
    ) -> None:
        """Note one; `operator`: id and name, None where no token told."""
        now, key = self._clock(), (client_of(address), status)
        self._noted = {one: at for one, at in self._noted.items() if now - at < WINDOW_S}
        if key in self._noted or len(self._noted) >= NOTED_MAX:
            return
        self._noted[key] = now
        actor = msgspec.structs.replace(BY_RULE, origin=address)
        try:
            async with self._sessions.begin() as session:
                await note_refusal(session, actor, operator=operator, status=status, path=path)
        except Exception as error:  # noqa: BLE001 (told in the log; it is refused all the same)
            log_failure(log, "office.refusal_not_noted", error)


@act("office.refuse")
async def note_refusal(
    session: AsyncSession,
    actor: Actor,
    *,
    operator: tuple[int, str] | None,
    status: int,
    path: str,
) -> None:
    """Note that somebody was refused; `operator`: id and name, None where no token told."""
    printable = "".join(char if char.isprintable() else "?" for char in path[:PATH_CHARS_MAX])
    await note_change(
        *(session, actor, "office.refuse"),
        kind="address" if operator is None else "operator",
        id=None if operator is None else operator[0],
        name=actor.origin if operator is None else operator[1],
        after={"status": status, "path": printable},
    )
