"""Builds everything from the settings; the only module that knows every other."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import structlog
from litestar import Litestar
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.types import LifeSpanScope, Scope
from sqlalchemy.ext.asyncio import AsyncEngine

from relay.callbacks.receive import CallbackReceiver
from relay.callbacks.surface import CallbackSurface, find_token
from relay.channels.directory import ChannelDirectory
from relay.database.batch import connector
from relay.database.engine import Sessions, dsn, open_engine, open_pool, open_sessions
from relay.deliveries.deliver import Deliverer
from relay.deliveries.guard import CallbackGuard
from relay.deliveries.send import Sender
from relay.kling.catalogue import Catalogue
from relay.kling.http1_transport import Http1Transport
from relay.kling.jwt import JwtCache
from relay.kling.transport import Transport
from relay.office import create_office
from relay.pages.health import Readiness, health_live, health_ready
from relay.pricing.prices import CachedPriceBook
from relay.pricing.quote import UnitPrices
from relay.proxy.account import Accounts
from relay.proxy.body import BodyBudget
from relay.proxy.many import ManyQueries
from relay.proxy.own import OwnPaths
from relay.proxy.paths import Router
from relay.proxy.query import Queries
from relay.proxy.surface import KlingSurface
from relay.secrets import KeyRing
from relay.settings import Settings
from relay.tasks.ask import Asker
from relay.tasks.callback_path import CallbackPaths
from relay.tasks.finish import Finisher
from relay.tasks.look import Looker, LookRules
from relay.tasks.pass_through import PassThrough
from relay.tasks.place import Places
from relay.tasks.quoter import Quoter
from relay.tasks.submit import SubmitRules, Submitter
from relay.tasks.upstream import Upstream
from relay.tenants.authenticate import Authenticator
from relay.worker.chores import FORGET_EVERY_S, check_books, forget_raw, repeat
from relay.worker.sweep import sweep

log = structlog.get_logger()

LOOKS_AT_ONCE = 100
OWN_PAGES = ("/health/",)
"""What Litestar answers; no path of Kling's begins like it (`kling.catalogue.OURS`)."""


