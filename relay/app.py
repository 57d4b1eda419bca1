"""The web application and the worker: everything built from the settings, and handed out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog
from litestar import Litestar, MediaType, Response, get
from litestar.di import NamedDependency, Provide
from litestar.enums import ScopeType
from litestar.types import LifeSpanScope, Scope
from sqlalchemy import text

from relay.database.engine import Sessions
from relay.faces import open_faces
from relay.front import Application, Front
from relay.kling.catalogue import Catalogue
from relay.kling.transport import Transport
from relay.parts import open_parts
from relay.proxy.openapi.document import KlingDocument
from relay.proxy.routes import kling_routes
from relay.secrets import KeyRing
from relay.settings import Settings

log = structlog.get_logger()

READY_TIMEOUT_S = 2.0
Asgi = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


class Relay(Litestar):
    """Litestar for our own pages; all that `front.py` gives to others goes past it.

    Kling's paths are routes of it too, for the list of what we serve and its OpenAPI document. But
    they are resolved from their raw bytes, and answered by one ASGI application over the catalogue:
    Litestar's own routing and layers would cost every request of a tenant 12 us, give 404 to an
    external id with a slash in it, and answer OPTIONS by themselves.
    """

    front: Front[Asgi]
    """Set while it runs."""
    document: KlingDocument
    """Of its routes to Kling."""

    def __call__(
        self, scope: Scope | LifeSpanScope, receive: Any, send: Any
    ) -> Coroutine[Any, Any, None]:
        """Choose; no coroutine, since what it returns is awaited in its place."""
        if scope["type"] == "lifespan" or scope["type"] == ScopeType.WEBSOCKET:
            return super().__call__(scope, receive, send)
        answer = self.front.resolve(scope["raw_path"].partition(b"?")[0])
        return answer(scope, receive, send)

    def answer_page(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        """Answer as Litestar does."""
        return super().__call__(scope, receive, send)


class Readiness:
    """Whether this process can do its work."""

    sessions: Sessions
    loops: asyncio.Task[None] | None = None
    """The worker's, where the process has them; they end only with it."""

    async def why_not(self) -> str | None:
        """Say what is missing: the database answers, or the worker's loops run."""
        if self.loops is not None and self.loops.done():
            return "the loops have ended"
        try:
            async with asyncio.timeout(READY_TIMEOUT_S), self.sessions() as session:
                await session.execute(text("SELECT 1"))
        except Exception as error:  # noqa: BLE001 (whatever it is, we are not ready)
            return type(error).__name__
        return None


def create_app(
    settings: Settings,
    *,
    database_url: str,
    keys: KeyRing,
    transport: Transport | None = None,
    with_worker: bool = True,
) -> Relay:
    """Build the web application, with the worker's loops in it.

    Tests pass a transport to a sandbox in process, and change nothing else.
    """
    catalogue = Catalogue.with_added(settings.endpoints)
    readiness = Readiness()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with (
            open_parts(
                settings,
                database_url=database_url,
                keys=keys,
                catalogue=catalogue,
                transport=transport,
            ) as parts,
            open_faces(settings, parts, app.document) as faces,
        ):
            app.state.parts, app.state.faces = parts, faces
            app.front = Front(
                {
                    Application.PAGES: app.answer_page,
                    Application.CALLBACKS: faces.callbacks,
                    Application.OWN: faces.own,
                    Application.KLING: faces.kling,
                }
            )
            readiness.sessions = parts.store.sessions
            loops = asyncio.create_task(parts.loops.run()) if with_worker else None
            readiness.loops = loops
            try:
                yield
            finally:
                if loops is not None:
                    loops.cancel()
                    await asyncio.gather(loops, return_exceptions=True)

    app = Relay(
        [health_live, health_ready, *kling_routes(catalogue)],
        dependencies={
            "kling": Provide(lambda: app.state.faces.kling, sync_to_thread=False),
            "readiness": Provide(lambda: readiness, sync_to_thread=False),
        },
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
    app.document = KlingDocument(app.routes)
    return app


async def run_worker(settings: Settings, *, database_url: str, keys: KeyRing) -> None:
    """Run the worker's loops alone, until cancelled."""
    async with open_parts(
        settings,
        database_url=database_url,
        keys=keys,
        catalogue=Catalogue.with_added(settings.endpoints),
    ) as parts:
        log.info("worker.started")
        await parts.loops.run()


@get("/health/live", media_type=MediaType.JSON, include_in_schema=False)
async def health_live() -> dict[str, str]:
    """Whether the process answers at all."""
    return {"status": "live"}


@get("/health/ready", media_type=MediaType.JSON, include_in_schema=False)
async def health_ready(readiness: NamedDependency[Readiness]) -> Response[dict[str, str]]:
    """Whether it can do its work: the database answers, and the worker's loops run."""
    why_not = await readiness.why_not()
    if why_not is not None:
        return Response({"status": "not ready", "why": why_not}, status_code=503)
    return Response({"status": "ready"})
