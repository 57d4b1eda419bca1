"""What is done for channels without a request: free questions, and the end of draining."""

import asyncio
import secrets
from contextlib import suppress

import structlog

from relay.channels.directory import ChannelDirectory
from relay.database.driver import Pool
from relay.database.engine import Sessions
from relay.desk.actor import BY_RULE
from relay.desk.channels import end_drain
from relay.desk.errors import DeskError
from relay.health.board import Board
from relay.health.condition import Condition, read_condition
from relay.health.observer import Observer
from relay.health.statements import CLAIM_PROBES
from relay.kling.catalogue import Catalogue
from relay.kling.transport import NoUsableReply
from relay.tasks.upstream import Upstream

log = structlog.get_logger()

KEEP_EVERY_S = 2.0
TIMEOUT_S = 15.0
LEASE_S = 30.0
ASKED_OF = "text2video"


class ChannelKeeper:
    """Sees, for free, whether a channel can be reached and its keys are taken again."""

    def __init__(
        self,
        pool: Pool,
        sessions: Sessions,
        *,
        directory: ChannelDirectory,
        upstream: Upstream,
        board: Board,
        observer: Observer,
        catalogue: Catalogue,
    ) -> None:
        self._pool = pool
        self._sessions = sessions
        self._directory = directory
        self._upstream = upstream
        self._board = board
        self._observer = observer
        self._catalogue = catalogue

    async def keep(self) -> None:
        """Ask about what is due, and switch off what is drained; one replica does each."""
        await self._board.end_where_slots_are_free()
        due = await self._pool.fetch(CLAIM_PROBES, LEASE_S)
        await asyncio.gather(*(self._probe(read_condition(record)) for record in due))
        for channel in await self._directory.all():
            if not channel.is_draining:
                continue
            # Refused while tasks of it are live, or if another replica was first.
            with suppress(DeskError):
                async with self._sessions.begin() as session:
                    await end_drain(session, BY_RULE, channel.name)
                log.info("channel.drained", channel=channel.name)

    async def _probe(self, condition: Condition) -> None:
        """Ask for a task that cannot exist: "not found" proves reach and keys (`probe.py`)."""
        channel = await self._directory.get(condition.channel_id)
        if not channel.enabled:
            return
        try:
            reply = await self._upstream.query(
                channel,
                self._catalogue.of(ASKED_OF),
                kling_id=str(secrets.randbelow(9 * 10**17) + 10**17),
                injected_id="",
                timeout_s=TIMEOUT_S,
            )
        except NoUsableReply as error:
            self._observer.fail_probe(condition, error)
        else:
            self._observer.settle_probe(condition, reply)