class Parts:
    """The objects of one process; entered, they are connected."""

    def __init__(
        self,
        settings: Settings,
        *,
        database_url: str,
        keys: KeyRing,
        transport: Transport | None = None,
    ) -> None:
        self.settings = settings
        self._database_url = database_url
        self._keys = keys
        self._given_transport = transport
        self._closing = AsyncExitStack()
        self.readiness = Readiness()

    engine: AsyncEngine
    sessions: Sessions
    pool: Any
    finisher: Finisher
    looker: Looker
    deliverer: Deliverer
    surface: KlingSurface
    receiver: CallbackReceiver
    callbacks: CallbackSurface

    async def __aenter__(self) -> Self:
        settings, url, connect = self.settings, self._database_url, connector(self._dsn)
        closing = self._closing
        self.engine = open_engine(url)
        closing.push_async_callback(self.engine.dispose)
        self.sessions = self.readiness.sessions = open_sessions(self.engine)
        self.pool = await open_pool(url)
        closing.push_async_callback(self.pool.close)
        transport = self._given_transport or Http1Transport()
        if self._given_transport is None:
            closing.push_async_callback(transport.aclose)

        directory = ChannelDirectory(self.sessions, self._keys)
        upstream = Upstream(transport, JwtCache())
        public_url = settings.public_url.rstrip("/") if settings.public_url else None
        paths = CallbackPaths(self._keys, public_url)
        catalogue = Catalogue.with_added(settings.endpoints)
        asker = Asker(upstream, directory, catalogue)
        places = Places(self.pool, directory, upstream, catalogue)
        self.finisher = Finisher(connect, asker, catalogue)
        closing.push_async_callback(self.finisher.aclose)
        self.looker = Looker(
            connect,
            self.pool,
            asker=asker,
            finisher=self.finisher,
            directory=directory,
            catalogue=catalogue,
            rules=LookRules(
                refresh_s=settings.refresh_s,
                has_callbacks=paths.are_on,
                lost_looks=settings.lost_looks,
                lost_after_s=settings.lost_after_s,
            ),
        )
        closing.push_async_callback(self.looker.aclose)
        guard = CallbackGuard(settings.callback_networks)
        sender = Sender(guard)
        closing.push_async_callback(sender.aclose)
        self.deliverer = Deliverer(self.pool, self.sessions, sender=sender, keys=self._keys)
        video_micros, image_micros = settings.unit_prices_micros
        prices = UnitPrices(video_micros=video_micros, image_micros=image_micros)
        submitter = Submitter(
            connect,
            quoter=Quoter(self.sessions, CachedPriceBook(self.sessions), prices),
            places=places,
            upstream=upstream,
            finisher=self.finisher,
            looker=self.looker,
            callback_paths=paths,
            callback_guard=guard,
            rules=SubmitRules(
                currency=settings.currency,
                kling_timeout_s=settings.kling_timeout_s,
                submit_timeout_s=settings.submit_timeout_s,
            ),
        )
        closing.push_async_callback(submitter.aclose)
        authenticator = Authenticator(connect, self._keys)
        closing.push_async_callback(authenticator.aclose)
        queries = Queries(connect, self.pool, self.looker)
        closing.push_async_callback(queries.aclose)
        self.receiver = CallbackReceiver(
            connect, paths=paths, directory=directory, finisher=self.finisher, looker=self.looker
        )
        closing.push_async_callback(self.receiver.aclose)
        self.callbacks = CallbackSurface(self.receiver)
        self.surface = KlingSurface(
            authenticator=authenticator,
            submitter=submitter,
            pass_through=PassThrough(
                self.pool, places=places, upstream=upstream, timeout_s=settings.kling_timeout_s
            ),
            queries=queries,
            many=ManyQueries(queries, self.pool, catalogue),
            accounts=Accounts(self.pool, prices=prices, currency=settings.currency),
            router=Router(catalogue),
            own_paths=OwnPaths(self.sessions, sender=sender, guard=guard, keys=self._keys),
            budget=BodyBudget(settings.body_budget_mb * 1024 * 1024),
            body_limit_bytes=settings.body_limit_mb * 1024 * 1024,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    @property
    def _dsn(self) -> str:
        return dsn(self._database_url)

    async def run_loops(self) -> None:
        """Run the worker's loops until cancelled; should they end by a bug, it is said at once."""
        try:
            await self._run_loops()
        except Exception:
            log.exception("worker.loops_ended")
            raise

    async def _run_loops(self) -> None:
        settings = self.settings
        async with asyncio.TaskGroup() as loops:
            loops.create_task(
                sweep("looks", self.looker.claim_due, self.looker.look, at_once=LOOKS_AT_ONCE)
            )
            loops.create_task(
                sweep(
                    "deliveries",
                    self.deliverer.claim_due,
                    self.deliverer.deliver,
                    at_once=self.deliverer.places.in_all,
                )
            )
            loops.create_task(
                repeat("audit", lambda: check_books(self.sessions), every_s=settings.audit_every_s)
            )
            loops.create_task(
                repeat(
                    "forget",
                    lambda: forget_raw(self.sessions, days=settings.keep_raw_days),
                    every_s=FORGET_EVERY_S,
                )
            )


class Relay(Litestar):
    """Litestar for our own pages; Kling's paths, which are all others, go past it.

    One ASGI application over the catalogue serves those: a mount inside Litestar would cost every
    request of a tenant Litestar's routing and exception layers, 12 us, for nothing it uses.
    """

    def __call__(
        self, scope: Scope | LifeSpanScope, receive: Any, send: Any
    ) -> Coroutine[Any, Any, None]:
        """Choose; no coroutine, since what it returns is awaited in its place."""
        if (
            scope["type"] == "lifespan"
            or scope["type"] == ScopeType.WEBSOCKET
            or scope["path"].startswith(OWN_PAGES)
        ):
            return super().__call__(scope, receive, send)
        parts: Parts = self.state.parts
        token = find_token(scope["raw_path"].partition(b"?")[0])
        if token is None:
            return parts.surface(scope, receive, send)
        return parts.callbacks(scope, receive, send, token=token)


def create_app(
    settings: Settings,
    *,
    database_url: str,
    keys: KeyRing,
    transport: Transport | None = None,
    with_worker: bool = True,
) -> Litestar:
    """Build the web application, with the worker's loops in it.

    Its state has the office, which lives as long, and the event `stopping`, for whoever serves
    them to set. Tests pass a transport to a sandbox in process, and change nothing else.
    """
    parts = Parts(settings, database_url=database_url, keys=keys, transport=transport)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with parts:
            loops = asyncio.create_task(parts.run_loops()) if with_worker else None
            parts.readiness.loops = loops
            try:
                yield
            finally:
                if loops is not None:
                    loops.cancel()
                    await asyncio.gather(loops, return_exceptions=True)

    health = [health_live, health_ready]
    dependencies = {"readiness": Provide(lambda: parts.readiness, sync_to_thread=False)}
    app = Relay(
        health,
        dependencies=dependencies,
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
    app.state.parts = parts
    app.state.stopping = stopping = asyncio.Event()
    app.state.office = create_office(
        health, host=settings.office_host, dependencies=dependencies, stopping=stopping
    )
    return app


async def run_worker(settings: Settings, *, database_url: str, keys: KeyRing) -> None:
    """Run the worker's loops alone, until cancelled."""
    async with Parts(settings, database_url=database_url, keys=keys) as parts:
        log.info("worker.started")
        await parts.run_loops()
