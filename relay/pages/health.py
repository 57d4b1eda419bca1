"""Whether this process lives, and whether it can do its work; asked without a credential."""

import asyncio

import structlog
from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_503_SERVICE_UNAVAILABLE

from relay.tasks.ability import Ability

log = structlog.get_logger()

READY_TIMEOUT_S = 2.0
START_TIMEOUT_S = 20.0
"""For a first try, which connects to all that a submit needs."""
WATCHED_EVERY_S = 10.0


class CannotStart(Exception):
    """A process could do nothing of its work, and says why."""


class Readiness:
    """What a process needs to do its work; told of each as it comes to be."""

    def __init__(self) -> None:
        self.ability: Ability | None = None
        self.loops: asyncio.Task[None] | None = None
        """The worker's, where the process has them; they end only with it."""
        self.why_not_started: str | None = None
        self._asking: asyncio.Task[str | None] | None = None
        self._trouble: str | None = None
        """What stands in the log."""

    @property
    def have_loops_failed(self) -> bool:
        """Tell whether they ended by a bug."""
        loops = self.loops
        return loops is not None and loops.done() and not loops.cancelled()

    async def check_start(self) -> None:
        """Try, at leisure, whether a submit could run; what is connected by it stays so.

        Raises:
            CannotStart: it could not.
        """
        assert self.ability is not None, "what is started has its parts"
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self.why_not_started = await self._ask(self.ability)
        except TimeoutError:
            self.why_not_started = f"the database gave no answer within {START_TIMEOUT_S:.0f} s"
        if self.why_not_started is not None:
            raise CannotStart(self.why_not_started)

    async def find_trouble(self) -> str | None:
        """Say why a submit could not run; whoever asks meanwhile waits for the same try."""
        if self.ability is None:
            return "not connected"
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(self.ability))
        # Waited for and not cancelled: the limits of what it awaits end it, and free what it holds.
        await asyncio.wait({self._asking}, timeout=READY_TIMEOUT_S)
        if self._asking.done():
            trouble = self._asking.result()
        else:
            trouble = f"the database gave no answer within {READY_TIMEOUT_S:.0f} s"
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble is None:
                log.warning("readiness.back")
            else:
                log.error("readiness.lost", why=trouble)
        return trouble

    @property
    def is_ready(self) -> bool:
        """Say what the last try found, without another one."""
        return self.ability is not None and self._trouble is None

    async def watch(self) -> None:
        """Look until cancelled, so that trouble stands in the log though nobody asks."""
        while True:
            await self.find_trouble()
            await asyncio.sleep(WATCHED_EVERY_S)

    async def _ask(self, ability: Ability) -> str | None:
        if self.loops is not None and self.loops.done():
            return "the loops have ended"
        return await ability.find_trouble()


@get("/health/live", media_type=MediaType.JSON, include_in_schema=False)
async def health_live() -> dict[str, str]:
    """Whether the process answers at all."""
    return {"status": "live"}


@get("/health/ready", media_type=MediaType.JSON, include_in_schema=False)
async def health_ready(readiness: NamedDependency[Readiness]) -> Response[dict[str, str]]:
    """Whether it can do its work: a submit could run, and the worker's loops do."""
    trouble = await readiness.find_trouble()
    if trouble is None:
        return Response({"status": "ready"})
    return Response(
        {"status": "not ready", "why": trouble}, status_code=HTTP_503_SERVICE_UNAVAILABLE
    )
