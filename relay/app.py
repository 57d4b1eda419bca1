"""The web application and the worker: everything built from the settings, and handed out."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.types import ControllerRouterHandler, LifeSpanScope, Scope

from relay.admin.app import admin_document, open_admin
from relay.console.app import Console
from relay.database.connections import count_connections
from relay.desk.office import Office
from relay.desk.refusals import Refusals
from relay.desk.trial_runs import TrialRuns
from relay.faces import open_faces
from relay.front import Application, Front, is_socket
from relay.kling.catalogue import Catalogue
from relay.kling.transport import Transport
from relay.metrics.business import BusinessMetrics
from relay.metrics.process import ProcessMetrics
from relay.office import OfficeSite
from relay.pages.health import Readiness, health_live, health_ready
from relay.pages.metrics import metrics_of_business, metrics_of_process
from relay.parts import Parts, end, open_parts
from relay.proxy.openapi.document import KlingDocument
from relay.proxy.openapi.page import admin_pages, openapi_pages
from relay.proxy.routes import kling_routes
from relay.secrets import KeyRing
from relay.settings import Settings
from relay.stopping import Stopping

Asgi = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


class Process(Litestar):
    """Litestar for the life of a process, which begins and ends with its lifespan.

    Its state has the office, which lives as long, the process's readiness, and the event
    `stopping`, for whoever serves them to set.
    """

    def __call__(
        self, scope: Scope | LifeSpanScope, receive: Any, send: Any
    ) -> Coroutine[Any, Any, None]:
        """Start and end as Litestar does, but without a traceback where a sentence says why not."""
        if scope["type"] != "lifespan":
            return super().__call__(scope, receive, send)

        async def tell(message: Any) -> None:
            if self.state.readiness.why_not_started is not None:
                message = {**message, "message": ""}
            await send(message)

        return super().__call__(scope, receive, tell)


class Relay(Process):
    """Litestar for our own pages; all that `front.py` gives to others goes past it.

    Kling's paths are resolved from their raw bytes, and answered by one ASGI application over the
    catalogue: Litestar's own routing and layers would cost every request of a tenant 12 us, give
    404 to an external id with a slash in it, and answer OPTIONS by themselves.
    """

    catalogue: Catalogue
    front: Front[Asgi]
    """Set while it runs."""
    document: KlingDocument
    """Of `kling`."""

    @cached_property
    def kling(self) -> Litestar:
        """Kling's paths as Litestar's routes: the list of what we serve, for its document.

        Built when that is asked for: a start has no need of it, and it takes 0.06 s.
        """
        return Litestar(
            kling_routes(self.catalogue),
            dependencies={
                "kling": Provide(lambda: self.state.faces.kling, sync_to_thread=False),
            },
            openapi_config=None,
            logging_config=None,
        )

    def __call__(
        self, scope: Scope | LifeSpanScope, receive: Any, send: Any
    ) -> Coroutine[Any, Any, None]:
        """Choose; no coroutine, since what it returns is awaited in its place."""
        if scope["type"] == "lifespan":
            return super().__call__(scope, receive, send)
        raw_path = scope["raw_path"].partition(b"?")[0]
        if scope["type"] == ScopeType.WEBSOCKET and (
            self.state.faces.studio is None or not is_socket(raw_path)
        ):
            return super().__call__(scope, receive, send)
        return self.front.resolve(raw_path)(scope, receive, send)

    def answer_page(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        """Answer as Litestar does."""
        return super().__call__(scope, receive, send)


def create_app(
    settings: Settings,
    *,
    database_url: str,
    keys: KeyRing,
    transport: Transport | None = None,
    with_worker: bool = True,
    is_served: bool = False,
) -> Relay:
    """Build the web application, with the worker's loops in it.

    `is_served`: on sockets, so that it starts only if a submit could run, and says in the log when
    none could. Tests pass a transport to a sandbox in process, and change nothing else.
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
                stopping=app.state.stopping,
            ) as parts,
            open_faces(settings, parts, app.document, app.state.stopping) as faces,
            _open_office(app, settings, parts, keys=keys, catalogue=catalogue),
        ):
            app.state.parts, app.state.faces = parts, faces
            app.front = Front(
                {
                    Application.PAGES: app.answer_page,
                    Application.CALLBACKS: faces.callbacks,
                    Application.OWN: faces.own,
                    Application.CONTENT: faces.content,
                    Application.UPLOADS: faces.uploads,
                    Application.STUDIO: faces.studio or faces.kling,
                    Application.ASSETS: faces.assets,
                    Application.PORTAL: faces.portal or faces.kling,
                    Application.KLING: faces.kling,
                }
            )
            async with _running(
                app, parts, readiness, with_worker=with_worker, is_served=is_served
            ):
                yield

    app = Relay(
        [health_live, health_ready],
        dependencies={"readiness": Provide(lambda: readiness, sync_to_thread=False)},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
    app.catalogue, app.document = (
        catalogue,
        KlingDocument(lambda: app.kling.routes, has_unified=settings.new_api_paths),
    )
    pages = [
        *openapi_pages(app.document),
        *admin_pages(admin_document),
    ]
    _add_office(app, settings, readiness, pages)
    return app


@asynccontextmanager
async def _open_office(
    app: Process, settings: Settings, parts: Parts, *, keys: KeyRing, catalogue: Catalogue
) -> AsyncIterator[None]:
    """Let operators' programs and browsers in, for as long as it is open."""
    store, deliveries = parts.store, parts.deliveries
    transport = parts.kling.upstream.transport
    trials = TrialRuns(store.sessions, transport, parts.kling.callback_paths)
    office = Office(
        *(store.sessions, store.chores, settings, keys, catalogue),
        *(deliveries.sender, deliveries.guard),
        transport=transport,
        turn=asyncio.Semaphore(1),
        refusals=Refusals(store.sessions),
        trials=trials,
        passing=parts.assets.passing,
        backups=parts.loops.backups,
    )
    async with (
        aclosing(trials),
        open_admin(office, store.lines.reads, store.pool) as admin,
    ):
        app.state.office.admin = admin
        app.state.office.console = Console(office, app.state.stopping)
        yield


def create_worker(settings: Settings, *, database_url: str, keys: KeyRing) -> Process:
    """Build what runs the worker's loops alone; nobody but its office answers requests.

    Should the loops end by a bug, it tells the process to end.
    """
    readiness = Readiness()

    def end_process(loops: asyncio.Task[None]) -> None:
        if not loops.cancelled():
            signal.raise_signal(signal.SIGTERM)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with (
            open_parts(
                settings,
                database_url=database_url,
                keys=keys,
                catalogue=Catalogue.with_added(settings.endpoints),
                stopping=app.state.stopping,
            ) as parts,
            _running(app, parts, readiness, with_worker=True, is_served=True),
        ):
            assert readiness.loops is not None, "it was told to run them"
            readiness.loops.add_done_callback(end_process)
            yield

    app = Process([], lifespan=[lifespan], openapi_config=None, logging_config=None)
    _add_office(app, settings, readiness, ())
    return app


@asynccontextmanager
async def _running(
    app: Process, parts: Parts, readiness: Readiness, *, with_worker: bool, is_served: bool
) -> AsyncIterator[None]:
    """Run what needs no request.

    Raises:
        CannotStart: it could do nothing, with a sentence.
    """
    readiness.ability = parts.ability
    app.state.process_metrics = _metrics_of(parts, readiness)
    app.state.business_metrics = BusinessMetrics(parts.store.pool)
    if is_served:
        await readiness.check_start()
    loops = asyncio.create_task(parts.loops.run()) if with_worker else None
    watch = asyncio.create_task(readiness.watch()) if is_served else None
    readiness.loops = loops
    try:
        yield
    finally:
        await end(parts, loops, watch)


def _add_office(
    app: Process, settings: Settings, readiness: Readiness, pages: Iterable[ControllerRouterHandler]
) -> None:
    app.state.readiness = readiness
    app.state.stopping = stopping = Stopping(settings.drain_s)
    app.state.office = OfficeSite(
        [health_live, health_ready, metrics_of_process, metrics_of_business, *pages],
        host=settings.office_host,
        dependencies={
            "readiness": Provide(lambda: readiness, sync_to_thread=False),
            "process_metrics": Provide(lambda: app.state.process_metrics, sync_to_thread=False),
            "business_metrics": Provide(lambda: app.state.business_metrics, sync_to_thread=False),
        },
        stopping=stopping,
    )


def _metrics_of(parts: Parts, readiness: Readiness) -> ProcessMetrics:
    store = parts.store
    return ProcessMetrics(
        parts.counts,
        connections=lambda: count_connections(
            store.lines, store.pool, sessions=store.sessions, chores=store.chores
        ),
        directory=parts.kling.directory,
        ability=parts.ability,
        is_ready=lambda: readiness.is_ready,
    )
