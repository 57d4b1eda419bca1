"""Whether this process lives, and whether it can do its work; asked without a credential."""

import asyncio

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_503_SERVICE_UNAVAILABLE
from sqlalchemy import text

from relay.database.engine import Sessions

READY_TIMEOUT_S = 2.0


class Readiness:
    """What a process needs to do its work; told of each as it comes to be."""

    def __init__(self) -> None:
        self.sessions: Sessions | None = None
        self.loops: asyncio.Task[None] | None = None
        """The worker's, where the process has them; they end only with it."""

    async def find_trouble(self) -> str | None:
        """Say what is missing: the database answers, and the worker's loops run."""
        if self.sessions is None:
            return "not connected"
        if self.loops is not None and self.loops.done():
            return "the loops have ended"
        try:
            async with asyncio.timeout(READY_TIMEOUT_S), self.sessions() as session:
                await session.execute(text("SELECT 1"))
        except Exception as error:  # noqa: BLE001 (whatever it is, we are not ready)
            return type(error).__name__
        return None


@get("/health/live", media_type=MediaType.JSON, include_in_schema=False)
async def health_live() -> dict[str, str]:
    """Whether the process answers at all."""
    return {"status": "live"}


@get("/health/ready", media_type=MediaType.JSON, include_in_schema=False)
async def health_ready(readiness: NamedDependency[Readiness]) -> Response[dict[str, str]]:
    """Whether it can do its work: the database answers, and the worker's loops run."""
    trouble = await readiness.find_trouble()
    if trouble is None:
        return Response({"status": "ready"})
    return Response(
        {"status": "not ready", "why": trouble}, status_code=HTTP_503_SERVICE_UNAVAILABLE
    )
